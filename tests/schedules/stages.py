"""Stages that are trivial, can be stopped in the middle, and refuse one kind of upload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from common.domain import IndexRows, Media
from common.errors import InputError
from gpu_jobs.stage import Pipeline, VideoFacts
from tests import tiny_pipeline as tiny
from tests.schedules.actors import stop_at
from tests.tiny_pipeline import Half, Halves, Joined, Size

#: An upload that begins so is refused by the first stage.
POISON: Final = b"poison"


def measure(media: Media) -> Size:
    """As the tiny pipeline's; poison is the user's fault."""
    stop_at("stage:size")
    if media.path.read_bytes().startswith(POISON):
        raise InputError("truncated")
    return tiny.measure(media)


def split(media: Media, *, size: Size, progress: Callable[[float], None]) -> Halves:
    """As the tiny pipeline's."""
    stop_at("stage:first+second")
    return tiny.split(media, size=size, progress=progress)


def join(*, first: Half, second: Half, models: Any) -> Joined:
    """As the tiny pipeline's."""
    stop_at("stage:join")
    return tiny.join(first=first, second=second, models=models)


def index(*, join: Joined, video: VideoFacts) -> IndexRows:
    """As the tiny pipeline's."""
    stop_at("stage:index")
    return tiny.index(join=join, video=video)


_RUN: Final[Mapping[str, Callable[..., Any]]] = {
    "size": measure,
    "first": split,
    "second": split,
    "join": join,
    "index": index,
}
PIPELINE = Pipeline(replace(row, run=_RUN[row.name]) for row in tiny.STAGES)
