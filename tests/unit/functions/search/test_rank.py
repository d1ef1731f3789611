"""Fusion, tiers and order."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.search.calibration import of_text_model
from functions.search.importance import importance
from functions.search.model import LEGS, Evidence, Leg, ParsedQuery, Person, Weights
from functions.search.query import parse
from functions.search.rank import Judge, confirm, fuse, rank, tier

UNIT = st.floats(min_value=0, max_value=1)
MINJI = Person(person_id=UUID(int=1), name="민지")
SCENE = Evidence(
    scene_id=UUID(int=1),
    video_id=UUID(int=1),
    start_ms=0,
    end_ms=10_000,
    text_cosine=0.0,
    frame_cosine=0.0,
    frame_ms=0,
    sparse_product=0.0,
    spoken_terms=frozenset(),
    screen_terms=frozenset(),
    tags={},
    people={},
)


def _judge(
    text: str,
    *,
    legs: tuple[Leg, ...] = ("dense", "lexical", "screen", "vision", "tags"),
    pictured: tuple[str, ...] = (),
    people: tuple[Person, ...] = (),
    weights: Weights | None = None,
) -> Judge:
    query: ParsedQuery = parse(text, people)
    known = frozenset(word for word in query.words if word.text in pictured)
    return Judge(
        query=query,
        legs=legs,
        weights=weights or Weights(),
        importance=importance(query.words, {}, scenes=10),
        pictured=known,
        tagged={word: frozenset({word.text}) for word in known},
        tags=dict.fromkeys(pictured, 1 / max(len(pictured), 1)),
        sparse={},
        text_calibration=of_text_model("all-MiniLM-L6-v2"),
        vision_calibration=lambda cosine: cosine,
        scenes=10,
    )


_LEG_SCORES = st.lists(UNIT, min_size=len(LEGS), max_size=len(LEGS)).map(
    lambda scores: dict(zip(LEGS, scores, strict=True))
)


@given(_LEG_SCORES, st.sampled_from(LEGS), UNIT)
def test_fusion_is_monotone_and_bounded(scores: dict[Leg, float], leg: Leg, better: float) -> None:
    """A better leg never lowers the score, which stays within 0 and 1."""
    before = fuse(Weights(), scores)
    after = fuse(Weights(), scores | {leg: max(scores[leg], better)})
    assert 0 <= before <= after <= 1


@given(UNIT, UNIT, UNIT, UNIT)
def test_confirmation_is_monotone_bounded_and_small(
    fused: float, confirmed: float, better: float, surer: float
) -> None:
    """It never lowers a score or turns what is clearly better; without it nothing changes."""
    before = confirm(fused, confirmed)
    after = confirm(max(fused, better), max(confirmed, surer))
    assert 0 <= before <= after + 1e-12 <= 1 + 1e-12
    assert fused <= before <= fused + 0.05
    assert confirm(fused, 0) == fused


@given(UNIT, UNIT, UNIT, st.sets(st.sampled_from(["dense", "vision", "tags"]), min_size=1))
def test_weights_of_abstaining_legs_are_shared_out(
    text: float, vision: float, tags: float, active: set[Leg]
) -> None:
    """Whoever abstains, the weights that are left sum to 1 and keep their proportion."""
    judge = _judge(
        "red",
        legs=tuple(active),
        pictured=("red",),
        weights=Weights(text=text + 0.01, vision=vision + 0.01, tags=tags + 0.01),
    )
    weights = judge.effective_weights()
    assert weights.text + weights.vision + weights.tags == pytest.approx(1)
    assert (weights.text > 0) == ("dense" in active)
    assert (weights.vision > 0) == ("vision" in active)
    if {"dense", "vision"} <= active:
        assert weights.text / weights.vision == pytest.approx((text + 0.01) / (vision + 0.01))


def test_a_leg_keeps_the_part_of_its_weight_that_it_knows() -> None:
    """Of "green tea recipe" the picture can answer one word in three."""
    weights = _judge("green tea recipe", pictured=("green",)).effective_weights()
    assert weights.vision / weights.text == pytest.approx(0.35 / 3 / 0.5)


@given(UNIT, UNIT, UNIT, UNIT)
def test_more_evidence_never_lowers_the_tier(
    words: float, meaning: float, more_words: float, more_meaning: float
) -> None:
    """Tiers rise with each side of the evidence."""
    order = [None, "possible", "strong"]
    before = tier(words=words, meaning=meaning)
    after = tier(words=max(words, more_words), meaning=max(meaning, more_meaning))
    assert order.index(after) >= order.index(before)


def test_a_picture_that_fits_is_strong_though_nothing_is_said() -> None:
    """The text legs know "red car at night" and find nothing; the picture decides."""
    judge = _judge("red car at night", pictured=("red", "night"))
    (hit,) = rank(judge, [replace(SCENE, frame_cosine=0.9, tags={"red": 1.0, "night": 1.0})])
    assert hit.tier == "strong"
    assert [word.text for word in hit.found["vision"]] == ["red", "night"]


def test_colour_alone_does_not_find_what_it_does_not_know() -> None:
    """A dark scene is no answer to "man crying at night"."""
    judge = _judge("man crying at night", pictured=("night",))
    assert rank(judge, [replace(SCENE, frame_cosine=1.0, tags={"night": 1.0})]) == []


def test_one_word_of_four_is_no_hit() -> None:
    """Law is said somewhere, but nobody speaks of "quantum zebra tax law"."""
    judge = _judge("quantum zebra tax law")
    assert rank(judge, [replace(SCENE, spoken_terms=frozenset({"law"}), text_cosine=0.2)]) == []


def test_half_of_the_words_is_possible_at_most() -> None:
    """A partial match is shown as such."""
    judge = _judge("zebra law")
    (hit,) = rank(judge, [replace(SCENE, spoken_terms=frozenset({"law"}))])
    assert hit.tier == "possible"


def test_words_found_by_different_legs_add_up() -> None:
    """A red scene where a train is spoken of explains "red train" whole."""
    judge = _judge("red train", pictured=("red",))
    (hit,) = rank(judge, [replace(SCENE, spoken_terms=frozenset({"train"}), frame_cosine=0.9)])
    assert hit.tier == "strong"


def test_a_paraphrase_is_found_by_meaning() -> None:
    """No word in common, but the dense leg is sure beyond chance."""
    judge = _judge("someone weeping")
    (hit,) = rank(judge, [replace(SCENE, text_cosine=0.5)])
    assert hit.tier == "strong"


def test_a_cosine_that_chance_reaches_is_no_evidence() -> None:
    """The best of ten thousand unrelated scenes looks as near as the best of ten related ones."""
    few, many = _judge("someone weeping"), replace(_judge("someone weeping"), scenes=10_000)
    candidate = replace(SCENE, text_cosine=0.36)
    assert [hit.tier for hit in rank(few, [candidate])] == ["possible"]
    assert rank(many, [candidate]) == []


def test_a_named_person_is_enough_to_be_possible_and_lifts_the_score() -> None:
    """민지가 손 흔드는 finds 민지 first, whatever she does."""
    legs: tuple[Leg, ...] = ("dense", "lexical", "screen", "people")
    judge = _judge("민지가 손 흔드는", legs=legs, people=(MINJI,))
    seen = replace(SCENE, scene_id=UUID(int=2), people={MINJI.person_id: 0.9})
    hits = rank(judge, [SCENE, seen])
    assert [(hit.evidence.scene_id, hit.tier) for hit in hits] == [(UUID(int=2), "possible")]
    (alone,) = rank(_judge("민지", legs=legs, people=(MINJI,)), [seen])
    assert alone.tier == "strong"


def test_strong_hits_come_first_and_scores_descend() -> None:
    """The order of the list is the order of the scores."""
    judge = _judge("zebra law", pictured=("zebra",))
    strong = replace(SCENE, scene_id=UUID(int=3), spoken_terms=frozenset({"law"}), frame_cosine=0.9)
    possible = replace(SCENE, scene_id=UUID(int=2), spoken_terms=frozenset({"law"}))
    hits = rank(judge, [possible, strong])
    assert [hit.tier for hit in hits] == ["strong", "possible"]
    assert hits[0].score >= 0.5 >= hits[1].score


def test_of_near_equals_the_one_seen_in_two_ways_comes_first() -> None:
    """What picture and tags both show goes before what is only said, at the same weight."""
    judge = _judge("red night", pictured=("red", "night"), weights=Weights(vision=0.3, tags=0.2))
    words = frozenset({"red", "night"})
    said = replace(SCENE, spoken_terms=words, screen_terms=words, text_cosine=0.6)
    shown = replace(
        SCENE,
        scene_id=UUID(int=2),
        video_id=UUID(int=2),
        frame_cosine=0.998,
        tags={"red": 1.0, "night": 1.0},
    )
    assert [hit.evidence for hit in rank(judge, [said, shown])] == [shown, said]
    # Said and written are one kind of evidence: both are text.
    assert "vision" not in rank(judge, [said])[0].found
    assert rank(judge, [said])[0].score == pytest.approx((1 + judge.effective_weights().text) / 2)


def test_equal_hits_keep_one_order() -> None:
    """Ties are broken by video and time, whatever order the database gave."""
    judge = _judge("law")
    scenes = [
        replace(
            SCENE,
            scene_id=UUID(int=10 - n),
            video_id=UUID(int=n % 2),
            start_ms=n * 10,
            spoken_terms=frozenset({"law"}),
        )
        for n in range(6)
    ]
    forth = [hit.evidence.start_ms for hit in rank(judge, scenes)]
    back = [hit.evidence.start_ms for hit in rank(judge, scenes[::-1])]
    assert forth == back == [0, 20, 40, 10, 30, 50]


def test_ranks_are_per_leg_and_shared_by_equals() -> None:
    """Each leg says which of its candidates this is; none if it found nothing."""
    judge = _judge("law", legs=("lexical", "screen"))
    both = frozenset({"law"})
    first = replace(SCENE, spoken_terms=both, screen_terms=both)
    second = replace(SCENE, scene_id=UUID(int=2), spoken_terms=both)
    hits = rank(judge, [first, second])
    assert [hit.legs["lexical"].rank for hit in hits] == [1, 1]
    assert [hit.legs["screen"].rank for hit in hits] == [1, None]


def test_a_korean_word_needs_half_of_its_syllable_pairs() -> None:
    """자동차 is not found in 기관차 because both end in 차."""
    judge = _judge("자동차", legs=("lexical",))
    assert rank(judge, [replace(SCENE, spoken_terms=frozenset({"관차"}))]) == []
    assert rank(judge, [replace(SCENE, spoken_terms=frozenset({"자동", "동차"}))])


def test_a_tag_that_is_absent_is_not_found() -> None:
    """Of "pink night" a night without pink explains half; it does not claim to show pink."""
    judge = _judge("pink night", pictured=("pink", "night"))
    (half,) = rank(judge, [replace(SCENE, tags={"night": 0.9, "pink": 0.05})])
    assert [word.text for word in half.found["tags"]] == ["night"]
    (hit,) = rank(judge, [replace(SCENE, tags={"night": 0.9, "pink": 0.8})])
    assert [word.text for word in hit.found["tags"]] == ["pink", "night"]
