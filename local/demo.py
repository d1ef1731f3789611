"""The main job, end to end, as an outside client sees it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from rich.console import Console

from local import present
from local.client import Client, Endpoints, Subtitles, sign_in
from local.cloud import started
from local.environment import OFFLINE, ModelChoice
from local.progress import follow, upload_bar
from local.sample.script import KNOWN_MOMENTS, KnownMoment, span_ms
from local.sample.video import make_sample

_INDEX_TIMEOUT_S = 1_800.0


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """What to show."""

    state: Path
    #: The user's own file, or None for the sample.
    video: Path | None
    subtitles: Sequence[Subtitles]
    #: Queries for the user's own file; the sample has its own.
    queries: Sequence[str]
    models: ModelChoice = OFFLINE


def run_demo(request: DemoRequest, console: Console) -> tuple[dict[str, Any], bool]:
    """Start the cloud, upload, index, search, preview, shut down.

    Returns:
        The JSON object that `--json` prints, and whether everything that had to be found was.
    """
    directory = request.state / "demo"
    shutil.rmtree(directory, ignore_errors=True)
    begun = time.monotonic()
    with console.status("") as status:
        video = request.video or _sample(request.state, status.update)
        cloud_steps = lambda step: status.update(f"starting the local cloud: {step}")  # noqa: E731
        with started(directory, models=request.models, on_step=cloud_steps) as cloud:
            status.stop()
            console.print(
                f"The local cloud is up after {time.monotonic() - begun:.1f} s "
                f"at {cloud.address.api_url}"
            )
            result = _show(cloud.address.endpoints, video, request, console, begun)
    console.print("Everything is shut down.")
    return result


def _sample(state: Path, say: Any) -> Path:
    path = state / "sample.mp4"
    if not path.exists():
        say("drawing the sample video")
        make_sample(path)
    return path


def _show(
    endpoints: Endpoints, video: Path, request: DemoRequest, console: Console, begun: float
) -> tuple[dict[str, Any], bool]:
    email = f"demo-{uuid4().hex[:8]}@example.com"
    client = Client(endpoints, sign_in(endpoints, email, "a demo password"))
    console.print(f"Signed up as {email}")

    bar, on_progress = upload_bar(console, video.name)
    with bar:
        video_id = client.upload(video, request.subtitles, on_progress=on_progress)
    status = follow(client, video_id, console, timeout_s=_INDEX_TIMEOUT_S)
    summary = _video_summary(client.video(video_id), status)
    if status["state"] != "indexed":
        present.failure(console, status)
        return {"video": summary, "searches": []}, False
    console.print(
        f"Indexed {summary['scenes']} scenes of {present.clock(summary['duration_ms'])}\n"
    )

    searches, all_found = _search_all(client, request, console, begun)
    all_found = _check_preview(client, searches, console) and all_found
    return {"video": summary, "searches": searches}, all_found


def _video_summary(video: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {
        "video_id": video["id"],
        "state": status["state"],
        "title": video["title"],
        "duration_ms": video["duration_ms"],
        "scenes": video["scene_count"],
        "error": status["error"],
        "stages": status["stages"],
    }


def _search_all(
    client: Client, request: DemoRequest, console: Console, begun: float
) -> tuple[list[dict[str, Any]], bool]:
    moments = [KnownMoment(kind="your query", query=q, shot=None) for q in request.queries]
    if request.video is None and not moments:
        moments = list(KNOWN_MOMENTS)
    searches: list[dict[str, Any]] = []
    all_found = True
    for moment in moments:
        answer = client.search(moment.query)
        present.search(console, moment.kind, moment.query, answer)
        if not searches:
            console.print(f"  (first answer after {time.monotonic() - begun:.0f} s)\n", style="dim")
        searches.append(search_summary(moment.query, answer))
        if request.video is None and not request.queries and not as_expected(moment, answer):
            console.print("  [bold red]This is not the moment it should be.[/]\n")
            all_found = False
    return searches, all_found


def search_summary(query: str, answer: dict[str, Any]) -> dict[str, Any]:
    """One search as `--json` prints it: legs flattened to their scores."""
    hits = [
        {
            "video_id": hit["video_id"],
            "scene_id": hit["scene_id"],
            "start_ms": hit["start_ms"],
            "end_ms": hit["end_ms"],
            "score": hit["score"],
            "tier": hit["tier"],
            "transcript": hit["transcript"],
            "on_screen_text": hit["on_screen_text"],
            "legs": {name: leg["score"] for name, leg in hit["legs"].items()},
            "matched_words": hit["matched_words"],
            "best_frame_ms": hit["best_frame_ms"],
            "why": hit["why"],
            "sub_hits": hit["sub_hits"],
        }
        for hit in answer["hits"]
    ]
    return {"query": query, "nothing_found": answer["nothing_found"], "hits": hits}


def as_expected(moment: KnownMoment, answer: dict[str, Any]) -> bool:
    """Whether the known moment comes first; for nonsense, whether nothing was found.

    A moment may span several scenes: the best of them must be the known one.
    """
    if moment.shot is None:
        return bool(answer["nothing_found"]) and not answer["hits"]
    if not answer["hits"]:
        return False
    start_ms, end_ms = span_ms(moment.shot)
    first = answer["hits"][0]
    scenes = (each for each in first["sub_hits"] if each["scene_id"] == first["scene_id"])
    best = next(scenes, first)
    middle_ms = (best["start_ms"] + best["end_ms"]) / 2
    return bool(start_ms <= middle_ms < end_ms)


def _check_preview(client: Client, searches: list[dict[str, Any]], console: Console) -> bool:
    """Fetch the first bytes of the best hit's preview, as a player does."""
    hits = [hit for search in searches for hit in search["hits"][:1]]
    if not hits:
        return True
    preview = client.preview(hits[0]["scene_id"])
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(preview["url"], headers={"Range": "bytes=0-1023"}, timeout=30)
    served = answer.status_code == 206 and len(answer.content) > 0
    console.print(f"Preview of the first hit: {preview['url']}", soft_wrap=True)
    console.print(
        f"  a request for its first bytes is answered {answer.status_code}, "
        f"{answer.headers.get('Content-Range', 'without a range')}\n",
        style="dim" if served else "bold red",
    )
    return served
