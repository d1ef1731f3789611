"""Languages by their script."""

from __future__ import annotations

import pytest

from common.encoders.scripts import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("안녕하세요", "ko"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "ko"),
        ("BTS 콘서트", "ko"),
        ("Hello there", "en"),
        ("夜の車", "ja"),
        ("红色的车", "zh"),
        ("Привет", ""),
        ("2024 …", ""),
        ("", ""),
    ],
)
def test_language_follows_the_script(text: str, expected: str) -> None:
    """A text's language is told from its letters, or is unknown."""
    assert language(text) == expected
