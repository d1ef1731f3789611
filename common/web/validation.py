"""From bytes and strings of a request to validated models, or `invalid_request` with the fields.

Bodies are strict JSON: no duplicate names, no NaN or Infinity, no numbers that overflow, no
unknown fields, no coercion.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TypeVar, get_origin
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from common.errors import NotFoundError
from common.web.models import BodyModel, QueryModel
from common.web.problem import FieldProblem, InvalidRequestError, field_problem

BodyT = TypeVar("BodyT", bound=BodyModel)
QueryT = TypeVar("QueryT", bound=QueryModel)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

#: pydantic's error types that need their own words; the rest get pydantic's English sentence.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "missing": ("This field is required.", "필수 항목입니다."),
    "extra_forbidden": ("This field is not known.", "알 수 없는 항목입니다."),
    "json_invalid": ("This is not valid JSON.", "올바른 JSON이 아닙니다."),
    "string_too_long": ("At most {max_length} characters.", "{max_length}자 이하여야 합니다."),
    "string_too_short": ("At least {min_length} characters.", "{min_length}자 이상이어야 합니다."),
    "too_long": ("At most {max_length} items.", "{max_length}개 이하여야 합니다."),
    "greater_than_equal": ("At least {ge}.", "{ge} 이상이어야 합니다."),
    "less_than_equal": ("At most {le}.", "{le} 이하여야 합니다."),
    "literal_error": ("One of {expected}.", "다음 중 하나여야 합니다: {expected}."),
    "int_type": ("This must be a whole number.", "정수여야 합니다."),
    "int_parsing": ("This must be a whole number.", "정수여야 합니다."),
    "string_type": ("This must be a string.", "문자열이어야 합니다."),
    "uuid_parsing": ("This must be a UUID.", "UUID여야 합니다."),
}


def parse_body(model: type[BodyT], data: bytes, *, mimetype: str) -> BodyT:
    """Validate a JSON body. No body at all stands for `{}`.

    Raises:
        InvalidRequestError: it is not JSON, or not of the model.
    """
    if data and mimetype != "application/json":
        raise InvalidRequestError(
            [
                field_problem(
                    "Content-Type",
                    "content_type",
                    "This must be application/json.",
                    "application/json이어야 합니다.",
                )
            ]
        )
    data = data or b"{}"
    _refuse_sloppy_json(data)
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise InvalidRequestError(_fields(error)) from error


def parse_query(model: type[QueryT], arguments: MultiDict[str, str]) -> QueryT:
    """Validate query parameters.

    Raises:
        InvalidRequestError: one is unknown, wrong, or given twice without being a list.
    """
    values: dict[str, str | list[str]] = {}
    for name, given in arguments.lists():
        if _is_list(model, name):
            values[name] = given
        elif len(given) == 1:
            values[name] = given[0]
        else:
            raise InvalidRequestError(
                [field_problem(name, "repeated", "Give this once.", "한 번만 지정해 주세요.")]
            )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequestError(_fields(error)) from error


def parse_id(text: str) -> UUID:
    """An id from a path; one that cannot be an id names nothing.

    Raises:
        NotFoundError: it is not a UUID in its usual form.
    """
    if not _UUID.fullmatch(text):
        raise NotFoundError("malformed id")
    return UUID(text)


def _is_list(model: type[QueryModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is tuple


def _refuse_sloppy_json(data: bytes) -> None:
    """Refuse what JSON parsers disagree about."""
    try:
        json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        en, ko = _TEXTS["json_invalid"]
        raise InvalidRequestError([field_problem("body", "json_invalid", en, ko)]) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate name")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("number too large")
    return value


def _fields(error: ValidationError) -> list[FieldProblem]:
    return [_field(detail) for detail in error.errors(include_url=False, include_input=False)]


def _field(detail: ErrorDetails) -> FieldProblem:
    name = ".".join(str(part) for part in detail["loc"]) or "body"
    texts = _TEXTS.get(detail["type"])
    if texts is None:
        # Rules of our own bring their Korean text as `ko`.
        ko = detail.get("ctx", {}).get("ko", "값이 올바르지 않습니다.")
        return field_problem(name, detail["type"], detail["msg"], ko)
    en, ko = (text.format(**detail.get("ctx", {})) for text in texts)
    return field_problem(name, detail["type"], en, ko)
