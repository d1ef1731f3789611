"""`/v1/search`: find the moment for a sentence."""

from __future__ import annotations

import hashlib
from uuid import UUID

from pydantic import Field

from common.errors import InputError
from common.web.models import BodyModel, PageQuery
from common.web.pages import Page
from common.web.problem import InvalidRequestError, field_problem
from common.web.routes import Principal, RouteTable
from functions.search.answers import SearchResults, results
from functions.search.model import Mode, Request, Scope, Weights
from functions.search.query import MAX_QUERY_CHARS, parse
from functions.search.services import SearchServices

routes: RouteTable[SearchServices] = RouteTable()

_DEFAULTS = Weights()
_MAX_IDS = 50


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


class SearchQuery(PageQuery):
    """A search, as query parameters."""

    q: str = Field(max_length=MAX_QUERY_CHARS * 4)
    """Korean or English; "quoted phrases" must occur; names of enrolled people are recognised."""
    mode: Mode = "hybrid"
    """`semantic` goes by meaning and pictures, `keyword` by the words themselves."""
    video_id: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only in these videos."""
    person_id: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only scenes with all of these people."""
    text_weight: float = Field(default=_DEFAULTS.text, ge=0, le=1)
    vision_weight: float = Field(default=_DEFAULTS.vision, ge=0, le=1)
    tags_weight: float = Field(default=_DEFAULTS.tags, ge=0, le=1)
    person_weight: float = Field(default=_DEFAULTS.person, ge=0, le=1)


class SearchBody(BodyModel):
    """A search, as a JSON body; page_size and page_token are query parameters."""

    q: str = Field(max_length=MAX_QUERY_CHARS * 4)
    """Korean or English; "quoted phrases" must occur; names of enrolled people are recognised."""
    mode: Mode = "hybrid"
    """`semantic` goes by meaning and pictures, `keyword` by the words themselves."""
    video_ids: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only in these videos."""
    person_ids: tuple[UUID, ...] = Field(default=(), max_length=_MAX_IDS)
    """Only scenes with all of these people."""
    weights: SearchWeights = SearchWeights()


@routes.get("/v1/search", summary="Find moments")
def search(
    services: SearchServices, *, principal: Principal, query: SearchQuery, page: Page
) -> SearchResults:
    """The moments of the user's videos that answer a sentence, best first, each explained."""
    request = Request(
        user_id=principal.user_id,
        text=_searchable(query.q),
        mode=query.mode,
        weights=_weights(
            query.text_weight, query.vision_weight, query.tags_weight, query.person_weight
        ),
        scope=Scope(video_ids=query.video_id, person_ids=query.person_id),
        offset=_offset(page, ""),
        limit=page.size,
    )
    return _answer(services, request, page, "")


@routes.post("/v1/search", summary="Find moments, with a JSON body", effect=None, status=200)
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
    weights = body.weights
    request = Request(
        user_id=principal.user_id,
        text=_searchable(body.q),
        mode=body.mode,
        weights=_weights(weights.text, weights.vision, weights.tags, weights.person),
        scope=Scope(video_ids=body.video_ids, person_ids=body.person_ids),
        offset=_offset(page, fingerprint),
        limit=page.size,
    )
    return _answer(services, request, page, fingerprint)


def _answer(
    services: SearchServices, request: Request, page: Page, fingerprint: str
) -> SearchResults:
    found = services.finder.find(request)
    end = request.offset + request.limit
    return results(
        found,
        request=request,
        index_version=services.finder.index_version,
        next_page_token=page.next((end, fingerprint)) if end < found.total else None,
    )


def _offset(page: Page, fingerprint: str) -> int:
    """How many hits the pages before showed.

    Args:
        page: as requested.
        fingerprint: of the body, which the token's own scope does not cover.
    """
    match page.after:
        case None:
            return 0
        case (int(offset), str(of_body)) if of_body == fingerprint:
            return offset
    raise InputError("invalid_page_token")


def _searchable(text: str) -> str:
    """The text, refused with the field's name where nothing can be searched for."""
    try:
        parse(text)
    except InputError as error:
        raise InvalidRequestError(
            [
                field_problem(
                    "q",
                    "not_searchable",
                    f"1 to {MAX_QUERY_CHARS} characters of text, without NUL.",
                    f"NUL이 없는 1~{MAX_QUERY_CHARS}자의 텍스트여야 합니다.",
                )
            ]
        ) from error
    return text


def _weights(text: float, vision: float, tags: float, person: float) -> Weights:
    if text + vision + tags + person > 0:
        return Weights(text=text, vision=vision, tags=tags, person=person)
    raise InvalidRequestError(
        [
            field_problem(
                "weights",
                "all_zero",
                "At least one weight must be greater than 0.",
                "가중치 중 하나는 0보다 커야 합니다.",
            )
        ]
    )
