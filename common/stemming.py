"""A light English stemmer, so that "trains", "waved" and "crying" meet "train", "wave" and "cry".

Only inflection is removed, never derivation ("station" stays apart from "static"): plurals after
Harman, "How effective is suffixing?", JASIS 42(1), 1991; -ed, -ing and the final -e after steps 1b
and 5a of Porter, "An algorithm for suffix stripping", Program 14(3), 1980.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Frequent nouns whose plural (or apparent plural) no rule reaches.
_IRREGULAR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "buses": "bus",
        "children": "child",
        "feet": "foot",
        "gases": "gas",
        "geese": "goose",
        "men": "man",
        "mice": "mouse",
        "news": "news",
        "teeth": "tooth",
        "women": "woman",
    }
)

_ASCII_WORD = re.compile(r"[a-z]{3,}")
_VOWEL = re.compile(r"[aeiou]|(?<=[^aeiou])y")
_MEASURE = re.compile(r"(?:[aeiou]|(?<=[^aeiou])y)+(?:[^aeiouy]|^y|(?<=[aeiou])y)+")
_SHORT_END = re.compile(r"[^aeiou][aeiouy][^aeiouwxy]$")
_DOUBLED = re.compile(r"([^aeioulsz])\1$")
_TAKES_E = ("at", "bl", "iz")


def stem(word: str) -> str:
    """The word without its inflection; words that are not plain `a`–`z` come back unchanged.

    Args:
        word: one case-folded word.
    """
    if not _ASCII_WORD.fullmatch(word):
        return word
    return _final_e(_past_or_progressive(_singular(word)))


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-3] + "y"
    if word.endswith(("ss", "us", "is")) or not word.endswith("s"):
        return word
    return word[:-2] if word.endswith("sses") else word[:-1]


def _past_or_progressive(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-3] + "y"
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) > 1 and _VOWEL.search(rest):
            return _repaired(rest)
    return word


def _repaired(rest: str) -> str:
    if rest.endswith(_TAKES_E):
        return rest + "e"
    if _DOUBLED.search(rest):
        return rest[:-1]
    return rest + "e" if _is_short(rest) else rest


def _final_e(word: str) -> str:
    if word.endswith("ie") and len(word) > 4:
        return word[:-2] + "y"  # "movies" has become "movy"
    if not word.endswith("e"):
        return word
    rest = word[:-1]
    return rest if _measure(rest) and not _is_short(rest) else word


def _is_short(rest: str) -> bool:
    return _measure(rest) == 1 and _SHORT_END.search(rest) is not None


def _measure(rest: str) -> int:
    """Porter's m: how often a vowel group is followed by a consonant group."""
    return len(_MEASURE.findall(rest))
