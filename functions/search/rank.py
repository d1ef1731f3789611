"""Fusion: from every leg's finding to one order, tiers, and an honest nothing.

Two questions are kept apart. *How good?* is the weighted sum of calibrated leg scores. *Is it
evidence at all?* asks how much of the query a scene explains: which of its words are said, shown
or visible, or how near the meaning is beyond chance. A scene without evidence is no hit, however it
compares with the others; strong hits come before possible ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from functions.search.calibration import TextCalibration, interpolate, sparse_score
from functions.search.importance import found_part
from functions.search.model import (
    TEXT_LEGS,
    Evidence,
    Leg,
    LegScore,
    ParsedQuery,
    QueryWord,
    Ranked,
    Tier,
    Weights,
)

#: Evidence from one side (words, or meaning) that makes a hit strong, or possible.
STRONG: Final = 0.6
POSSIBLE: Final = 0.45
#: The same for both sides together (1 - (1 - words)(1 - meaning)): each alone says less.
STRONG_TOGETHER: Final = 0.75
POSSIBLE_TOGETHER: Final = 0.5
#: A person or quoted phrase that was asked for is there: the least such a scene has.
_ANCHORED: Final = 0.5
#: Part of the text score that is the mean of its legs rather than the best: agreement breaks ties.
_AGREEMENT: Final = 0.1
#: Part of what a score lacks that it is given when several kinds of evidence find the whole query.
#: Of two scenes that are as good, the one that was seen in two ways is the surer; more than near
#: ties it does not turn.
_CONFIRMATION: Final = 0.05
#: A word counts as found from half its 2-grams on: 자동차 is not 기관차 because both end in 차.
_WORD_FOUND: Final = 0.5
#: Calibrated score of the picture → how surely the words it was asked for are visible. The colour
#: space stays below 0.35 when something named is missing, and above 0.6 when all of it is there.
_VISIBLE: Final = ((0.35, 0.0), (0.45, 0.5), (0.6, 1.0))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Everything that turns findings into scores, for one query."""

    query: ParsedQuery
    #: Legs that know something of the query.
    legs: tuple[Leg, ...]
    #: As requested.
    weights: Weights
    #: Share of each of the query's words; they sum to 1.
    importance: tuple[float, ...]
    #: Words that the image model goes by.
    pictured: frozenset[QueryWord]
    #: Words that name tags, and which.
    tagged: Mapping[QueryWord, frozenset[str]]
    #: Share of each tag asked for.
    tags: Mapping[str, float]
    #: Weight of each token asked for.
    sparse: Mapping[str, float]
    text_calibration: TextCalibration
    vision_calibration: Callable[[float], float]
    #: How many scenes were compared, about.
    scenes: int

    def effective_weights(self) -> Weights:
        """The weights after sharing out what abstaining legs leave; text, vision, tags sum to 1.

        A leg that knows a part of the query's words keeps that part of its weight: of "green tea
        recipe" the colour space knows one word in three.
        """
        knows = {
            "text": float(any(leg in TEXT_LEGS for leg in self.legs)),
            "vision": self._known("vision", self.pictured),
            "tags": self._known("tags", frozenset(self.tagged)),
        }
        person = self.weights.person if "people" in self.legs else 0.0
        return share_out(self.weights, knows, person=person)

    def _known(self, leg: Leg, words: frozenset[QueryWord]) -> float:
        """The part of the query, 0–1, that a leg knows; names are the people leg's business."""
        if leg not in self.legs:
            return 0.0
        shares = list(zip(self.query.words, self.importance, strict=True))
        asked = sum(share for word, share in shares if word not in self.query.name_words)
        known = sum(share for word, share in shares if word in words)
        return min(known / asked, 1.0) if known else 1.0


@dataclass(frozen=True, kw_only=True)
class _Scored:
    evidence: Evidence
    scores: Mapping[Leg, float]
    found: Mapping[Leg, tuple[QueryWord, ...]]
    fused: float
    tier: Tier | None


def rank(judge: Judge, candidates: Sequence[Evidence]) -> list[Ranked]:
    """The candidates that are hits, best first; equal ones by video and time.

    Args:
        judge: of the query.
        candidates: distinct scenes.
    """
    weights = judge.effective_weights()
    scored = [_score(judge, weights, evidence) for evidence in candidates]
    return ordered(
        candidates,
        scores=[each.scores for each in scored],
        fused=[each.fused for each in scored],
        tiers=[each.tier for each in scored],
        found=[each.found for each in scored],
        words=judge.query.words,
    )


def share_out(weights: Weights, knows: Mapping[str, float], *, person: float) -> Weights:
    """The weights with what is not known left to what is; text, vision and tags sum to 1.

    Args:
        weights: as requested.
        knows: the part, 0–1, that each of text, vision and tags knows.
        person: what a person counts.
    """
    kept = {name: getattr(weights, name) * part for name, part in knows.items()}
    total = sum(kept.values())
    shares = {name: value / total if total else 0.0 for name, value in kept.items()}
    return Weights(**shares, person=person)


def ordered(
    candidates: Sequence[Evidence],
    *,
    scores: Sequence[Mapping[Leg, float]],
    fused: Sequence[float],
    tiers: Sequence[Tier | None],
    found: Sequence[Mapping[Leg, tuple[QueryWord, ...]]],
    words: Sequence[QueryWord] = (),
) -> list[Ranked]:
    """The candidates that have a tier, strong ones first, each with its rank in every leg.

    Args:
        candidates: distinct scenes; all other arguments are in their order.
        scores: calibrated, of the legs that took part.
        fused: 0–1.
        tiers: None for no hit.
        found: words of the query that each leg found.
        words: of the query.
    """
    legs = scores[0].keys() if scores else ()
    ranks = {leg: _ranks([each[leg] for each in scores]) for leg in legs}
    hits = [
        Ranked(
            evidence=evidence,
            score=(fused[place] + (tier == "strong")) / 2,
            tier=tier,
            legs={
                leg: LegScore(score=score, rank=ranks[leg][place])
                for leg, score in scores[place].items()
            },
            found=found[place],
            missing=_missing(words, found[place]),
        )
        for place, (evidence, tier) in enumerate(zip(candidates, tiers, strict=True))
        if tier
    ]
    return sorted(hits, key=order)


def _score(judge: Judge, weights: Weights, evidence: Evidence) -> _Scored:
    scores = leg_scores(judge, evidence)
    found = _found(judge, evidence, scores)
    return _Scored(
        evidence=evidence,
        scores=scores,
        found=found,
        fused=confirm(fuse(weights, scores), _confirmed(judge, found)),
        tier=tier(
            words=_explained(judge, evidence, scores, found), meaning=scores.get("dense", 0.0)
        ),
    )


def leg_scores(judge: Judge, evidence: Evidence) -> dict[Leg, float]:
    """Each leg's calibrated score, 0–1."""
    all_scores: dict[Leg, float] = {
        "dense": 0.0
        if evidence.text_cosine is None
        else judge.text_calibration.score(evidence.text_cosine, compared=judge.scenes),
        "sparse": sparse_score(judge.sparse, evidence.sparse_product),
        "lexical": _coverage(judge, evidence.spoken_terms),
        "screen": _coverage(judge, evidence.screen_terms),
        "vision": 0.0
        if evidence.frame_cosine is None
        else judge.vision_calibration(evidence.frame_cosine),
        "tags": sum(share * evidence.tags.get(tag, 0.0) for tag, share in judge.tags.items()),
        "people": _people(judge, evidence.people),
    }
    return {leg: min(all_scores[leg], 1.0) for leg in judge.legs}


def fuse(weights: Weights, scores: Mapping[Leg, float]) -> float:
    """The weighted sum, 0–1, monotone in every leg's score.

    Args:
        weights: effective ones.
        scores: calibrated, of the legs that took part.
    """
    texts = [scores[leg] for leg in TEXT_LEGS if leg in scores]
    text = (1 - _AGREEMENT) * max(texts) + _AGREEMENT * sum(texts) / len(texts) if texts else 0.0
    fused = (
        weights.text * text
        + weights.vision * scores.get("vision", 0.0)
        + weights.tags * scores.get("tags", 0.0)
        + weights.person * scores.get("people", 0.0)
    )
    return min(fused, 1.0)


def confirm(fused: float, confirmed: float) -> float:
    """The fused score after agreement of kinds of evidence, 0–1, monotone in both.

    Args:
        fused: as `fuse` gives it, 0–1.
        confirmed: share of the query's words that more than one kind of evidence finds, 0–1.
    """
    return fused + (1 - fused) * _CONFIRMATION * confirmed


def tier(*, words: float, meaning: float) -> Tier | None:
    """What evidence amounts to; None for no hit.

    Args:
        words: share of the query's words that the scene explains, 0–1.
        meaning: the dense leg's calibrated score, 0–1.
    """
    alone = max(words, meaning)
    together = 1 - (1 - words) * (1 - meaning)
    if alone >= STRONG or together >= STRONG_TOGETHER:
        return "strong"
    return "possible" if alone >= POSSIBLE or together >= POSSIBLE_TOGETHER else None


def _coverage(judge: Judge, terms: frozenset[str]) -> float:
    if not terms:
        return 0.0
    shares = zip(judge.query.words, judge.importance, strict=True)
    return sum(share * found_part(word, terms) for word, share in shares)


def _people(judge: Judge, found: Mapping[UUID, float]) -> float:
    asked = judge.query.people
    return sum(found.get(person.person_id, 0.0) for person in asked) / max(len(asked), 1)


def _found(
    judge: Judge, evidence: Evidence, scores: Mapping[Leg, float]
) -> dict[Leg, tuple[QueryWord, ...]]:
    """The words of the query that each leg finds in the scene."""
    words = judge.query.words
    found: dict[Leg, tuple[QueryWord, ...]] = {}
    found["lexical"] = _among(words, evidence.spoken_terms)
    found["screen"] = _among(words, evidence.screen_terms)
    if interpolate(_VISIBLE, scores.get("vision", 0.0)):
        found["vision"] = tuple(word for word in words if word in judge.pictured)
    found["tags"] = tuple(word for word in words if _shown_by_tags(judge, evidence, word))
    if scores.get("people", 0.0):
        found["people"] = tuple(word for word in words if word in judge.query.name_words)
    return {leg: each for leg, each in found.items() if leg in scores and each}


def _shown_by_tags(judge: Judge, evidence: Evidence, word: QueryWord) -> float:
    """How surely a word's own tag is there: half of "pink at night" is not evidence of pink."""
    tags = judge.tagged.get(word)
    if not tags or not evidence.tags:
        return 0.0
    return interpolate(_VISIBLE, max(evidence.tags.get(tag, 0.0) for tag in tags))


def _among(words: Sequence[QueryWord], terms: frozenset[str]) -> tuple[QueryWord, ...]:
    if not terms:
        return ()
    return tuple(word for word in words if found_part(word, terms) >= _WORD_FOUND)


def _confirmed(judge: Judge, found: Mapping[Leg, tuple[QueryWord, ...]]) -> float:
    """The share of the query's words that two kinds of evidence find; the text legs are one."""
    confirmed = 0.0
    if len(found) < 2:
        return confirmed
    for word, share in zip(judge.query.words, judge.importance, strict=True):
        legs = {leg for leg, words in found.items() if word in words}
        kinds = {"text" if leg in TEXT_LEGS else leg for leg in legs}
        confirmed += share if len(kinds) > 1 else 0.0
    return min(confirmed, 1.0)


def _explained(
    judge: Judge,
    evidence: Evidence,
    scores: Mapping[Leg, float],
    found: Mapping[Leg, tuple[QueryWord, ...]],
) -> float:
    """The share of the query's words that the scene explains by any leg, 0–1."""
    visible = interpolate(_VISIBLE, scores.get("vision", 0.0))
    explained = 0.0
    for word, share in zip(judge.query.words, judge.importance, strict=True):
        sure: dict[Leg, float] = {
            "lexical": 1.0,
            "screen": 1.0,
            "vision": visible,
            "tags": _shown_by_tags(judge, evidence, word),
            "people": 1.0,
        }
        legs = [sure[leg] for leg, words in found.items() if word in words]
        explained += share * max(legs, default=0.0)
    anchored = bool(judge.query.phrases) or scores.get("people", 0.0) > 0
    return max(explained, _ANCHORED) if anchored else explained


def _missing(
    words: Sequence[QueryWord], found: Mapping[Leg, tuple[QueryWord, ...]]
) -> tuple[QueryWord, ...]:
    there = {word for each in found.values() for word in each}
    return tuple(word for word in words if word not in there)


def _ranks(scores: Sequence[float]) -> list[int | None]:
    """1 for the best; equal scores share a rank; None for nothing found."""
    order = sorted(scores, reverse=True)
    first = {score: place for place, score in reversed(list(enumerate(order, start=1)))}
    return [first[score] if score > 0 else None for score in scores]


def order(hit: Ranked) -> tuple[float, UUID, int, UUID]:
    """The sort key of hits: best first, equal ones by video and time."""
    evidence = hit.evidence
    return (-hit.score, evidence.video_id, evidence.start_ms, evidence.scene_id)
