"""Hits of adjacent scenes of one video, as one moment.

A conversation or a ride is cut into many scenes, and each of them may be a hit. A person looks for
the place in the video, so what touches is shown once, and its scenes are the parts of it.

What joins, and why:

- *Strong with strong, possible with possible.* The parts of a moment are then equally believed, and
  its tier says what all of it is worth.
- *A possible hit beside a strong moment: as its context, one scene on either side at most.* Shown
  by itself it would repeat the place that was already found. More of them would make the moment
  start long before what was looked for, so a strong moment is never drowned in possible ones; nor
  does context join two strong moments.
- *Nothing beyond `MAX_MOMENT_MS`.* Of a lecture that is all about the query, one hit of an hour
  would be no answer.

A moment grows from its best part, towards the better neighbour first; so where the cap cuts, the
best part keeps what surrounds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from functions.search.model import Ranked, Tier
from functions.search.rank import order

#: Between the end of a scene and the start of the next; above it there is something else between.
MAX_GAP_MS: Final = 1_000
#: The length of a moment of several scenes. A scene that is longer stays as it is, alone.
MAX_MOMENT_MS: Final = 60_000


@dataclass(frozen=True, kw_only=True)
class MergedHit:
    """A moment of one video, of one or more scenes that are hits."""

    #: The part that ranks it: score, tier, legs and words found are this one's.
    best: Ranked
    #: All of them, `best` too, in the order of time.
    parts: tuple[Ranked, ...]
    #: Of the video; from the first part's start to the last one's end.
    start_ms: int
    end_ms: int


def merge(hits: Sequence[Ranked]) -> list[MergedHit]:
    """The moments that hits make, best first.

    Every hit is part of exactly one moment. The order that the hits come in does not matter.

    Args:
        hits: of distinct scenes.
    """
    timeline = _Timeline(hits)
    best_first = sorted(range(len(hits)), key=lambda place: order(timeline.hits[place]))
    return [timeline.moment(place) for place in best_first if not timeline.taken[place]]


class _Timeline:
    """Hits by video and time; moments are runs of places in it."""

    def __init__(self, hits: Sequence[Ranked]) -> None:
        self.hits = sorted(hits, key=_by_time)
        self.taken = [False] * len(self.hits)

    def moment(self, best: int) -> MergedHit:
        """Take the moment that grows from a place."""
        tier = self.hits[best].tier
        run = self._grown(range(best, best + 1), tier)
        if tier == "strong":
            run = self._with_context(run)
        for place in run:
            self.taken[place] = True
        start_ms, end_ms = self._span(run)
        return MergedHit(
            best=self.hits[best],
            parts=tuple(self.hits[place] for place in run),
            start_ms=start_ms,
            end_ms=end_ms,
        )

    def _grown(self, run: range, tier: Tier) -> range:
        """The run with all that can join it of one tier."""
        while joining := self._joining(run, tier):
            run = _with(run, joining[0])
        return run

    def _with_context(self, run: range) -> range:
        """The run with one possible hit before it and one after it."""
        for place in self._joining(run, "possible"):
            wider = _with(run, place)
            run = wider if self._fits(wider) else run
        return run

    def _joining(self, run: range, tier: Tier) -> list[int]:
        """The places beside a run that may become part of it, the better hit first."""
        beside = [
            (place, earlier)
            for place, earlier in ((run.start - 1, run.start - 1), (run.stop, run.stop - 1))
            if 0 <= place < len(self.hits) and not self.taken[place]
        ]
        joining = [
            place
            for place, earlier in beside
            if self.hits[place].tier == tier
            and _touch(self.hits[earlier], self.hits[earlier + 1])
            and self._fits(_with(run, place))
        ]
        return sorted(joining, key=lambda place: order(self.hits[place]))

    def _fits(self, run: range) -> bool:
        start_ms, end_ms = self._span(run)
        return end_ms - start_ms <= MAX_MOMENT_MS

    def _span(self, run: range) -> tuple[int, int]:
        parts = [self.hits[place].evidence for place in run]
        return parts[0].start_ms, max(part.end_ms for part in parts)


def _with(run: range, place: int) -> range:
    return range(min(run.start, place), max(run.stop, place + 1))


def _touch(earlier: Ranked, later: Ranked) -> bool:
    before, after = earlier.evidence, later.evidence
    return before.video_id == after.video_id and after.start_ms - before.end_ms <= MAX_GAP_MS


def _by_time(hit: Ranked) -> tuple[int, int, int]:
    return (hit.evidence.video_id.int, hit.evidence.start_ms, hit.evidence.scene_id.int)
