"""The answer of a search as it goes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from pydantic import Field

from common.web.models import ResponseModel
from functions.search import explain
from functions.search.finder import Found
from functions.search.grouping import Group
from functions.search.legs import Abstention
from functions.search.merge import MergedHit
from functions.search.model import LEGS, Leg, Mode, Ranked, Request, Tier, Weights
from functions.search.moment import Seen


class NamedPerson(ResponseModel):
    """An enrolled person."""

    person_id: UUID
    name: str


class SeenPerson(NamedPerson):
    """An enrolled person who is seen in the scene."""

    confidence: float = Field(ge=0, le=1)
    """How sure it is that it is them; 1 where the user said so."""
    first_seen_ms: int
    last_seen_ms: int
    best_frame_ms: int
    """Of the frame that shows them best. All three from the start of the video."""


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


class PlannedWord(ResponseModel):
    """A word of the query."""

    text: str
    terms: tuple[str, ...]
    """What the index is asked for; all of them together are the word."""
    importance: float
    """Its share of the query: rare words count more."""


class PlannedLeg(ResponseModel):
    """A leg of the search."""

    leg: Leg
    abstained: Abstention | None
    """Why it did not take part; null if it did."""
    weight: float
    model: str | None
    """The model that made its vectors; null for what is looked up."""
    compared: int | None
    """Vectors that were compared exactly, those nearest by binary code; null for all there are."""


class QueryPlan(ResponseModel):
    """How the search went about it."""

    words: tuple[PlannedWord, ...]
    phrases: tuple[str, ...]
    people: tuple[NamedPerson, ...]
    legs: tuple[PlannedLeg, ...]
    requested_weights: EffectiveWeights
    effective_weights: EffectiveWeights
    scenes: int
    """How many scenes there were to search, about."""
    found: int
    """Entries on all pages together."""
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


class SubHit(ResponseModel):
    """A scene of a moment, or a further moment of a video."""

    scene_id: UUID
    start_ms: int
    end_ms: int
    score: float = Field(ge=0, le=1)
    tier: Tier
    why: Why


class Hit(ResponseModel):
    """A moment: from `start_ms` up to, but not including, `end_ms`."""

    video_id: UUID
    video_title: str
    scene_id: UUID
    """The scene that answers best; all that follows, but for the times, is about it."""
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
    people: tuple[SeenPerson, ...]
    """Everybody known who is seen in the scene, asked for or not."""
    why: Why
    sub_hits: tuple[SubHit, ...]
    """The scenes that make up the moment, by time; empty if it is one scene."""
    more_in_video: tuple[SubHit, ...]
    """Grouped by video: the next best moments of it, at most three."""
    moments_in_video: int
    """Grouped by video: how many moments of it were found; otherwise 1."""


class SearchResults(ResponseModel):
    """A page of hits, best first."""

    query: UnderstoodQuery
    nothing_found: bool
    """No scene has evidence for the query."""
    hits: tuple[Hit, ...]
    next_page_token: str | None
    """None on the last page."""
    plan: QueryPlan | None
    """Only with `explain=true`."""


def results(
    found: Found,
    *,
    request: Request,
    index_version: str,
    models: Mapping[Leg, str],
    explained: bool,
    next_page_token: str | None,
) -> SearchResults:
    """The answer of one search.

    Args:
        found: what was found.
        request: what was asked.
        index_version: that was searched.
        models: names of those that made a leg's vectors.
        explained: whether the plan goes with it.
        next_page_token: of the page after this one.
    """
    alike = request.like is not None
    shown = [entry for entry in found.page if entry.best.best.evidence.scene_id in found.moments]
    return SearchResults(
        query=_query(found, request.mode, index_version),
        nothing_found=found.total == 0,
        hits=tuple(_hit(entry, found, alike=alike) for entry in shown),
        next_page_token=next_page_token,
        plan=_plan(found, request, index_version, models) if explained else None,
    )


def _query(found: Found, mode: Mode, index_version: str) -> UnderstoodQuery:
    query = found.plan.query
    return UnderstoodQuery(
        text=query.text,
        semantic=query.semantic,
        phrases=query.phrases,
        words=tuple(word.text for word in query.words),
        people=_people(found),
        language=query.language,
        mode=mode,
        legs=found.plan.asked.legs,
        abstained=dict(found.plan.abstained),
        weights=_shares(found.plan.weights),
        index_version=index_version,
    )


def _plan(
    found: Found, request: Request, index_version: str, models: Mapping[Leg, str]
) -> QueryPlan:
    plan = found.plan
    weights = _weights(plan.weights)
    return QueryPlan(
        words=tuple(
            PlannedWord(text=word.text, terms=word.terms, importance=_rounded(share))
            for word, share in zip(plan.query.words, plan.importance, strict=True)
        ),
        phrases=plan.query.phrases,
        people=_people(found),
        legs=tuple(
            PlannedLeg(
                leg=leg,
                abstained=plan.abstained.get(leg),
                weight=0.0 if leg in plan.abstained else weights[leg],
                model=models.get(leg),
                compared=None if leg in plan.abstained else plan.asked.widths.get(leg),
            )
            for leg in LEGS
        ),
        requested_weights=_shares(request.weights),
        effective_weights=_shares(plan.weights),
        scenes=plan.library.scenes,
        found=found.total,
        index_version=index_version,
    )


def _people(found: Found) -> tuple[NamedPerson, ...]:
    people = found.plan.query.people
    return tuple(NamedPerson(person_id=each.person_id, name=each.name) for each in people)


def _shares(weights: Weights) -> EffectiveWeights:
    return EffectiveWeights(
        text=_rounded(weights.text),
        vision=_rounded(weights.vision),
        tags=_rounded(weights.tags),
        person=_rounded(weights.person),
    )


def _hit(entry: Group, found: Found, *, alike: bool) -> Hit:
    hit = entry.best.best
    moment = found.moments[hit.evidence.scene_id]
    weights = _weights(found.plan.weights)
    words = explain.matched_words(hit, moment)
    parts = entry.best.parts
    return Hit(
        video_id=moment.video_id,
        video_title=moment.video_title,
        scene_id=moment.scene_id,
        start_ms=entry.best.start_ms,
        end_ms=entry.best.end_ms,
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
        people=tuple(_seen(person) for person in moment.people),
        why=_why(hit, alike=alike),
        sub_hits=tuple(_part(part, alike=alike) for part in parts) if len(parts) > 1 else (),
        more_in_video=tuple(_further(moment, alike=alike) for moment in entry.others),
        moments_in_video=entry.count,
    )


def _seen(person: Seen) -> SeenPerson:
    return SeenPerson(
        person_id=person.person_id,
        name=person.name,
        confidence=_rounded(person.confidence),
        first_seen_ms=person.first_ms,
        last_seen_ms=person.last_ms,
        best_frame_ms=person.best_ms,
    )


def _part(hit: Ranked, *, alike: bool) -> SubHit:
    return SubHit(
        scene_id=hit.evidence.scene_id,
        start_ms=hit.evidence.start_ms,
        end_ms=hit.evidence.end_ms,
        score=_rounded(hit.score),
        tier=hit.tier,
        why=_why(hit, alike=alike),
    )


def _further(moment: MergedHit, *, alike: bool) -> SubHit:
    best = _part(moment.best, alike=alike)
    return best.model_copy(update={"start_ms": moment.start_ms, "end_ms": moment.end_ms})


def _why(hit: Ranked, *, alike: bool) -> Why:
    found = explain.why_alike(hit) if alike else explain.why(hit)
    return Why(en=found.en, ko=found.ko)


def _weights(weights: Weights) -> dict[Leg, float]:
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
