"""Titles of videos."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from functions.api.titles import MAX_TITLE_LENGTH, Title, title_from

_TITLES = TypeAdapter(Title)


@pytest.mark.parametrize(
    ("filename", "title"),
    [
        (None, "Untitled"),
        ("", "Untitled"),
        ("   .mp4", "Untitled"),
        ("\x00\n", "Untitled"),
        ("IMG_0042.MOV", "IMG_0042"),
        ("/sdcard/DCIM/여름 휴가.mp4", "여름 휴가"),
        ("C:\\Users\\me\\clip.final.avi", "clip.final"),
        (".hidden", ".hidden"),
        ("gpj.\u202e4pm.exe", "gpj.4pm"),
    ],
)
def test_a_file_name_makes_a_title(filename: str | None, title: str) -> None:
    """Without folder and extension, and without what cannot be shown."""
    assert title_from(filename) == title


@given(filename=st.text(max_size=255))
def test_any_file_name_makes_a_title_that_could_have_been_typed(filename: str) -> None:
    """It passes the check of given titles unchanged."""
    title = title_from(filename)
    assert _TITLES.validate_python(title) == title


@given(title=st.text(max_size=300))
def test_a_title_is_refused_or_clean(title: str) -> None:
    """Normal form, no surrounding space, bounded, and cleaning again changes nothing."""
    try:
        cleaned = _TITLES.validate_python(title)
    except ValidationError:
        return
    assert cleaned == unicodedata.normalize("NFC", cleaned).strip()
    assert 1 <= len(cleaned) <= MAX_TITLE_LENGTH
    assert not any(unicodedata.category(character) == "Cc" for character in cleaned)
    assert _TITLES.validate_python(cleaned) == cleaned


def test_emoji_with_joiners_are_titles() -> None:
    """Zero-width joiners make one picture of several; they are not controls."""
    assert _TITLES.validate_python("👨‍👩‍👧 주말") == "👨‍👩‍👧 주말"
