"""The answer of a search as it goes out."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from common.web.models import ResponseModel
from functions.search import explain
from functions.search.finder import Found
from functions.search.legs import Abstention
from functions.search.model import Leg, Mode, Ranked, Request, Tier
from functions.search.moment import Moment


class NamedPerson(ResponseModel):
    """An enrolled person."""

    person_id: UUID
    name: str


class EffectiveWeights(ResponseModel):
    """What each kind of evidence counted, after abstaining legs left theirs to the others."""

    text: float
    vision: float
    tags: float
    person: float


class UnderstoodQuery(ResponseModel):
    """How the query was read."""

    text: str
    semantic: str
    """What the models were asked: without quoted phrases and names."""
    phrases: tuple[str, ...]
    words: tuple[str, ...]
    """Words that carry meaning."""
    people: tuple[NamedPerson, ...]
    language: str
    """By script: `ko`, `en`, `ja`, `zh` or empty."""
    mode: Mode
    legs: tuple[Leg, ...]
    """Legs that took part."""
    abstained: dict[Leg, Abstention]
    """Legs that know nothing of this query, and why."""
    weights: EffectiveWeights
    index_version: str


class LegResult(ResponseModel):
    """One leg's answer for one hit."""

    score: float = Field(ge=0, le=1)
    """Calibrated: comparable between legs."""
    rank: int | None
    """1 for the leg's best candidate; null where it found nothing."""
    weight: float
    """What the leg counted; those that read text share one weight, and the best of them counts."""


class MatchedWord(ResponseModel):
    """A word of the video that answers a word of the query."""

    text: str
    start_ms: int
    end_ms: int
    source: Literal["transcript", "screen"]


class HitTag(ResponseModel):
    """A tag of the scene."""

    tag: str
    score: float


class HitLine(ResponseModel):
    """A line of on-screen text."""

    text: str
    time_ms: int


class Why(ResponseModel):
    """What speaks for the hit, for people."""

    en: str
    ko: str


class Hit(ResponseModel):
    """A moment: from `start_ms` up to, but not including, `end_ms`."""

    video_id: UUID
    video_title: str
    scene_id: UUID
    start_ms: int
    end_ms: int
    score: float = Field(ge=0, le=1)
    """Above 0.5 for strong hits."""
    tier: Tier
    transcript: str
    languages: tuple[str, ...]
    legs: dict[Leg, LegResult]
    matched_words: tuple[MatchedWord, ...]
    best_frame_ms: int
    on_screen_text: tuple[HitLine, ...]
    tags: tuple[HitTag, ...]
    people: tuple[NamedPerson, ...]
    why: Why


class SearchResults(ResponseModel):
    """A page of hits, best first."""

    query: UnderstoodQuery
    nothing_found: bool
    """No scene has evidence for the query."""
    hits: tuple[Hit, ...]
    next_page_token: str | None
    """None on the last page."""


def results(
    found: Found, *, request: Request, index_version: str, next_page_token: str | None
) -> SearchResults:
    """The answer of one search."""
    weights = _weights(found)
    return SearchResults(
        query=_query(found, request.mode, index_version),
        nothing_found=found.total == 0,
        hits=tuple(_hit(hit, moment, weights) for hit, moment in found.hits),
        next_page_token=next_page_token,
    )


def _query(found: Found, mode: Mode, index_version: str) -> UnderstoodQuery:
    query = found.query
    return UnderstoodQuery(
        text=query.text,
        semantic=query.semantic,
        phrases=query.phrases,
        words=tuple(word.text for word in query.words),
        people=tuple(NamedPerson(person_id=p.person_id, name=p.name) for p in query.people),
        language=query.language,
        mode=mode,
        legs=found.legs,
        abstained=dict(found.abstained),
        weights=EffectiveWeights(
            text=_rounded(found.weights.text),
            vision=_rounded(found.weights.vision),
            tags=_rounded(found.weights.tags),
            person=_rounded(found.weights.person),
        ),
        index_version=index_version,
    )


def _hit(hit: Ranked, moment: Moment, weights: dict[Leg, float]) -> Hit:
    words = explain.matched_words(hit, moment)
    why = explain.why(hit)
    return Hit(
        video_id=moment.video_id,
        video_title=moment.video_title,
        scene_id=moment.scene_id,
        start_ms=moment.start_ms,
        end_ms=moment.end_ms,
        score=_rounded(hit.score),
        tier=hit.tier,
        transcript=moment.transcript,
        languages=moment.languages,
        legs={
            leg: LegResult(score=_rounded(each.score), rank=each.rank, weight=weights[leg])
            for leg, each in hit.legs.items()
        },
        matched_words=tuple(
            MatchedWord(text=w.text, start_ms=w.start_ms, end_ms=w.end_ms, source=w.source)
            for w in words
        ),
        best_frame_ms=explain.best_frame_ms(hit, moment, words),
        on_screen_text=tuple(HitLine(text=x.text, time_ms=x.time_ms) for x in moment.screen_text),
        tags=tuple(HitTag(tag=tag.tag, score=tag.score) for tag in moment.tags),
        people=tuple(NamedPerson(person_id=p.person_id, name=p.name) for p in moment.people),
        why=Why(en=why.en, ko=why.ko),
    )


def _weights(found: Found) -> dict[Leg, float]:
    weights = found.weights
    text = _rounded(weights.text)
    return {
        "dense": text,
        "sparse": text,
        "lexical": text,
        "screen": text,
        "vision": _rounded(weights.vision),
        "tags": _rounded(weights.tags),
        "people": _rounded(weights.person),
    }


def _rounded(value: float) -> float:
    return round(value, 4)
