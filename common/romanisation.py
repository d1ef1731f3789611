"""Korean names in Latin letters: one key for 민지, Minji, Min-ji and Minjee.

Revised Romanization, syllable by syllable: in personal names the sounds between syllables do not
change. Source: Ministry of Culture, Notice 2000-8, sections 2 and 3.4. People write their names in
many ways besides, so both sides are folded: what is commonly written for the same sound is one
letter (Kyung and Gyeong, Joon and Jun). Folding makes different names equal too; it is only used to
find a user's own people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Final

_FIRST, _LAST = 0xAC00, 0xD7A3
_VOWELS_AND_FINALS, _FINALS = 588, 28
# fmt: off
_INITIAL: Final = (
    "g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "-", "j", "jj", "ch", "k", "t",
    "p", "h",
)
_VOWEL: Final = (
    "a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we",
    "wi", "yu", "eu", "ui", "i",
)
_FINAL: Final = (
    "-", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p",
    "t", "t", "ng", "t", "t", "k", "t", "p", "t",
)
# fmt: on
#: How families commonly write theirs, where folding does not see it: a list of our own.
_SURNAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "이": ("lee", "yi", "rhee", "i"),
    "박": ("park", "pak"),
    "최": ("choi", "choe"),
    "임": ("lim", "im"),
    "유": ("yoo", "ryu", "you"),
    "류": ("ryu", "yoo", "lyu"),
    "노": ("noh", "roh", "no"),
    "양": ("yang", "ryang"),
    "오": ("oh", "o"),
    "우": ("woo", "wu", "u"),
    "구": ("koo", "ku", "goo"),
    "곽": ("kwak", "gwak"),
    "백": ("baek", "paik", "back"),
    "배": ("bae", "pae"),
    "나": ("na", "ra"),
    "허": ("heo", "huh", "hur"),
    "석": ("seok", "suk"),
    "위": ("wi", "wee"),
}
#: What is written for one sound, in the order it is folded.
_FOLDS: Final = tuple(
    (re.compile(pattern), fold)
    for pattern, fold in (
        ("sh", "s"),
        ("t?ch", "j"),
        ("ck", "g"),
        ("[kq]", "g"),
        ("t", "d"),
        ("[pfv]", "b"),
        ("z", "j"),
        ("l", "r"),
        ("yeo|you|yoo", "yu"),
        ("eo|eu|woo|wu|oo|ou", "u"),
        ("ee|ui|ey", "i"),
        ("ae|ai|ay", "e"),
        ("oe", "we"),
        # Silent: Oh, Suh.
        ("(?<=[aeiou])h(?![aeiouyw])", ""),
        (r"(.)\1+", r"\1"),
    )
)
_NAME: Final = re.compile("[가-힣]{2,5}")


def romanised(text: str) -> str:
    """Hangul syllables in Latin letters, the rest as it is.

    Args:
        text: NFC.
    """
    return "".join(map(_syllable, text))


def latin_key(text: str) -> str:
    """One key for what is written in Latin letters; "" without any."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    key = "".join(letter for letter in plain if "a" <= letter <= "z")
    for pattern, fold in _FOLDS:
        key = pattern.sub(fold, key)
    return key


def hangul_keys(name: str) -> frozenset[str]:
    """The keys that a Korean name may be written by, family name first or last.

    Args:
        name: as it is written, NFC; with spaces or without.

    Returns:
        Empty for what is no name of two to five syllables.
    """
    plain = name.replace(" ", "")
    if not _NAME.fullmatch(plain):
        return frozenset()
    keys = {latin_key(romanised(plain))}
    if len(plain) > 2:
        family, given = plain[0], latin_key(romanised(plain[1:]))
        for key in _surname_keys(family):
            keys |= {latin_key(key + given), latin_key(given + key)}
    return frozenset(keys)


@cache
def _surname_keys(family: str) -> tuple[str, ...]:
    """Of one syllable, of which there are some eleven thousand at the most."""
    return tuple(map(latin_key, (*_SURNAMES.get(family, ()), romanised(family))))


def _syllable(character: str) -> str:
    place = ord(character)
    if not _FIRST <= place <= _LAST:
        return character
    initial, rest = divmod(place - _FIRST, _VOWELS_AND_FINALS)
    vowel, final = divmod(rest, _FINALS)
    return (_INITIAL[initial] + _VOWEL[vowel] + _FINAL[final]).replace("-", "")
