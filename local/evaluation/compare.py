"""Two runs side by side: which differences are more than chance, and which stop a change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from local.evaluation.labels import Query
from local.evaluation.metrics import MEASURES, parts, value
from local.evaluation.runs import ALL, Run, label_of
from local.evaluation.significance import ALPHA, p_value

#: What must not get worse on the held-out half.
GATED: Final = ("MRR", "recall@5", "nothing precision", "nothing recall")

Verdict = Literal["better", "worse", "not shown"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One measure in two runs."""

    measure: str
    before: float | None
    after: float | None
    #: Of the paired randomisation test.
    p: float
    #: Queries whose part in the measure differs.
    differing: int

    @property
    def verdict(self) -> Verdict:
        """What may be said of it at the 5 % level."""
        change = (self.after or 0.0) - (self.before or 0.0)
        if self.p >= ALPHA or not change:
            return "not shown"
        return "better" if change > 0 else "worse"


def comparable(queries: Sequence[Query], before: Run, after: Run, leg: str = ALL) -> list[Query]:
    """The queries that both runs answered under today's labels."""
    return [
        query
        for query in queries
        if all(
            query.id in run.legs.get(leg, {}) and run.legs[leg][query.id].label == label_of(query)
            for run in (before, after)
        )
    ]


def differences(
    queries: Sequence[Query],
    before: Run,
    after: Run,
    *,
    leg: str = ALL,
    measures: Collection[str] = tuple(MEASURES),
) -> list[Difference]:
    """Every measure of both runs, over the queries given, which both must have answered."""
    return [_difference(queries, before, after, leg, measure) for measure in measures]


def failures(queries: Sequence[Query], baseline: Run, run: Run) -> list[Difference]:
    """What is significantly worse than the baseline on the held-out half: reasons to stop."""
    held_out = [query for query in queries if query.split == "test"]
    gated = differences(held_out, baseline, run, measures=GATED)
    return [each for each in gated if each.verdict == "worse"]


def _difference(
    queries: Sequence[Query], before: Run, after: Run, leg: str, measure: str
) -> Difference:
    one, other = (
        parts(measure, [run.legs[leg][query.id].outcome for query in queries])
        for run in (before, after)
    )
    return Difference(
        measure=measure,
        before=value(one),
        after=value(other),
        p=p_value(one, other),
        differing=int((one != other).any(axis=1).sum()),
    )
