"""Fusion: from every leg's finding to one order, tiers, and an honest nothing.

Two questions are kept apart. *How good?* is the weighted sum of calibrated leg scores. *Is it
evidence at all?* asks how much of the query a scene explains: which of its words are said, shown
or visible, or how near the meaning is beyond chance. A scene without evidence is no hit, however it
compares with the others; strong hits come before possible ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from common.curves import interpolate
from functions.search.calibration import TextCalibration, sparse_score
from functions.search.found_words import FoundWords
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
#: Kinds of evidence besides text that find words.
_OTHER_KINDS: Final[tuple[Leg, ...]] = ("vision", "tags", "people")
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one candidate is worth."""

    #: Calibrated, of the legs that took part.
    scores: Mapping[Leg, float]
    #: 0–1.
    fused: float
    #: None for no hit.
    tier: Tier | None
    #: Words of the query that each leg found, as `FoundWords` has them; only legs that found any.
    found: Mapping[Leg, int]


def rank(judge: Judge, candidates: Sequence[Evidence]) -> list[Ranked]:
    """The candidates that are hits, best first; equal ones by video and time.

    Args:
        judge: of the query.
        candidates: distinct scenes.
    """
    reader = _Reader(judge)
    return ordered(candidates, [reader.verdict(each) for each in candidates], reader.words)


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
    candidates: Sequence[Evidence], verdicts: Sequence[Verdict], words: FoundWords
) -> list[Ranked]:
    """The candidates that have a tier, strong ones first, each with its rank in every leg.

    Args:
        candidates: distinct scenes.
        verdicts: on them, in their order.
        words: of the query.
    """
    legs = verdicts[0].scores.keys() if verdicts else ()
    ranks = {leg: _ranks([each.scores[leg] for each in verdicts]) for leg in legs}
    hits = [
        Ranked(
            evidence=evidence,
            score=(verdict.fused + (verdict.tier == "strong")) / 2,
            tier=verdict.tier,
            legs={leg: LegScore(score, ranks[leg][place]) for leg, score in verdict.scores.items()},
            found={leg: words.named(found) for leg, found in verdict.found.items()},
            missing=words.named(words.all & ~_union(verdict.found.values())),
        )
        for place, (evidence, verdict) in enumerate(zip(candidates, verdicts, strict=True))
        if verdict.tier
    ]
    return sorted(hits, key=order)


class _Reader:
    """Judges one candidate after the other; what does not differ between them is at hand."""

    def __init__(self, judge: Judge) -> None:
        self.words = FoundWords(judge.query.words, judge.importance)
        self._judge = judge
        self._weights = judge.effective_weights()
        self._pictured = self.words.among(judge.pictured)
        self._names = self.words.among(judge.query.name_words)
        self._tagged = [
            (self.words.among((word,)), tuple(tags)) for word, tags in judge.tagged.items() if tags
        ]

    def verdict(self, evidence: Evidence) -> Verdict:
        """What a scene is worth."""
        spoken, said = self.words.read(evidence.spoken_terms)
        shown, written = self.words.read(evidence.screen_terms)
        scores = self._scores(evidence, spoken, shown)
        visible = interpolate(_VISIBLE, scores.get("vision", 0.0))
        tagged = self._shown_by_tags(evidence)
        every: dict[Leg, int] = {
            "lexical": said,
            "screen": written,
            "vision": self._pictured if visible else 0,
            "tags": _union(tagged),
            "people": self._names if scores.get("people", 0.0) else 0,
        }
        found = {leg: words for leg, words in every.items() if words and leg in scores}
        explained = self._explained(found, visible, tagged, scores)
        return Verdict(
            scores=scores,
            fused=confirm(fuse(self._weights, scores), self._confirmed(found)),
            tier=tier(words=explained, meaning=scores.get("dense", 0.0)),
            found=found,
        )

    def _scores(self, evidence: Evidence, spoken: float, shown: float) -> dict[Leg, float]:
        """Each leg's calibrated score, 0–1."""
        judge = self._judge
        scores: dict[Leg, float] = {}
        for leg in judge.legs:
            score = 0.0
            if leg == "dense":
                if evidence.text_cosine is not None:
                    score = judge.text_calibration.score(
                        evidence.text_cosine, compared=judge.scenes
                    )
            elif leg == "vision":
                if evidence.frame_cosine is not None:
                    score = judge.vision_calibration(evidence.frame_cosine)
            elif leg == "lexical":
                score = spoken
            elif leg == "screen":
                score = shown
            elif leg == "sparse":
                score = sparse_score(judge.sparse, evidence.sparse_product)
            elif leg == "tags":
                score = _tags(judge, evidence.tags)
            elif leg == "people":
                score = _people(judge, evidence.people)
            scores[leg] = min(score, 1.0)
        return scores

    def _shown_by_tags(self, evidence: Evidence) -> dict[int, float]:
        """Words whose own tag is there, and how surely: half of "pink at night" is not pink."""
        if not evidence.tags:
            return {}
        sure = {
            word: interpolate(_VISIBLE, max(evidence.tags.get(tag, 0.0) for tag in tags))
            for word, tags in self._tagged
        }
        return {word: surely for word, surely in sure.items() if surely}

    def _confirmed(self, found: Mapping[Leg, int]) -> float:
        """The share of the query's words that two kinds of evidence find; text legs are one."""
        if len(found) < 2:
            return 0.0
        once = found.get("lexical", 0) | found.get("screen", 0)
        twice = 0
        for leg in _OTHER_KINDS:
            words = found.get(leg, 0)
            twice |= once & words
            once |= words
        return min(self.words.share(twice), 1.0)

    def _explained(
        self,
        found: Mapping[Leg, int],
        visible: float,
        tagged: Mapping[int, float],
        scores: Mapping[Leg, float],
    ) -> float:
        """The share of the query's words that the scene explains by any leg, 0–1."""
        sure = found.get("lexical", 0) | found.get("screen", 0) | found.get("people", 0)
        explained = self.words.share(sure)
        seen = found.get("vision", 0) & ~sure
        shown = {word: surely for word, surely in tagged.items() if "tags" in found}
        for word, surely in shown.items():
            if word & sure:
                continue
            explained += self.words.share(word) * max(surely, visible if word & seen else 0.0)
            seen &= ~word
        explained += self.words.share(seen) * visible
        anchored = bool(self._judge.query.phrases) or scores.get("people", 0.0) > 0
        return max(explained, _ANCHORED) if anchored else explained


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


def _tags(judge: Judge, found: Mapping[str, float]) -> float:
    if not found:
        return 0.0
    return sum(share * found.get(tag, 0.0) for tag, share in judge.tags.items())


def _people(judge: Judge, found: Mapping[UUID, float]) -> float:
    asked = judge.query.people
    return sum(found.get(person.person_id, 0.0) for person in asked) / max(len(asked), 1)


def _union(sets: Iterable[int]) -> int:
    union = 0
    for each in sets:
        union |= each
    return union


def _ranks(scores: Sequence[float]) -> list[int | None]:
    """1 for the best; equal scores share a rank; None for nothing found."""
    order = sorted(scores, reverse=True)
    first = {score: place for place, score in reversed(list(enumerate(order, start=1)))}
    return [first[score] if score > 0 else None for score in scores]


def order(hit: Ranked) -> tuple[float, int, int, int]:
    """The sort key of hits: best first, equal ones by video and time.

    Ids as numbers, which sort as the ids do: hits are compared thousands of times.
    """
    evidence = hit.evidence
    return (-hit.score, evidence.video_id.int, evidence.start_ms, evidence.scene_id.int)
