"""Choosing a language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.web.language import LANGUAGES, preferred


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr,ko;q=0.5", "ko"),
        ("fr", "en"),
        ("en;q=0.1,ko;q=0.2", "ko"),
        ("*", "en"),
    ],
)
def test_the_best_of_ours_is_chosen(header: str | None, language: str) -> None:
    """By the client's weights; English when nothing fits."""
    assert preferred(header) == language


@given(header=st.text())
def test_any_header_chooses_one_of_ours(header: str) -> None:
    """Nonsense is no error."""
    assert preferred(header) in LANGUAGES
