"""Problem documents."""

from __future__ import annotations

import pytest

from common.errors import CODES, HeimdexError, InputError, NotFoundError, TransientError
from common.web.problem import InvalidRequestError, field_problem, problem_of


@pytest.mark.parametrize("code", CODES)
def test_every_code_makes_a_document_in_both_languages(code: str) -> None:
    """With the code's own status, and the detail in the language that was asked for."""
    for language, text in (("en", CODES[code].en), ("ko", CODES[code].ko)):
        problem = problem_of(
            HeimdexError(code),
            language=language,  # type: ignore[arg-type]  # the two of them
            request_id="r",
        )
        assert (problem.code, problem.status, problem.detail) == (code, CODES[code].status, text)
        assert problem.type == f"/v1/problems/{code}"
        assert problem.instance == "r"
        assert (problem.messages.en, problem.messages.ko) == (CODES[code].en, CODES[code].ko)


def test_what_developers_are_told_stays_inside() -> None:
    """An error's detail is for logs."""
    problem = problem_of(NotFoundError("video 123 of mallory"), language="en", request_id="r")
    assert "mallory" not in problem.model_dump_json()


def test_any_transient_failure_is_unavailable() -> None:
    """The client cannot do anything but retry, whatever it was."""
    for error in (TransientError(), TransientError("stage_failed")):
        problem = problem_of(error, language="en", request_id="r")
        assert (problem.code, problem.status) == ("unavailable", 503)


def test_only_an_invalid_request_lists_fields() -> None:
    """And it lists them all."""
    fields = [field_problem("a", "missing", "x", "y"), field_problem("b", "missing", "x", "y")]
    invalid = problem_of(InvalidRequestError(fields), language="en", request_id="r")
    assert [field.field for field in invalid.errors] == ["a", "b"]
    assert problem_of(InputError("wrong_state"), language="en", request_id="r").errors == ()
