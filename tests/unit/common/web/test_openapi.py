"""The OpenAPI document."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field
from sqlalchemy import Connection

from common.web import openapi
from common.web.conditions import IfMatch
from common.web.models import BodyModel, PageQuery, ResponseModel
from common.web.pages import Page
from common.web.routes import Principal, RouteTable


class Size(BodyModel):
    """How large."""

    width_px: int = Field(ge=1)


class Change(BodyModel):
    """A change."""

    size: Size


class Thing(ResponseModel):
    """A thing."""

    id: UUID
    name: str = "none"


class ThingsQuery(PageQuery):
    """Which things."""

    ids: tuple[UUID, ...] = ()
    """Only these."""
    q: str
    """What to look for."""


routes: RouteTable[None] = RouteTable()


@routes.get("/v1/things", summary="List things")
def list_things(services: None, *, principal: Principal, query: ThingsQuery, page: Page) -> Thing:
    """Newest first.

    Not part of the description.
    """
    raise AssertionError


@routes.patch("/v1/things/{thing_id}", summary="Change a thing", effect="thing.change")
def change_thing(
    services: None,
    *,
    principal: Principal,
    tx: Connection,
    thing_id: UUID,
    body: Change,
    if_match: IfMatch,
) -> Thing:
    """Change it."""
    raise AssertionError


@routes.post("/v1/things", summary="Make a thing", effect="thing.make")
def make_thing(services: None, *, principal: Principal, tx: Connection, body: Size) -> Thing:
    """Make it."""
    raise AssertionError


@routes.delete("/v1/things/{thing_id}", summary="Delete a thing", effect="thing.erase")
def erase_thing(services: None, *, principal: Principal, tx: Connection, thing_id: UUID) -> None:
    """Delete it."""
    raise AssertionError


@routes.get("/v1/health", summary="Health", conditional=True)
def health(services: None) -> Thing:
    """Alive."""
    raise AssertionError


@pytest.fixture
def document() -> dict[str, Any]:
    """The document of these routes."""
    return openapi.document(routes, title="t", version="1", description="d")


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    """As the specification's own schema says."""
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_there_once(document: dict[str, Any]) -> None:
    """With its operation id, the first paragraph as description, and who may call it."""
    operations = {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert set(operations) == {route.name for route in routes}
    assert operations["list_things"]["description"] == "Newest first."
    assert operations["list_things"]["security"] == [{"firebase": []}]
    assert operations["health"]["security"] == []


def test_query_fields_are_parameters(document: dict[str, Any]) -> None:
    """Required where they are, with what they mean, and not as a schema of their own."""
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"]["/v1/things"]["get"]["parameters"]
        if "name" in parameter
    }
    assert set(parameters) == {"page_size", "page_token", "ids", "q"}
    assert (parameters["q"]["required"], parameters["ids"]["required"]) == (True, False)
    assert parameters["ids"]["description"] == "Only these."
    assert "ThingsQuery" not in document["components"]["schemas"]


def test_bodies_and_answers_are_closed_components(document: dict[str, Any]) -> None:
    """Nested models too; a field of an answer is always there, whatever its default."""
    schemas = document["components"]["schemas"]
    assert {"Change", "Size", "Thing", "Problem"} <= set(schemas)
    assert schemas["Size"]["additionalProperties"] is False
    assert schemas["Thing"]["required"] == ["id", "name"]
    body = document["paths"]["/v1/things/{thing_id}"]["patch"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Change"}


def test_headers_are_documented_where_they_have_a_meaning(document: dict[str, Any]) -> None:
    """Keys on what makes something, conditions where they are honoured."""

    def headers(path: str, method: str) -> set[str]:
        parameters = document["paths"][path][method]["parameters"]
        return {p["$ref"].rpartition("/")[2] for p in parameters if "$ref" in p}

    assert headers("/v1/things", "post") == {"Accept-Language", "Idempotency-Key"}
    assert headers("/v1/things/{thing_id}", "patch") == {"Accept-Language", "If-Match"}
    assert headers("/v1/health", "get") == {"Accept-Language", "If-None-Match"}


def test_every_code_of_a_route_is_under_its_status(document: dict[str, Any]) -> None:
    """With the codes as an enumeration, so that clients can be generated."""
    responses = document["paths"]["/v1/things"]["post"]["responses"]
    assert set(responses) == {"201", "400", "401", "409", "413", "422", "500", "503"}
    name = responses["409"]["$ref"].rpartition("/")[2]
    schema = document["components"]["responses"][name]["content"]["application/problem+json"]
    assert schema["schema"]["allOf"][1] == {
        "properties": {"code": {"enum": ["idempotency_conflict"]}}
    }
    assert set(document["paths"]["/v1/things/{thing_id}"]["delete"]["responses"]) >= {"204", "404"}
