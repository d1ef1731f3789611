"""One search, from the words typed to explained hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from common import coding
from common.database import Database
from common.encoders import QueryEncoders
from functions.search import similar
from functions.search.calibration import of_text_model
from functions.search.encoding import EncodedQuery, Encoders
from functions.search.grouping import Group, grouped
from functions.search.importance import importance, term_shares
from functions.search.legs import Abstention, abstentions, named_in
from functions.search.merge import MergedHit, merge
from functions.search.model import (
    LEGS,
    Evidence,
    Leg,
    ParsedQuery,
    Place,
    QueryWord,
    Ranked,
    Request,
    Weights,
)
from functions.search.moment import Moment
from functions.search.query import parse
from functions.search.rank import Judge, order, rank
from functions.search.retrieval import Asked, LibrarySize, Retrieval
from functions.search.timing import Sampling, Timings

#: Up to this many scenes a leg compares all of a tenant's vectors; above it, codes come first.
#: There are several frames to a scene, so for pictures they pay earlier.
EXACT_SCENES: Final[Mapping[Leg, int]] = {"dense": 12_000, "vision": 2_000}
#: Further moments of a video that are shown with its best one.
_SHOWN_OTHERS: Final = 3

#: What a query is read as when it is a scene.
_NO_WORDS: Final = ParsedQuery(
    text="",
    semantic="",
    phrases=(),
    words=(),
    people=(),
    name_words=frozenset(),
    language="",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One query, as it was asked and weighed."""

    query: ParsedQuery
    asked: Asked
    #: Why the legs that did not take part did not.
    abstained: Mapping[Leg, Abstention]
    #: Share of each of the query's words.
    importance: tuple[float, ...]
    #: After the weights of abstaining legs were shared out.
    weights: Weights
    library: LibrarySize


@dataclass(frozen=True, kw_only=True)
class Found:
    """The answer of one search."""

    plan: Plan
    #: How many entries there are in all, and this page of them.
    total: int
    page: tuple[Group, ...]
    #: What there is to show of each scene of the page. One that was deleted meanwhile is missing.
    moments: Mapping[UUID, Moment]
    #: Where the next page starts; None on the last.
    next_after: Place | None


class Finder:
    """Searches. Thread-safe: nothing outlives a request but encoded texts.

    Args:
        database: as `heimdex_api`.
        encoders: of the models that made `index_version`.
        index_version: the rows to search.
        leg_timing_every: of so many searches, the legs of one are timed; 0: of none.
    """

    def __init__(
        self,
        database: Database,
        encoders: Encoders,
        *,
        index_version: str,
        leg_timing_every: int = 0,
    ) -> None:
        self._database = database
        self._encoders = encoders
        self.index_version = index_version
        self._sampling = Sampling(leg_timing_every)

    @property
    def models(self) -> QueryEncoders:
        """The models of the index version."""
        return self._encoders.models

    def find(self, request: Request) -> Found:
        """Search one tenant's scenes.

        Raises:
            InputError: `invalid_request`: the text cannot be searched for.
            NotFoundError: the scene to compare with is not there.
            TransientError: the database cannot be reached.
        """
        timings = self._sampling.timings()
        found = self._find_timed(request, timings)
        timings.log(mode=request.mode, legs=len(found.plan.asked.legs), total=found.total)
        return found

    def _find_timed(self, request: Request, timings: Timings) -> Found:
        if request.like is not None:
            with self._database.tenant(request.user_id) as tx:
                return self._find_like(self._rows(tx, request), request, request.like, timings)
        with self._database.tenant(request.user_id) as tx:
            people = self._rows(tx, request).people()
        query = parse(request.text, people)
        # Encoding takes longest and needs no connection, so none is held meanwhile.
        with timings.part("encode"):
            encoded = self._encoders.encode(query.semantic)
        with self._database.tenant(request.user_id) as tx:
            return self._find(self._rows(tx, request), request, query, encoded, timings)

    def _rows(self, tx: Connection, request: Request) -> Retrieval:
        return Retrieval(
            tx,
            user_id=request.user_id,
            index_version=self.index_version,
            indexed_until=request.after.indexed_until if request.after else None,
        )

    def _find(
        self,
        rows: Retrieval,
        request: Request,
        query: ParsedQuery,
        encoded: EncodedQuery,
        timings: Timings,
    ) -> Found:
        library = rows.library()
        frequencies = rows.frequencies(sorted({term for w in query.words for term in w.terms}))
        shares = importance(query.words, frequencies, scenes=library.scenes)
        abstained = abstentions(request, query, encoded, terms_occur=bool(frequencies))
        asked = Asked(
            legs=tuple(leg for leg in LEGS if leg not in abstained),
            text_vector=encoded.text_vector,
            frame_vector=encoded.frame_vector,
            widths=widths(self.models, library.scenes),
            text_code=encoded.text_code,
            frame_code=encoded.frame_code,
            sparse=encoded.sparse,
            terms=term_shares(query.words, shares),
            tags=encoded.tags,
            people=tuple(person.person_id for person in query.people),
            scope=request.scope,
            allowed=rows.scenes_with(query.phrases, request.scope) if query.phrases else None,
        )
        judge = Judge(
            query=query,
            legs=asked.legs,
            weights=request.weights,
            importance=shares,
            pictured=named_in(query.words, encoded.pictured),
            tagged=_tagged(self.models, query, encoded),
            tags=dict(encoded.tags),
            sparse=dict(encoded.sparse),
            text_calibration=of_text_model(self.models.text.name),
            vision_calibration=self.models.image.calibrate,
            scenes=library.scenes,
        )
        plan = Plan(
            query=query,
            asked=asked,
            abstained=abstained,
            importance=shares,
            weights=judge.effective_weights(),
            library=library,
        )
        evidence = _evidence(rows, asked, timings)
        with timings.part("fuse"):
            ranked = rank(judge, evidence)
        with timings.part("show"):
            return _found(rows, request, plan, ranked)

    def _find_like(
        self, rows: Retrieval, request: Request, scene_id: UUID, timings: Timings
    ) -> Found:
        scene = similar.encoded(rows.example(scene_id), self.models)
        library = rows.library()
        abstained = similar.abstentions(request, scene)
        legs = tuple(leg for leg in LEGS if leg not in abstained)
        asked = Asked(
            legs=legs,
            text_vector=scene.text_vector,
            frame_vector=scene.frame_vector,
            widths=widths(self.models, library.scenes),
            text_code=scene.text_code,
            frame_code=scene.frame_code,
            terms=(),
            tags=scene.tags,
            people=(),
            scope=request.scope,
            allowed=None,
            other_than=scene_id,
        )
        plan = Plan(
            query=_NO_WORDS,
            asked=asked,
            abstained=abstained,
            importance=(),
            weights=similar.effective_weights(request.weights, legs),
            library=library,
        )
        evidence = _evidence(rows, asked, timings)
        with timings.part("fuse"):
            ranked = similar.rank(
                evidence, scene=scene, legs=legs, weights=plan.weights, models=self.models
            )
        with timings.part("show"):
            return _found(rows, request, plan, ranked)


def widths(models: QueryEncoders, scenes: int) -> dict[Leg, int]:
    """How many rows the vector legs compare exactly, for those that go by code.

    Args:
        models: of the index version.
        scenes: how many the tenant has, about.
    """
    names: dict[Leg, str] = {"dense": models.text.name, "vision": models.image.name}
    reach = {
        leg: coding.of_model(name).width(scenes)
        for leg, name in names.items()
        if scenes > EXACT_SCENES[leg]
    }
    return {leg: width for leg, width in reach.items() if width is not None}


def _tagged(
    models: QueryEncoders, query: ParsedQuery, encoded: EncodedQuery
) -> dict[QueryWord, frozenset[str]]:
    """The words of a query that name tags it asks for, and which."""
    asked = {tag for tag, _ in encoded.tags}
    named = {
        word: asked.intersection(each.tag for each in models.tags.read(word.text))
        for word in query.words
    }
    return {word: frozenset(tags) for word, tags in named.items() if tags}


def _evidence(rows: Retrieval, asked: Asked, timings: Timings) -> list[Evidence]:
    with timings.part("recall"):
        proposed = _proposed(rows, asked, timings)
    with timings.part("evidence"):
        return rows.evidence(asked, proposed)


def _candidates(rows: Retrieval, asked: Asked, timings: Timings) -> dict[Leg, list[UUID]]:
    if not timings.legs_alone:
        return rows.candidates(asked)
    found: dict[Leg, list[UUID]] = {}
    for leg in asked.legs:
        with timings.leg(leg):
            found |= rows.candidates(replace(asked, legs=(leg,)))
    return found


def _proposed(rows: Retrieval, asked: Asked, timings: Timings) -> list[UUID]:
    """All scenes that any leg proposes, and those that hold the quoted phrases."""
    candidates = _candidates(rows, asked, timings)
    proposed = {scene_id for leg in asked.legs for scene_id in candidates[leg]}
    return sorted(proposed.union(asked.allowed or ()))


def _found(rows: Retrieval, request: Request, plan: Plan, ranked: Sequence[Ranked]) -> Found:
    """The page that was asked for, with what there is to show."""
    entries = grouped(merge(ranked), request.group_by)
    left = [each for each in entries if request.after is None or _is_after(each, request.after)]
    page = tuple(_shown(entry) for entry in left[: request.limit])
    until = request.after.indexed_until if request.after else plan.library.indexed_until
    return Found(
        plan=plan,
        total=len(entries),
        page=page,
        moments=rows.moments(sorted({part for entry in page for part in _scenes(entry)})),
        next_after=_place(page[-1], until) if len(left) > len(page) else None,
    )


def _shown(entry: Group) -> Group:
    return Group(best=entry.best, others=entry.others[:_SHOWN_OTHERS], count=entry.count)


def _scenes(entry: Group) -> list[UUID]:
    moments: tuple[MergedHit, ...] = (entry.best, *entry.others)
    return [part.evidence.scene_id for moment in moments for part in moment.parts]


def _is_after(entry: Group, place: Place) -> bool:
    key = (-place.score, place.video_id.int, place.start_ms, place.scene_id.int)
    return order(entry.best.best) > key


def _place(entry: Group, until: datetime | None) -> Place:
    hit = entry.best.best
    return Place(
        score=hit.score,
        video_id=hit.evidence.video_id,
        start_ms=hit.evidence.start_ms,
        scene_id=hit.evidence.scene_id,
        indexed_until=until,
    )
