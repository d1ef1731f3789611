"""Names of enrolled people in a query: as written, with Korean particles, or in other letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from common.korean import is_name_ending
from common.lexical import normalise
from common.romanisation import hangul_keys, latin_key
from functions.search.model import Person

#: One letter or syllable is too common in other words to be taken for a name.
_MIN_NAME_CHARS: Final = 2
#: In other letters a name is found by a key, where short ones mean too many things.
_MIN_KEY_CHARS: Final = 3
#: Words that one name can be: Lee Young hee.
_MAX_NAME_WORDS: Final = 3

#: Before keys, so that a Korean name that is typed is looked for among Latin ones alone.
_KOREAN_SPACE: Final = "ko:"
_LATIN_SPACE: Final = "la:"

_LATIN: Final = re.compile("[a-zà-öø-ÿ]+(?:['’-][a-zà-öø-ÿ]+)*", re.IGNORECASE)
_HANGUL: Final = re.compile("[가-힣]{2,}")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A text without the names in it."""

    rest: str
    people: tuple[Person, ...]
    #: The names of those people, as they are called here.
    words: tuple[str, ...]


class _Name(NamedTuple):
    written: str
    person: Person


class _Book(NamedTuple):
    """What a tenant's people are called."""

    #: The words of each name, folded.
    parts: tuple[tuple[tuple[str, ...], _Name], ...]
    #: Names by the keys that they have in other letters.
    by_key: Mapping[str, tuple[_Name, ...]]


class _Stretch(NamedTuple):
    """Words of a text that could be a name."""

    start: int
    end: int


def without_names(text: str, people: Iterable[Person]) -> Named:
    """Find enrolled names, the longest first, and take them out of the text.

    A name is also a word: someone may be called by it and not seen.

    Args:
        text: of a query, NFC.
        people: the tenant's.
    """
    book = _book(tuple(people))
    rest, as_written = _as_written(text, book)
    rest, in_other_letters = _in_other_letters(rest, book)
    found = {name.person.person_id: name for name in reversed((*as_written, *in_other_letters))}
    names = list(found.values())[::-1]
    return Named(
        rest=rest,
        people=tuple(name.person for name in names),
        words=tuple(name.written for name in names),
    )


# A thousand names are asked for in every search, and seldom change. People have ids of their own,
# so no tenant ever finds what was read for another.
@lru_cache(maxsize=64)
def _book(people: tuple[Person, ...]) -> _Book:
    names = [_Name(written=name, person=person) for person in people for name in person.names]
    by_key: dict[str, tuple[_Name, ...]] = {}
    for name in names:
        for key in _keys(name.written):
            by_key[key] = (*by_key.get(key, ()), name)
    parts = tuple((tuple(normalise(name.written).split()), name) for name in names)
    return _Book(parts=parts, by_key=by_key)


def _as_written(text: str, book: _Book) -> tuple[str, list[_Name]]:
    """Names in the letters that they are known by, with what Korean hangs on them."""
    found: list[_Name] = []
    # A pattern costs far more than a look: of ten thousand people few can be meant.
    folded = normalise(text)
    likely = [name for parts, name in book.parts if all(part in folded for part in parts)]
    for name in sorted(likely, key=lambda each: (-len(each.written), str(each.person.person_id))):
        pattern = _name_pattern(name.written)
        if pattern is None:
            continue
        rest = pattern.sub(lambda match: " " if _fits(match) else match[0], text)
        if rest != text or any(_same_name(name, other) for other in found):
            found.append(name)
        text = rest
    return text, found


def _name_pattern(name: str) -> re.Pattern[str] | None:
    parts = unicodedata.normalize("NFC", name).split()
    if len("".join(parts)) < _MIN_NAME_CHARS:
        return None
    spelled = r"\s+".join(re.escape(part) for part in parts)
    return re.compile(rf"(?<!\w)(?P<name>{spelled})(?P<ending>(?:['’]s)?\w*)(?!\w)", re.IGNORECASE)


def _fits(match: re.Match[str]) -> bool:
    ending = match["ending"].removeprefix("'s").removeprefix("’s")
    return is_name_ending(ending, after=match["name"])


def _same_name(name: _Name, other: _Name) -> bool:
    return normalise(name.written) == normalise(other.written)


def _in_other_letters(text: str, book: _Book) -> tuple[str, list[_Name]]:
    """Korean names that are typed in Latin letters, and the reverse; the longest first."""
    # What is typed in Latin letters is looked for among names that are not, and the reverse.
    typed = [*_typed_in_latin(text), *_typed_in_hangul(text)]
    found: list[_Name] = []
    taken: list[_Stretch] = []
    for key, stretch in sorted(typed, key=lambda each: each[1].start - each[1].end):
        meant = book.by_key.get(key, ())
        if meant and not any(_overlap(stretch, other) for other in taken):
            taken.append(stretch)
            found += meant
    for stretch in sorted(taken, reverse=True):
        text = f"{text[: stretch.start]} {text[stretch.end :]}"
    return text, found


def _keys(name: str) -> frozenset[str]:
    """The keys of a name that is Korean, or in Latin letters."""
    if name.isascii():
        is_latin = all(_LATIN.fullmatch(word) for word in name.split())
        return frozenset({_LATIN_SPACE + latin_key(name)} if is_latin else ())
    korean = hangul_keys(unicodedata.normalize("NFC", name))
    return frozenset(_KOREAN_SPACE + key for key in korean)


def _typed_in_latin(text: str) -> Iterator[tuple[str, _Stretch]]:
    """Words in Latin letters, one to three together, with Korean particles cut (Minji가)."""
    words = list(_LATIN.finditer(text))
    for first, word in enumerate(words):
        for last in range(first, min(first + _MAX_NAME_WORDS, len(words))):
            end = words[last].end()
            if last > first and text[words[last - 1].end() : words[last].start()].strip():
                break
            ending = re.match(r"\w*", text[end:])
            after = ending[0] if ending else ""
            spelled = re.sub("['’]s$", "", text[word.start() : end])
            key = latin_key(spelled)
            if len(key) >= _MIN_KEY_CHARS and is_name_ending(after, after=spelled):
                yield _KOREAN_SPACE + key, _Stretch(word.start(), end + len(after))


def _typed_in_hangul(text: str) -> Iterator[tuple[str, _Stretch]]:
    """Korean words, with and without a particle or what else hangs on names."""
    for word in _HANGUL.finditer(text):
        for length in range(_MIN_NAME_CHARS, len(word[0]) + 1):
            name, ending = word[0][:length], word[0][length:]
            if is_name_ending(ending, after=name):
                for key in hangul_keys(name):
                    yield _LATIN_SPACE + key, _Stretch(word.start(), word.end())


def _overlap(one: _Stretch, other: _Stretch) -> bool:
    return one.start < other.end and other.start < one.end
