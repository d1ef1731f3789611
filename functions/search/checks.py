"""What cannot be searched for, said field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from common.errors import InputError
from common.web.problem import FieldProblem, field_problem
from functions.search.model import Scope, Weights
from functions.search.query import MAX_QUERY_CHARS, parse

#: Each quoted phrase is looked up on its own.
MAX_PHRASES: Final = 8


def searchable(text: str | None, scene_id: UUID | None) -> Iterator[FieldProblem]:
    """Problems of what is looked for: a text or a scene, and one of them only."""
    if (text is None) == (scene_id is None):
        yield field_problem(
            "q",
            "one_of",
            "Give either q or scene_id.",
            "q와 scene_id 중 하나만 지정해 주세요.",
        )
    elif text is not None:
        yield from _readable(text)


def consistent(scope: Scope, weights: Weights) -> Iterator[FieldProblem]:
    """Problems of filters and weights that leave nothing to be found."""
    if scope.created_from and scope.created_before and scope.created_from >= scope.created_before:
        yield field_problem(
            "created_before",
            "empty_range",
            "This must be later than created_from.",
            "created_from보다 늦어야 합니다.",
        )
    shortest, longest = scope.min_duration_ms, scope.max_duration_ms
    if shortest is not None and longest is not None and shortest > longest:
        yield field_problem(
            "max_duration_ms",
            "empty_range",
            "This must not be less than min_duration_ms.",
            "min_duration_ms보다 작을 수 없습니다.",
        )
    if not weights.text + weights.vision + weights.tags + weights.person:
        yield field_problem(
            "weights",
            "all_zero",
            "At least one weight must be greater than 0.",
            "가중치 중 하나는 0보다 커야 합니다.",
        )


def _readable(text: str) -> Iterator[FieldProblem]:
    try:
        phrases = parse(text).phrases
    except InputError:
        yield field_problem(
            "q",
            "not_searchable",
            f"1 to {MAX_QUERY_CHARS} characters of text, without NUL.",
            f"NUL이 없는 1~{MAX_QUERY_CHARS}자의 텍스트여야 합니다.",
        )
        return
    if len(phrases) > MAX_PHRASES:
        yield field_problem(
            "q",
            "too_many_phrases",
            f"At most {MAX_PHRASES} quoted phrases.",
            f"따옴표로 묶은 구절은 {MAX_PHRASES}개까지입니다.",
        )
