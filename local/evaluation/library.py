"""The library in an account of a deployment: what is missing is uploaded and indexed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from local.client import Client
from local.evaluation.drawn_library import make_video
from local.evaluation.labels import Video, library_digest

_PREFIX: Final = "heimdex-evaluation"
_POLL_S: Final = 0.5

#: Called with (videos indexed, videos in all).
Progress = Callable[[int, int], None]


class LibraryError(RuntimeError):
    """The library cannot be brought into the account."""


def index_library(
    client: Client,
    videos: Sequence[Video],
    directory: Path,
    *,
    index_version: str,
    on_progress: Progress = lambda done, total: None,
    timeout_s: float = 1_800.0,
) -> dict[str, str]:
    """Make sure that the account holds the videos, indexed; returns their ids by name.

    A video that is there, made by the same index version from the same description, is used as it
    is. Older versions of the library's own videos are deleted: they would count as scenes that are
    compared. Other videos of the account stay.

    Args:
        client: signed in.
        videos: which of the library.
        directory: for the encoded files.
        index_version: that the deployment searches.
        on_progress: told after every change.
        timeout_s: for the whole of it.

    Raises:
        LibraryError: a video failed.
        TimeoutError: not indexed in time.
        ApiError: refused.
    """
    wanted = {video.name: _title(video, index_version) for video in videos}
    there = _usable(client, suffix=_suffix(index_version))
    ids: dict[str, str] = {}
    for video in videos:
        title = wanted[video.name]
        if title not in there:
            there[title] = client.upload(make_video(video, directory / f"{title}.mp4"))
        ids[video.name] = there[title]
    _wait(client, ids, on_progress, timeout_s)
    return ids


def ids_by_title(client: Client, titles: Collection[str]) -> dict[str, str]:
    """The ids of videos that the account holds already.

    Raises:
        LibraryError: a title is missing, not indexed, or stands for several videos.
        ApiError: refused.
    """
    there = [video for video in client.videos() if video["state"] == "indexed"]
    ids: dict[str, str] = {}
    for title in titles:
        named = [str(video["id"]) for video in there if video["title"] == title]
        if len(named) != 1:
            raise LibraryError(f"{len(named)} indexed videos have the title {title!r}")
        ids[title] = named[0]
    return ids


def searched_version(client: Client) -> str:
    """The index version that the deployment searches."""
    return str(client.search("index version")["query"]["index_version"])


def _wait(client: Client, ids: dict[str, str], on_progress: Progress, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    waiting = dict(ids)
    while True:
        for name, video_id in list(waiting.items()):
            state = client.video(video_id)["state"]
            if state == "failed":
                raise LibraryError(f"the video {name} could not be indexed")
            if state == "indexed":
                del waiting[name]
        on_progress(len(ids) - len(waiting), len(ids))
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not indexed after {timeout_s:.0f} s: {', '.join(waiting)}")
        time.sleep(_POLL_S)


def _title(video: Video, index_version: str) -> str:
    """Also the file's name, from which the service makes the title."""
    return f"{_PREFIX} {video.name} {_suffix(index_version)}"


def _suffix(index_version: str) -> str:
    return f"{library_digest()} {index_version}"


def _usable(client: Client, *, suffix: str) -> dict[str, str]:
    """Ids by title of the library's videos that are there; outdated and failed ones are deleted."""
    usable: dict[str, str] = {}
    for video in client.videos():
        title = str(video["title"])
        if not title.startswith(f"{_PREFIX} "):
            continue
        if title.endswith(f" {suffix}") and video["state"] != "failed" and title not in usable:
            usable[title] = str(video["id"])
        else:
            client.delete(video["id"])
    return usable
