"""What an answer is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.evaluation.labels import Moment, Query
from local.evaluation.metrics import DEPTH, MEASURES, Outcome, iou, judge, parts, value

_QUERY = Query(
    id="q",
    split="dev",
    language="en",
    kind="speech-exact",
    text="words",
    moments=(
        Moment(video="a", start_ms=10_000, end_ms=15_000),
        Moment(video="b", start_ms=0, end_ms=5_000),
    ),
)
_RIGHT = Moment(video="a", start_ms=10_000, end_ms=15_000)
_WRONG = Moment(video="c", start_ms=10_000, end_ms=15_000)

moments = st.builds(
    lambda video, start, length: Moment(video=video, start_ms=start, end_ms=start + length),
    st.sampled_from("abc"),
    st.integers(0, 20_000),
    st.integers(1, 20_000),
)
queries = st.builds(lambda found: replace(_QUERY, moments=tuple(found)), st.lists(moments))


@given(one=moments, other=moments)
def test_iou_is_a_symmetric_share(one: Moment, other: Moment) -> None:
    """IoU lies in 0–1, is the same both ways, and is 1 only for the same span."""
    assert 0 <= iou(one, other) <= 1
    assert iou(one, other) == iou(other, one)
    assert (iou(one, other) == 1) == (one == other)


def test_iou_of_a_known_pair() -> None:
    """Spans of 5 s that share 3 s share 3 of 7."""
    shifted = replace(_RIGHT, start_ms=12_000, end_ms=17_000)
    assert iou(_RIGHT, shifted) == pytest.approx(3 / 7)


def test_the_same_times_in_another_video_find_nothing() -> None:
    """A hit must be in the right video."""
    outcome = judge(_QUERY, [_WRONG], said_nothing=False)
    assert (outcome.rank, outcome.top_iou, outcome.covered) == (None, 0.0, 0.0)


def test_a_hit_that_holds_the_moment_in_too_much_else_is_no_find() -> None:
    """The whole video as one hit would be right for every query of it."""
    whole = replace(_RIGHT, start_ms=0, end_ms=40_000)
    assert judge(_QUERY, [whole], said_nothing=False).rank is None


def test_the_first_find_gives_the_rank() -> None:
    """A wrong hit before the right one costs a place, and the second moment counts as covered."""
    outcome = judge(_QUERY, [_WRONG, _RIGHT, _QUERY.moments[1]], said_nothing=False)
    assert outcome.rank == 2
    assert outcome.top_iou == 0
    assert outcome.covered == 1
    assert judge(_QUERY, [_RIGHT], said_nothing=False).covered == 0.5


def test_hits_beyond_the_tenth_do_not_count() -> None:
    """Nobody looks there."""
    assert judge(_QUERY, [_WRONG] * DEPTH + [_RIGHT], said_nothing=False).rank is None


@given(query=queries, hits=st.lists(moments, max_size=15), said=st.booleans())
def test_outcomes_are_consistent(query: Query, hits: list[Moment], said: bool) -> None:
    """A moment is covered exactly when some hit ranks, and every part of every measure is 0–1."""
    outcome = judge(query, hits, said_nothing=said)
    assert (outcome.rank is not None) == (outcome.covered > 0)
    assert outcome.rank is None or 1 <= outcome.rank <= min(len(hits), DEPTH)
    for measure in MEASURES:
        numerator, denominator = parts(measure, [outcome])[0]
        assert 0 <= numerator <= denominator <= 1


@given(outcomes=st.lists(st.tuples(queries, st.lists(moments, max_size=4), st.booleans())))
def test_recall_grows_with_depth(outcomes: list[tuple[Query, list[Moment], bool]]) -> None:
    """recall@1 ≤ MRR ≤ recall@10 and recall@1 ≤ recall@5 ≤ recall@10."""
    judged = [judge(query, hits, said_nothing=said) for query, hits, said in outcomes]
    by = {measure: value(parts(measure, judged)) or 0.0 for measure in MEASURES}
    assert by["recall@1"] <= by["recall@5"] <= by["recall@10"]
    assert by["recall@1"] - 1e-9 <= by["MRR"] <= by["recall@10"] + 1e-9


def test_nothing_is_judged_by_who_says_it_and_whether_it_is_so() -> None:
    """Two of three "nothing found" are right, and two of four empty queries are told so."""
    told = [(False, True), (False, True), (True, True), (False, False), (False, False)]
    outcomes = [
        Outcome(answerable=answerable, rank=None, top_iou=0, covered=0, said_nothing=said)
        for answerable, said in told
    ]
    assert value(parts("nothing precision", outcomes)) == pytest.approx(2 / 3)
    assert value(parts("nothing recall", outcomes)) == pytest.approx(2 / 4)
    assert value(parts("MRR", outcomes)) == 0


def test_a_measure_without_queries_has_no_value() -> None:
    """It is neither 0 nor 1."""
    assert value(parts("MRR", [])) is None
