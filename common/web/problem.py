"""RFC 9457 problem documents, made from the closed code list."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from common.errors import CODES, HeimdexError
from common.web.language import Language
from common.web.models import ResponseModel

MEDIA_TYPE = "application/problem+json"

#: Codes whose answer says when to try again, in seconds.
RETRY_AFTER_S = {"unavailable": 5, "idempotency_conflict": 1}


class Messages(ResponseModel):
    """One text in each language."""

    en: str
    ko: str


class FieldProblem(ResponseModel):
    """What is wrong with one field of the request."""

    field: str
    """Path in the body, e.g. `video.size_bytes`; name of a header or parameter; or `body`."""
    code: str
    """Stable name of the rule that is broken, e.g. `missing`."""
    messages: Messages


class Problem(ResponseModel):
    """An error, as RFC 9457 (`application/problem+json`)."""

    type: str
    """Address of a description of the code."""
    title: str
    """The code in words."""
    status: int = Field(ge=400, le=599)
    detail: str
    """What happened and what to do, in the language that Accept-Language prefers."""
    code: str
    """Stable code; see `type`."""
    instance: str
    """Id of the request, to be reported."""
    messages: Messages
    """`detail` in both languages."""
    errors: tuple[FieldProblem, ...]
    """The fields at fault (only with `invalid_request`)."""


class InvalidRequestError(HeimdexError):
    """`invalid_request`, with the fields at fault."""

    def __init__(self, fields: Sequence[FieldProblem]) -> None:
        super().__init__("invalid_request", ", ".join(field.field for field in fields))
        self.fields = tuple(fields)


def field_problem(field: str, code: str, en: str, ko: str) -> FieldProblem:
    """One field at fault, with its text in both languages."""
    return FieldProblem(field=field, code=code, messages=Messages(en=en, ko=ko))


def messages_of(code: str) -> Messages:
    """Both texts of a code."""
    return Messages(en=CODES[code].en, ko=CODES[code].ko)


def title_of(code: str) -> str:
    """The code in words: `not_found` → "Not found"."""
    return code.replace("_", " ").capitalize()


def type_of(code: str) -> str:
    """Address, relative to the API's origin, where the code is described."""
    return f"/v1/problems/{code}"


def problem_of(error: HeimdexError, *, language: Language, request_id: str) -> Problem:
    """The document for an error; the error's own detail is for logs and stays out of it.

    A transient failure of whatever we depend on is, to the client, `unavailable`.
    """
    code = "unavailable" if error.retryable else error.code
    messages = messages_of(code)
    return Problem(
        type=type_of(code),
        title=title_of(code),
        status=CODES[code].status,
        detail=messages.ko if language == "ko" else messages.en,
        code=code,
        instance=request_id,
        messages=messages,
        errors=error.fields if isinstance(error, InvalidRequestError) else (),
    )
