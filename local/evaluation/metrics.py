"""What an answer is worth, and what many answers are worth together. Pure.

A hit finds a moment when it is in the same video and their temporal IoU is at least 0.3. Recall
at n under an IoU threshold is what moment retrieval reports (J. Gao et al., TALL: Temporal
Activity Localization via Language Query, 2017: "R@n, IoU=m", with m 0.3, 0.5 and 0.7); 0.5 is
reported beside it for the first hit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from local.evaluation.labels import Moment, Query

#: Temporal IoU from which on a hit finds a moment …
FOUND_IOU: Final = 0.3
#: … and from which on it is well placed.
WELL_PLACED_IOU: Final = 0.5
#: Hits that are looked at.
DEPTH: Final = 10

#: (queries, 2): what each query adds to the numerator and the denominator of a measure.
Parts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One query's answer, judged."""

    #: Whether any moment answers the query.
    answerable: bool
    #: Place of the first hit that finds a moment, from 1; None if none of the first ten does.
    rank: int | None
    #: Of the first hit with the labelled moment it overlaps most, 0–1; 0 without a hit.
    top_iou: float
    #: Share of the labelled moments that the first ten hits find, 0–1.
    covered: float
    #: Whether search said that there is nothing.
    said_nothing: bool


def iou(one: Moment, other: Moment) -> float:
    """Intersection over union of two spans, 0–1; 0 in different videos."""
    if one.video != other.video:
        return 0.0
    common_ms = min(one.end_ms, other.end_ms) - max(one.start_ms, other.start_ms)
    if common_ms <= 0:
        return 0.0
    lengths_ms = one.end_ms - one.start_ms + other.end_ms - other.start_ms
    return common_ms / (lengths_ms - common_ms)


def judge(query: Query, hits: Sequence[Moment], *, said_nothing: bool) -> Outcome:
    """Compare an answer with the labels.

    Args:
        query: with its moments.
        hits: best first; only the first ten count.
        said_nothing: as search said.
    """
    ious = np.array(
        [[iou(hit, moment) for moment in query.moments] for hit in hits[:DEPTH]]
    ).reshape(len(hits[:DEPTH]), len(query.moments))
    found = ious >= FOUND_IOU
    finding = np.flatnonzero(found.any(axis=1))
    return Outcome(
        answerable=bool(query.moments),
        rank=int(finding[0]) + 1 if finding.size else None,
        top_iou=float(ious[0].max()) if ious.size else 0.0,
        covered=float(found.any(axis=0).mean()) if ious.size else 0.0,
        said_nothing=said_nothing,
    )


def _recall(depth: int) -> Callable[[Outcome], float]:
    return lambda outcome: float(outcome.rank is not None and outcome.rank <= depth)


#: Means over the queries that something answers.
_MEANS: Final[Mapping[str, Callable[[Outcome], float]]] = {
    "recall@1": _recall(1),
    "recall@5": _recall(5),
    "recall@10": _recall(10),
    "MRR": lambda outcome: 1 / outcome.rank if outcome.rank else 0.0,
    "recall@1 IoU 0.5": lambda outcome: float(outcome.top_iou >= WELL_PLACED_IOU),
    "mean IoU": lambda outcome: outcome.top_iou,
    "covered@10": lambda outcome: outcome.covered,
}


def _mean_parts(value: Callable[[Outcome], float]) -> Callable[[Outcome], tuple[float, float]]:
    return lambda outcome: (value(outcome), 1.0) if outcome.answerable else (0.0, 0.0)


def _nothing_precision(outcome: Outcome) -> tuple[float, float]:
    right = outcome.said_nothing and not outcome.answerable
    return float(right), float(outcome.said_nothing)


def _nothing_recall(outcome: Outcome) -> tuple[float, float]:
    right = outcome.said_nothing and not outcome.answerable
    return float(right), float(not outcome.answerable)


#: Every measure is a sum over a sum; these are one query's part of both.
MEASURES: Final[Mapping[str, Callable[[Outcome], tuple[float, float]]]] = MappingProxyType(
    {name: _mean_parts(value) for name, value in _MEANS.items()}
    | {"nothing precision": _nothing_precision, "nothing recall": _nothing_recall}
)


def parts(measure: str, outcomes: Iterable[Outcome]) -> Parts:
    """Each query's part of a measure, (queries, 2), in the order given."""
    rows = [MEASURES[measure](outcome) for outcome in outcomes]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2)


def value(of: Parts) -> float | None:
    """The measure, 0–1; None where no query has a say (nothing was ever said to be nothing)."""
    numerator, denominator = of.sum(axis=0)
    return float(numerator / denominator) if denominator else None
