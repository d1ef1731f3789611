"""Which writing systems a text uses; decides which models may speak about it."""

from __future__ import annotations

import re
import unicodedata

#: Syllables, jamo, compatibility jamo, extended jamo A and B, half-width forms.
_HANGUL = re.compile(
    "[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7a3\ud7b0-\ud7ff\uffa0-\uffdc]"
)


def has_hangul(text: str) -> bool:
    """Whether `text` has any Hangul, composed or not."""
    return _HANGUL.search(text) is not None


def mostly_latin(text: str) -> bool:
    """Whether at least half of the letters of `text`, and at least one, are Latin."""
    letters = [char for char in text if char.isalpha()]
    latin = sum(unicodedata.name(char, "").startswith("LATIN") for char in letters)
    return latin > 0 and 2 * latin >= len(letters)


def language(text: str) -> str:
    """The language a text is most likely in, as far as its script tells.

    Returns:
        "ko" for Hangul, "ja" for kana, "zh" for other Chinese characters, "en" for mostly Latin
        letters, "" otherwise.
    """
    if has_hangul(text):
        return "ko"
    if re.search("[\u3041-\u30ff]", text):
        return "ja"
    if re.search("[\u3400-\u9fff]", text):
        return "zh"
    return "en" if mostly_latin(text) else ""
