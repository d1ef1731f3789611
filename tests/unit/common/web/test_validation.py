"""From a request's bytes and strings to models."""

from __future__ import annotations

import json
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from werkzeug.datastructures import MultiDict

from common.errors import NotFoundError
from common.web.models import BodyModel, PageQuery
from common.web.problem import InvalidRequestError
from common.web.validation import parse_body, parse_id, parse_query


class Part(BodyModel):
    """A part of a body."""

    size: int = Field(ge=1, le=9)


class Body(BodyModel):
    """A body with a field of each kind."""

    name: str = Field(default="", max_length=5)
    weight: float = 0.5
    part: Part | None = None
    of: UUID | None = None


class Query(PageQuery):
    """A query with a repeatable parameter."""

    ids: tuple[UUID, ...] = ()
    weight: float = 0.5


def _fields(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_body(Body, data, mimetype="application/json")
    return [(field.field, field.code) for field in caught.value.fields]


def test_a_body_becomes_a_model() -> None:
    """Ids are read from strings, as JSON has no other way to write them."""
    of = uuid4()
    data = json.dumps({"name": "민지", "part": {"size": 3}, "of": str(of)}).encode()
    assert parse_body(Body, data, mimetype="application/json") == Body(
        name="민지", part=Part(size=3), of=of
    )


def test_no_body_is_an_empty_object() -> None:
    """So that a body of optional fields may be left out."""
    assert parse_body(Body, b"", mimetype="") == Body()


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"nul",
        b"\xff",
        b"{} {}",
        b'{"weight": NaN}',
        b'{"weight": Infinity}',
        b'{"weight": 1e999}',
        b'{"name": "a", "name": "b"}',
        b'{"part": {"size": 1, "size": 2}}',
        b"[" * 60_000,
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
)
def test_json_that_parsers_disagree_about_is_refused(data: bytes) -> None:
    """Before any of its fields is looked at."""
    assert _fields(data) == [("body", "json_invalid")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", ("body", "model_type")),
        (b'{"nam": ""}', ("nam", "extra_forbidden")),
        (b'{"name": 1}', ("name", "string_type")),
        (b'{"name": "123456"}', ("name", "string_too_long")),
        (b'{"part": {}}', ("part.size", "missing")),
        (b'{"part": {"size": "3"}}', ("part.size", "int_type")),
        (b'{"part": {"size": 3.0}}', ("part.size", "int_type")),
        (b'{"part": {"size": 0}}', ("part.size", "greater_than_equal")),
        (b'{"name": "\\ud800"}', ("body", "json_invalid")),
    ],
)
def test_every_wrong_field_is_named(data: bytes, expected: tuple[str, str]) -> None:
    """With its path, and the rule it breaks."""
    assert _fields(data) == [expected]


def test_field_texts_are_in_both_languages_and_quote_nothing() -> None:
    """Limits are filled in; what the client sent is not repeated."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_body(Body, b'{"name": "secret"}', mimetype="application/json")
    (field,) = caught.value.fields
    assert field.messages.en == "At most 5 characters."
    assert field.messages.ko == "5자 이하여야 합니다."
    assert "secret" not in str(caught.value)


def test_a_form_is_not_json() -> None:
    """The header is named, not a field."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_body(Body, b"name=a", mimetype="application/x-www-form-urlencoded")
    assert caught.value.fields[0].field == "Content-Type"


@given(data=st.binary(max_size=60))
def test_no_body_makes_another_error(data: bytes) -> None:
    """Any bytes are either a valid body or `invalid_request`."""
    with suppress(InvalidRequestError):
        parse_body(Body, data, mimetype="application/json")


def test_a_query_becomes_a_model() -> None:
    """Numbers and ids are read from their text; only lists may repeat."""
    ids = uuid4(), uuid4()
    pairs = [("page_size", "7"), ("weight", "0.25"), *(("ids", str(one)) for one in ids)]
    assert parse_query(Query, MultiDict(pairs)) == Query(page_size=7, weight=0.25, ids=ids)


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ([("page_size", "7"), ("page_size", "7")], "page_size"),
        ([("page_size", "7.5")], "page_size"),
        ([("page_size", "")], "page_size"),
        ([("weight", "nan")], "weight"),
        ([("weight", "inf")], "weight"),
        ([("ids", "1")], "ids.0"),
        ([("Page_size", "7")], "Page_size"),
    ],
)
def test_every_wrong_parameter_is_named(pairs: list[tuple[str, str]], field: str) -> None:
    """Repeated, unknown, or not of its kind."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_query(Query, MultiDict(pairs))
    assert [problem.field for problem in caught.value.fields] == [field]


@given(pairs=st.lists(st.tuples(st.sampled_from(["page_size", "weight", "ids"]), st.text())))
def test_no_query_makes_another_error(pairs: list[tuple[str, str]]) -> None:
    """Any text is either a valid query or `invalid_request`."""
    with suppress(InvalidRequestError):
        parse_query(Query, MultiDict(pairs))


def test_ids_are_uuids_as_they_are_usually_written() -> None:
    """Other spellings of the same number are not addresses of it."""
    one = uuid4()
    assert parse_id(str(one)) == parse_id(str(one).upper()) == one
    for other in (one.hex, f"{{{one}}}", one.urn, f" {one}", f"{one}\n", ""):
        with pytest.raises(NotFoundError):
            parse_id(other)
