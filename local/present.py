"""Answers of the service in words for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

_TIER_STYLE = {"strong": "bold green", "possible": "yellow"}
_SHOWN_HITS = 3


def clock(time_ms: int | None) -> str:
    """Minutes and seconds: 75500 → "1:15.5"."""
    if time_ms is None:
        return "?"
    minutes, rest_ms = divmod(time_ms, 60_000)
    return f"{minutes}:{rest_ms / 1000:04.1f}"


def search(console: Console, kind: str, query: str, answer: dict[str, Any]) -> None:
    """Print a query and its best hits: when, how sure, and why."""
    console.print(f"[bold]{escape(query)}[/]  [dim]({escape(kind)})[/]")
    if answer["nothing_found"]:
        console.print("  nothing found\n")
        return
    for hit in answer["hits"][:_SHOWN_HITS]:
        style = _TIER_STYLE.get(hit["tier"], "")
        console.print(
            f"  {_span(hit)}  [{style}]{hit['tier']:8}[/] {hit['score']:.2f}  "
            f"{escape(hit['why']['en'])}"
        )
        for scene in hit["sub_hits"]:
            console.print(
                f"    [dim]{_span(scene)}  {scene['score']:.2f}  {escape(scene['why']['en'])}[/]"
            )
    left = len(answer["hits"]) - _SHOWN_HITS
    console.print(f"  [dim]and {left} more[/]\n" if left > 0 else "")


def _span(hit: dict[str, Any]) -> str:
    return f"{clock(hit['start_ms'])}–{clock(hit['end_ms'])}"


def failure(console: Console, status: dict[str, Any]) -> None:
    """Print why a video failed and what to do, in both languages."""
    error = status["error"] or {}
    messages = error.get("messages", {})
    console.print(f"[bold red]The video could not be indexed: {error.get('code', 'unknown')}[/]")
    for message in messages.values():
        console.print(f"  {escape(message)}")


def video(console: Console, status: dict[str, Any]) -> None:
    """Print a video's state and its stages."""
    console.print(f"{status['video_id']}  [bold]{status['state']}[/]")
    for stage in status["stages"]:
        note = (stage["note"] or "").replace("_", " ")
        console.print(
            f"  {stage['stage']:22} {stage['state']:8} {stage['progress']:4.0%}  [dim]{note}[/]"
        )
    if status["state"] == "failed":
        failure(console, status)
