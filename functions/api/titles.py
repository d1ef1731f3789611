"""Titles of videos, as people type them or as files are called."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_TITLE_LENGTH = 200
_UNTITLED = "Untitled"

#: Controls, lone surrogates, line and paragraph separators.
_REFUSED_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))
#: Characters that reorder the text around them (Unicode TR 9): a title must not hide what it says.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_title(title: str) -> str:
    """A title in NFC without surrounding space.

    Raises:
        PydanticCustomError: it is empty, too long, or holds characters that cannot be shown.
    """
    title = unicodedata.normalize("NFC", title).strip()
    if not 1 <= len(title) <= MAX_TITLE_LENGTH:
        raise PydanticCustomError(
            "title_length",
            "1 to {max} characters.",
            {"max": MAX_TITLE_LENGTH, "ko": f"1~{MAX_TITLE_LENGTH}자여야 합니다."},
        )
    if any(_is_refused(character) for character in title):
        raise PydanticCustomError(
            "control_characters",
            "Control characters are not allowed.",
            {"ko": "제어 문자는 사용할 수 없습니다."},
        )
    return title


def title_from(filename: str | None) -> str:
    """A title for a file that was given none: its name without folder and extension."""
    shown = "".join(c for c in filename or "" if not _is_refused(c)).replace("\\", "/")
    stem = unicodedata.normalize("NFC", PurePosixPath(shown).stem).strip()
    return stem[:MAX_TITLE_LENGTH].strip() or _UNTITLED


def _is_refused(character: str) -> bool:
    return unicodedata.category(character) in _REFUSED_CATEGORIES or character in _BIDI_CONTROLS


Title = Annotated[str, Field(max_length=1000), AfterValidator(clean_title)]
