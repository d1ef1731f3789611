"""One search, from the words typed to explained hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from common import coding
from common.database import Database
from common.encoders import QueryEncoders
from functions.search.calibration import of_text_model
from functions.search.encoding import EncodedQuery, Encoders
from functions.search.importance import importance, term_shares
from functions.search.legs import Abstention, abstentions, named_in
from functions.search.model import LEGS, Leg, ParsedQuery, Ranked, Request, Weights
from functions.search.moment import Moment
from functions.search.query import parse
from functions.search.rank import Judge, rank
from functions.search.retrieval import Asked, Retrieval

#: Up to this many scenes a leg compares all of a tenant's vectors; above it, codes come first.
#: There are several frames to a scene, so for pictures they pay earlier.
EXACT_SCENES: Final[Mapping[Leg, int]] = {"dense": 8_000, "vision": 2_000}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The answer of one search."""

    query: ParsedQuery
    #: Legs that took part, and why the others did not.
    legs: tuple[Leg, ...]
    abstained: Mapping[Leg, Abstention]
    #: After the weights of abstaining legs were shared out.
    weights: Weights
    #: How many hits there are in all, and this page of them.
    total: int
    hits: tuple[tuple[Ranked, Moment], ...]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """One query, ready for the database and for ranking."""

    asked: Asked
    judge: Judge
    abstained: Mapping[Leg, Abstention]


class Finder:
    """Searches. Thread-safe: nothing outlives a request but encoded texts.

    Args:
        database: as `heimdex_api`.
        encoders: of the models that made `index_version`.
        index_version: the rows to search.
    """

    def __init__(self, database: Database, encoders: Encoders, *, index_version: str) -> None:
        self._database = database
        self._encoders = encoders
        self.index_version = index_version

    def find(self, request: Request) -> Found:
        """Search one tenant's scenes.

        Raises:
            InputError: `invalid_request`: the text cannot be searched for.
            TransientError: the database cannot be reached.
        """
        with self._database.tenant(request.user_id) as tx:
            people = self._rows(tx, request).people()
        query = parse(request.text, people)
        # Encoding takes longest and needs no connection, so none is held meanwhile.
        encoded = self._encoders.encode(query.semantic)
        with self._database.tenant(request.user_id) as tx:
            return self._search(self._rows(tx, request), request, query, encoded)

    def _rows(self, tx: Connection, request: Request) -> Retrieval:
        return Retrieval(tx, user_id=request.user_id, index_version=self.index_version)

    def _search(
        self, rows: Retrieval, request: Request, query: ParsedQuery, encoded: EncodedQuery
    ) -> Found:
        plan = self._plan(rows, request, query, encoded)
        ranked = rank(plan.judge, rows.evidence(plan.asked, _proposed(rows, plan.asked)))
        page = ranked[request.offset : request.offset + request.limit]
        # A video deleted meanwhile has no moments any more.
        moments = rows.moments([hit.evidence.scene_id for hit in page])
        shown = [(hit, moments.get(hit.evidence.scene_id)) for hit in page]
        return Found(
            query=query,
            legs=plan.asked.legs,
            abstained=plan.abstained,
            weights=plan.judge.effective_weights(),
            total=len(ranked),
            hits=tuple((hit, moment) for hit, moment in shown if moment is not None),
        )

    def _plan(
        self, rows: Retrieval, request: Request, query: ParsedQuery, encoded: EncodedQuery
    ) -> _Plan:
        models = self._encoders.models
        scenes = rows.scene_count()
        frequencies = rows.frequencies(sorted({term for w in query.words for term in w.terms}))
        shares = importance(query.words, frequencies, scenes=scenes)
        abstained = abstentions(request, query, encoded, terms_occur=bool(frequencies))
        asked = Asked(
            legs=tuple(leg for leg in LEGS if leg not in abstained),
            text_vector=encoded.text_vector,
            frame_vector=encoded.frame_vector,
            widths=_widths(models, scenes),
            text_code=encoded.text_code,
            frame_code=encoded.frame_code,
            sparse=encoded.sparse,
            terms=term_shares(query.words, shares),
            tags=encoded.tags,
            people=tuple(person.person_id for person in query.people),
            scope=request.scope,
            allowed=rows.scenes_with(query.phrases) if query.phrases else None,
        )
        judge = Judge(
            query=query,
            legs=asked.legs,
            weights=request.weights,
            importance=shares,
            pictured=named_in(query.words, encoded.pictured),
            tagged=frozenset(word for word in query.words if models.tags.read(word.text)),
            tags=dict(encoded.tags),
            sparse=dict(encoded.sparse),
            text_calibration=of_text_model(models.text.name),
            vision_calibration=models.image.calibrate,
            scenes=scenes,
        )
        return _Plan(asked=asked, judge=judge, abstained=abstained)


def _widths(models: QueryEncoders, scenes: int) -> dict[Leg, int]:
    """How many rows the vector legs compare exactly, for those that go by code."""
    names: dict[Leg, str] = {"dense": models.text.name, "vision": models.image.name}
    widths = {
        leg: coding.of_model(name).width(scenes)
        for leg, name in names.items()
        if scenes > EXACT_SCENES[leg]
    }
    return {leg: width for leg, width in widths.items() if width is not None}


def _proposed(rows: Retrieval, asked: Asked) -> list[UUID]:
    """All scenes that any leg proposes, and those that hold the quoted phrases."""
    candidates = rows.candidates(asked)
    proposed = {scene_id for leg in asked.legs for scene_id in candidates[leg]}
    return sorted(proposed.union(asked.allowed or ()))
