"""Declaring routes."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Connection

from common.web.conditions import IfMatch
from common.web.language import Language
from common.web.models import BodyModel, PageQuery, QueryModel, ResponseModel
from common.web.pages import Page
from common.web.routes import Principal, Reply, RouteTable


class Thing(ResponseModel):
    """An answer."""

    name: str


class ThingBody(BodyModel):
    """A body."""

    name: str


def test_the_signature_is_the_declaration() -> None:
    """Inputs, answer and status are read from the handler."""
    table: RouteTable[None] = RouteTable()

    @table.post("/v1/things/{thing_id}/{part}", summary="s", effect="thing.make")
    def make(
        services: None,
        *,
        principal: Principal,
        tx: Connection,
        thing_id: UUID,
        part: str,
        body: ThingBody,
        language: Language,
    ) -> Reply[Thing]:
        raise AssertionError

    (route,) = table
    assert route.authenticated
    assert route.path_parameters == {"thing_id": UUID, "part": str}
    assert (route.body, route.query, route.response) == (ThingBody, None, Thing)
    assert (route.status, route.effect, route.name) == (201, "thing.make", "make")


def test_a_handler_that_returns_nothing_answers_204() -> None:
    """And a DELETE asks whether the token was revoked."""
    table: RouteTable[None] = RouteTable()

    @table.delete("/v1/things/{thing_id}", summary="s", effect="thing.erase")
    def erase(services: None, *, principal: Principal, tx: Connection, thing_id: UUID) -> None:
        raise AssertionError

    (route,) = table
    assert (route.status, route.response, route.check_revoked) == (204, None, True)


def test_a_route_knows_every_code_it_can_answer_with() -> None:
    """Those it raises, and those of what its inputs need."""
    table: RouteTable[None] = RouteTable()

    @table.patch("/v1/things/{id}", summary="s", effect="thing.change", errors=("wrong_state",))
    def change(
        services: None, *, principal: Principal, tx: Connection, id: UUID, if_match: IfMatch
    ) -> Thing:
        raise AssertionError

    @table.get("/v1/things", summary="s")
    def list_things(services: None, *, principal: Principal, query: PageQuery, page: Page) -> Thing:
        raise AssertionError

    @table.get("/v1/health", summary="s")
    def health(services: None) -> Thing:
        raise AssertionError

    changed, listed, healthy = table
    machinery = {"internal", "invalid_request", "request_too_large"}
    signed_in = machinery | {"unauthenticated", "unavailable"}
    assert set(healthy.codes) == machinery
    assert set(listed.codes) == signed_in | {"invalid_page_token"}
    assert set(changed.codes) == signed_in | {"wrong_state", "not_found", "precondition_failed"}


def test_a_charge_is_part_of_the_declaration() -> None:
    """It adds the code of its refusal, and somebody must be there to be charged."""
    table: RouteTable[None] = RouteTable()

    @table.get("/v1/things", summary="s", charge="searches")
    def list_things(services: None, *, principal: Principal) -> Thing:
        raise AssertionError

    (route,) = table
    assert route.charge == "searches"
    assert "searches_exhausted" in route.codes
    with pytest.raises(TypeError, match="principal"):
        table.get("/v1/health", summary="s", charge="searches")(_nothing)


def _unknown_input(services: None, *, weather: str) -> Thing:
    raise AssertionError


def _wrong_type(services: None, *, principal: str) -> Thing:
    raise AssertionError


def _page_without_query(services: None, *, principal: Principal, page: Page) -> Thing:
    raise AssertionError


def _page_of_plain_query(
    services: None, *, principal: Principal, page: Page, query: QueryModel
) -> Thing:
    raise AssertionError


def _transaction_of_nobody(services: None, *, tx: Connection) -> Thing:
    raise AssertionError


def _nothing(services: None) -> Thing:
    raise AssertionError


@pytest.mark.parametrize(
    ("handler", "path"),
    [
        (_unknown_input, "/v1/things"),
        (_wrong_type, "/v1/things"),
        (_page_without_query, "/v1/things"),
        (_page_of_plain_query, "/v1/things"),
        (_transaction_of_nobody, "/v1/things"),
        (_nothing, "/v1/things/{thing_id}"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(
    handler: Callable[..., Thing], path: str
) -> None:
    """When the module is imported, not at the first request."""
    table: RouteTable[None] = RouteTable()
    with pytest.raises(TypeError):
        table.get(path, summary="s")(handler)
    assert list(table) == []


def test_an_effect_has_a_transaction() -> None:
    """So that an idempotency key and its effect are one."""
    table: RouteTable[None] = RouteTable()
    with pytest.raises(TypeError, match="transaction"):
        table.post("/v1/things", summary="s", effect="thing.make")(_nothing)


def test_a_post_that_only_reads_takes_no_key() -> None:
    """Doing it twice is harmless."""
    table: RouteTable[None] = RouteTable()
    table.post("/v1/things", summary="s", effect=None)(_nothing)
    (route,) = table
    assert not route.takes_key
    assert "idempotency_conflict" not in route.codes


def test_an_unknown_error_code_is_refused() -> None:
    """The list of codes is closed."""
    table: RouteTable[None] = RouteTable()
    with pytest.raises(TypeError, match="no_such_code"):
        table.get("/v1/things", summary="s", errors=("no_such_code",))(_nothing)
