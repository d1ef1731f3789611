"""Hits as they are listed: each moment on its own, or the best of each video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from functions.search.merge import MergedHit
from functions.search.model import GroupBy


@dataclass(frozen=True, kw_only=True)
class Group:
    """One entry of the list."""

    best: MergedHit
    #: Further moments of the same video, best first; empty if moments stand on their own.
    others: tuple[MergedHit, ...] = ()
    #: Moments of the video in all; 1 if moments stand on their own.
    count: int = 1


def grouped(moments: Sequence[MergedHit], by: GroupBy) -> list[Group]:
    """The entries of the list, in the order of their best moments.

    Args:
        moments: best first.
        by: what an entry is.
    """
    if by == "scene":
        return [Group(best=moment) for moment in moments]
    by_video: dict[UUID, list[MergedHit]] = {}
    for moment in moments:
        by_video.setdefault(moment.best.evidence.video_id, []).append(moment)
    return [
        Group(best=first, others=tuple(others), count=1 + len(others))
        for first, *others in by_video.values()
    ]
