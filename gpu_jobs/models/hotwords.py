"""Names that are likely to be said, as a hint to the speech model."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

#: Some twenty names. faster-whisper would take 223; a longer hint costs time on every clip and
#: tempts the decoder to write names that nobody says.
MAX_TOKENS: Final = 96
#: No name is longer; a sentence is no name.
_MAX_NAME: Final = 40
_MAX_NAMES: Final = 64
#: What names have besides letters, marks and digits.
_PUNCTUATION: Final = frozenset(" -'’.·")


def hint(names: Iterable[str], count_tokens: Callable[[str], int]) -> str | None:
    """Names, separated by commas, as many as fit.

    Users choose these names, so nothing in them may act on the decoder: a tokenizer reads
    "<|endoftext|>" as a command.

    Args:
        names: as the user wrote them.
        count_tokens: how many tokens a text is.

    Returns:
        At most 96 tokens, the first names first; or None if there is no name.
    """
    kept: list[str] = []
    for name in dict.fromkeys(map(_safe, names)):
        if not name:
            continue
        if len(kept) == _MAX_NAMES or count_tokens(" " + ", ".join([*kept, name])) > MAX_TOKENS:
            break
        kept.append(name)
    return ", ".join(kept) or None


def _safe(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)
    letters = "".join(char if _is_of_names(char) else " " for char in composed)
    return " ".join(letters.split())[:_MAX_NAME].strip()


def _is_of_names(char: str) -> bool:
    return char in _PUNCTUATION or unicodedata.category(char)[0] in "LMN"
