"""`/v1/search`: find the moment for a sentence."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from common.web.models import BodyModel, PageQuery
from common.web.pages import Page
from common.web.problem import InvalidRequestError
from common.web.routes import Principal, RouteTable
from functions.search import checks, positions
from functions.search.answers import SearchResults, results
from functions.search.model import GroupBy, Mode, PersonMatch, Request, Scope, Weights
from functions.search.query import MAX_QUERY_CHARS
from functions.search.services import SearchServices

routes: RouteTable[SearchServices] = RouteTable()

_DEFAULTS = Weights()
_MAX_IDS: Final = 50
#: 31 days; no video is longer.
_MAX_DURATION_MS: Final = 31 * 24 * 3_600_000


class SearchWeights(BodyModel):
    """How much each kind of evidence counts, 0–1. Only their proportions matter."""

    text: float = Field(default=_DEFAULTS.text, ge=0, le=1)
    """What is said and written on screen."""
    vision: float = Field(default=_DEFAULTS.vision, ge=0, le=1)
    """What is seen."""
    tags: float = Field(default=_DEFAULTS.tags, ge=0, le=1)
    """Tags of what is seen."""
    person: float = Field(default=_DEFAULTS.person, ge=0, le=1)
    """Added for a person who is named and there."""


class _Asked(BaseModel):
    """What both forms of a search have in common."""

    q: str | None = Field(default=None, max_length=MAX_QUERY_CHARS * 4)
    """Korean or English; "quoted phrases" must occur; names of enrolled people are recognised."""
    scene_id: UUID | None = None
    """Instead of `q`: find scenes like this one, by what is said, what is seen and its tags."""
    mode: Mode = "hybrid"
    """`semantic` goes by meaning and pictures, `keyword` by the words themselves."""
    person_match: PersonMatch = "all"
    """Whether all of the people asked for must be in the scene, or any of them."""
    created_from: AwareDatetime | None = None
    """Only videos uploaded at this time or later."""
    created_before: AwareDatetime | None = None
    """Only videos uploaded before this time."""
    min_duration_ms: int | None = Field(default=None, ge=0, le=_MAX_DURATION_MS)
    """Only videos at least this long."""
    max_duration_ms: int | None = Field(default=None, ge=0, le=_MAX_DURATION_MS)
    """Only videos at most this long."""
    language: str | None = Field(default=None, pattern="^[a-z]{2,3}$")
    """Only scenes where this language is spoken, e.g. `ko`."""
    has_speech: bool | None = None
    """Only scenes where somebody speaks, or only those where nobody does."""
    group_by: GroupBy = "scene"
    """`video` lists each video once, by its best moment."""
    explain: bool = False
    """Say how the query was read and searched, as `plan`."""


class SearchQuery(_Asked, PageQuery):
    """A search, as query parameters."""

    video_id: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only in these videos."""
    person_id: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only scenes with these people."""
    text_weight: float = Field(default=_DEFAULTS.text, ge=0, le=1)
    vision_weight: float = Field(default=_DEFAULTS.vision, ge=0, le=1)
    tags_weight: float = Field(default=_DEFAULTS.tags, ge=0, le=1)
    person_weight: float = Field(default=_DEFAULTS.person, ge=0, le=1)


class SearchBody(_Asked, BodyModel):
    """A search, as a JSON body; page_size and page_token are query parameters."""

    video_ids: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only in these videos."""
    person_ids: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only scenes with these people."""
    weights: SearchWeights = SearchWeights()


@routes.get("/v1/search", summary="Find moments", errors=("not_found",), charge="searches")
def search(
    services: SearchServices, *, principal: Principal, query: SearchQuery, page: Page
) -> SearchResults:
    """The moments of the user's videos that answer a sentence, best first, each explained."""
    weights = Weights(
        text=query.text_weight,
        vision=query.vision_weight,
        tags=query.tags_weight,
        person=query.person_weight,
    )
    scope = _scope(query, video_ids=query.video_id, person_ids=query.person_id)
    request = _request(principal, query, weights=weights, scope=scope, page=page, fingerprint="")
    return _answer(services, request, page, explained=query.explain, fingerprint="")


@routes.post(
    "/v1/search",
    summary="Find moments, with a JSON body",
    effect=None,
    status=200,
    errors=("not_found",),
    charge="searches",
)
def search_by_body(
    services: SearchServices,
    *,
    principal: Principal,
    body: SearchBody,
    query: PageQuery,
    page: Page,
) -> SearchResults:
    """As `GET /v1/search`: for long queries, and for texts that should not stand in a URL."""
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    weights = Weights(**body.weights.model_dump())
    scope = _scope(body, video_ids=body.video_ids, person_ids=body.person_ids)
    request = _request(
        principal, body, weights=weights, scope=scope, page=page, fingerprint=fingerprint
    )
    return _answer(services, request, page, explained=body.explain, fingerprint=fingerprint)


def _scope(asked: _Asked, *, video_ids: tuple[UUID, ...], person_ids: tuple[UUID, ...]) -> Scope:
    return Scope(
        video_ids=video_ids,
        person_ids=person_ids,
        person_match=asked.person_match,
        created_from=asked.created_from,
        created_before=asked.created_before,
        min_duration_ms=asked.min_duration_ms,
        max_duration_ms=asked.max_duration_ms,
        language=asked.language,
        has_speech=asked.has_speech,
    )


def _request(
    principal: Principal,
    asked: _Asked,
    *,
    weights: Weights,
    scope: Scope,
    page: Page,
    fingerprint: str,
) -> Request:
    """What is asked for.

    Raises:
        InvalidRequestError: it contradicts itself, or nothing can be searched for.
        InputError: `invalid_page_token`.
    """
    problems = [*checks.searchable(asked.q, asked.scene_id), *checks.consistent(scope, weights)]
    if problems:
        raise InvalidRequestError(problems)
    return Request(
        user_id=principal.user_id,
        text=asked.q or "",
        like=asked.scene_id,
        mode=asked.mode,
        weights=weights,
        scope=scope,
        group_by=asked.group_by,
        after=positions.place(page.after, fingerprint),
        limit=page.size,
    )


def _answer(
    services: SearchServices, request: Request, page: Page, *, explained: bool, fingerprint: str
) -> SearchResults:
    finder = services.finder
    found = finder.find(request)
    after = found.next_after
    text, image = finder.models.text.name, finder.models.image.name
    return results(
        found,
        request=request,
        index_version=finder.index_version,
        models={"dense": text, "sparse": text, "vision": image},
        explained=explained,
        next_page_token=page.next(positions.position(after, fingerprint)) if after else None,
    )
