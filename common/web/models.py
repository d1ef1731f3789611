"""Bases of everything that crosses HTTP: closed, frozen, no NaN."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

#: Items per page when the client does not say.
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100


class _WireModel(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class BodyModel(_WireModel):
    """A JSON request body. Unknown fields are refused, types are not coerced."""


class QueryModel(_WireModel):
    """Query parameters: a field each; a tuple field may be repeated."""


class PageQuery(QueryModel):
    """Query parameters of a list. Every list has them."""

    page_size: int = Field(default=DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)
    """At most this many items."""
    page_token: str | None = Field(default=None, max_length=2048)
    """`next_page_token` of the page before; all other parameters must be the same."""


class ResponseModel(_WireModel):
    """A JSON answer. All fields are always present."""
