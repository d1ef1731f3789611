"""Follow a video through the pipeline with a bar per stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from local.client import Client

_POLL_S = 0.25
_TERMINAL_STATES = ("indexed", "failed")


def upload_bar(console: Console, name: str) -> tuple[Progress, Callable[[int, int], None]]:
    """A bar for the bytes of one upload, and the callback that moves it."""
    progress = _bars(console)
    task = progress.add_task(f"upload {name}", total=1.0, note="")
    return progress, lambda sent, total: progress.update(task, completed=sent / max(total, 1))


def follow(client: Client, video_id: str, console: Console, *, timeout_s: float) -> dict[str, Any]:
    """Show every stage's progress until the video is indexed or has failed.

    Args:
        client: signed in as the owner.
        video_id: which video.
        console: where people look (standard error when standard output carries JSON).
        timeout_s: give up after this long.

    Returns:
        The last status.

    Raises:
        TimeoutError: neither indexed nor failed in time.
    """
    deadline = time.monotonic() + timeout_s
    with _bars(console) as bars:
        shown: dict[str, TaskID] = {}
        while True:
            status = client.status(video_id)
            _show(bars, shown, status["stages"])
            if status["state"] in _TERMINAL_STATES:
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the video is still {status['state']} after {timeout_s:.0f} s; "
                    f"ask again with: python -m local status {video_id}"
                )
            time.sleep(_POLL_S)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:22}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=console,
    )


def _show(bars: Progress, shown: dict[str, TaskID], stages: list[dict[str, Any]]) -> None:
    for stage in stages:
        name = stage["stage"]
        if name not in shown:
            shown[name] = bars.add_task(name, total=1.0, start=False, note="")
        task = shown[name]
        if stage["state"] != "pending" and not bars.tasks[task].started:
            bars.start_task(task)
        finished = stage["state"] in ("done", "skipped")
        bars.update(
            task,
            completed=1.0 if finished else stage["progress"],
            note=(stage["note"] or "").replace("_", " "),
        )
