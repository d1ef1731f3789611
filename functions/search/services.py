"""What the search handlers work with."""

from __future__ import annotations

from dataclasses import dataclass

from functions.search.finder import Finder


@dataclass(frozen=True, kw_only=True)
class SearchServices:
    """The adapters of the function."""

    finder: Finder
