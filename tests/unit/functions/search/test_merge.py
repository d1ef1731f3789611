"""Adjacent hits become moments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.search.merge import MAX_GAP_MS, MAX_MOMENT_MS, MergedHit, merge
from functions.search.model import Evidence, Ranked, Tier
from functions.search.rank import order


def _hit(start_s: float, end_s: float, score: float, *, video: int = 1) -> Ranked:
    """A hit; strong in the upper half of the scores, as `rank` makes them."""
    start_ms, end_ms = round(start_s * 1_000), round(end_s * 1_000)
    evidence = Evidence(
        scene_id=UUID(int=video * 10**9 + start_ms),
        video_id=UUID(int=video),
        start_ms=start_ms,
        end_ms=end_ms,
        text_cosine=None,
        frame_cosine=None,
        frame_ms=None,
        sparse_product=0.0,
        spoken_terms=frozenset(),
        screen_terms=frozenset(),
        tags={},
        people={},
    )
    tier: Tier = "strong" if score >= 0.5 else "possible"
    return Ranked(evidence=evidence, score=score, tier=tier, legs={}, found={})


def _cut(video: int, scenes: Sequence[tuple[float, float, float]]) -> list[Ranked]:
    """Scenes after one another: (gap before it, length, score), in seconds."""
    hits, at = [], 0.0
    for gap, length, score in scenes:
        hits.append(_hit(at + gap, at + gap + length, score, video=video))
        at += gap + length
    return hits


_SCENE = st.tuples(
    st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.001, 8.0]),
    st.sampled_from([0.4, 4.0, 10.0, 21.0, 70.0]),
    st.sampled_from([0.1, 0.2, 0.3, 0.6, 0.7, 0.8]),
)
_VIDEO = st.lists(_SCENE, max_size=14)
LIBRARY = st.tuples(_VIDEO, _VIDEO).map(
    lambda videos: [hit for n, scenes in enumerate(videos) for hit in _cut(n, scenes)]
)


def _parts(moments: list[MergedHit]) -> list[Ranked]:
    return list(chain.from_iterable(moment.parts for moment in moments))


def _places(moments: list[MergedHit]) -> list[list[int]]:
    """Starts of the parts, in seconds."""
    return [[part.evidence.start_ms // 1_000 for part in moment.parts] for moment in moments]


@given(LIBRARY)
def test_no_hit_is_lost_or_doubled(hits: list[Ranked]) -> None:
    """Every hit is part of exactly one moment."""
    assert sorted(_parts(merge(hits)), key=order) == sorted(hits, key=order)


@given(LIBRARY)
def test_moments_rank_by_their_best_part(hits: list[Ranked]) -> None:
    """The best hit of all is the first moment's, and no moment hides a better part."""
    moments = merge(hits)
    bests = [moment.best for moment in moments]
    assert bests == sorted(bests, key=order)
    assert all(moment.best == min(moment.parts, key=order) for moment in moments)
    assert bests[:1] == sorted(hits, key=order)[:1]


@given(LIBRARY)
def test_a_moment_spans_its_parts_and_nothing_else(hits: list[Ranked]) -> None:
    """Parts are of one video, in order, touching; first start and last end are the moment's."""
    for moment in merge(hits):
        scenes = [part.evidence for part in moment.parts]
        assert {scene.video_id for scene in scenes} == {moment.best.evidence.video_id}
        assert (moment.start_ms, moment.end_ms) == (scenes[0].start_ms, scenes[-1].end_ms)
        for before, after in pairwise(scenes):
            assert 0 <= after.start_ms - before.end_ms <= MAX_GAP_MS


@given(LIBRARY)
def test_no_merged_moment_is_longer_than_the_cap(hits: list[Ranked]) -> None:
    """Only a single scene may be."""
    for moment in merge(hits):
        assert len(moment.parts) == 1 or moment.end_ms - moment.start_ms <= MAX_MOMENT_MS


@given(LIBRARY, st.randoms(use_true_random=False))
def test_merging_again_changes_nothing(hits: list[Ranked], shuffled: random.Random) -> None:
    """Not from the parts of the moments, and not in whatever order the hits come."""
    moments = merge(hits)
    again = _parts(moments)
    shuffled.shuffle(again)
    assert merge(again) == moments


@given(LIBRARY)
def test_what_touches_is_left_apart_only_for_a_reason(hits: list[Ranked]) -> None:
    """Two moments side by side would be too long together, or differ in what they are worth."""
    moments = sorted(merge(hits), key=lambda m: (m.best.evidence.video_id, m.start_ms))
    for one, two in pairwise(moments):
        touch = (
            one.best.evidence.video_id == two.best.evidence.video_id
            and two.start_ms - one.end_ms <= MAX_GAP_MS
        )
        # Of context the moments' tiers differ from those of the parts that touch.
        tiers = {one.best.tier, one.parts[-1].tier, two.parts[0].tier, two.best.tier}
        if touch and len(tiers) == 1:
            assert two.end_ms - one.start_ms > MAX_MOMENT_MS


@given(LIBRARY)
def test_a_strong_moment_is_not_drowned_in_possible_hits(hits: list[Ranked]) -> None:
    """Of possible hits it has one on either side at most, never between strong ones."""
    for moment in merge(hits):
        tiers = [part.tier for part in moment.parts]
        if moment.best.tier == "strong":
            assert "possible" not in tiers[1:-1]
        else:
            assert "strong" not in tiers


def test_a_conversation_in_three_scenes_is_one_moment() -> None:
    """It spans them and is worth what the best is; another video's scene stays apart."""
    hits = [*_cut(1, [(0, 8, 0.6), (0, 7, 0.9), (0.9, 9, 0.7)]), _hit(0, 5, 0.8, video=2)]
    first, second = merge(hits)
    assert (first.start_ms, first.end_ms) == (0, 24_900)
    assert first.best == hits[1]
    assert first.parts == tuple(hits[:3])
    assert second.parts == (hits[3],)


def test_possible_hits_around_a_strong_one_are_its_context() -> None:
    """The nearest on either side; what lies further out is a moment of its own."""
    scenes = [(0, 5, 0.3), (0, 5, 0.2), (0, 5, 0.8), (0, 5, 0.1), (0, 5, 0.4), (0, 5, 0.3)]
    assert _places(merge(_cut(1, scenes))) == [[5, 10, 15], [20, 25], [0]]


def test_context_on_both_sides_stays_within_the_cap() -> None:
    """Where only one of the two neighbours fits, it is the better one."""
    assert _places(merge(_cut(1, [(0, 25, 0.2), (0, 20, 0.8), (0, 25, 0.3)]))) == [[25, 45], [0]]


def test_the_cap_cuts_far_from_the_best_part() -> None:
    """Growth goes to the better neighbour first, so the best part keeps its surroundings."""
    scores = [0.6, 0.61, 0.62, 0.9, 0.7, 0.63, 0.6]
    assert _places(merge(_cut(1, [(0, 15, score) for score in scores]))) == [
        [30, 45, 60, 75],
        [0, 15],
        [90],
    ]


@pytest.mark.parametrize(("gap", "moments"), [(1.0, 1), (1.001, 2)])
def test_a_second_between_scenes_is_no_gap(gap: float, moments: int) -> None:
    """Scenes that a cut or a rounding keeps apart are adjacent; beyond it, something is between."""
    assert len(merge(_cut(1, [(0, 5, 0.7), (gap, 5, 0.7)]))) == moments


def test_nothing_makes_no_moment() -> None:
    """No hits, no moments."""
    assert merge([]) == []
