"""The two languages Heimdex speaks, and how a request chooses."""

from __future__ import annotations

from typing import Literal

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")


def preferred(accept_language: str | None) -> Language:
    """The best of our languages for an Accept-Language header; English when none fits."""
    accepted = parse_accept_header(accept_language, LanguageAccept)
    return "ko" if accepted.best_match(LANGUAGES, default="en") == "ko" else "en"
