"""From what a person types to what is asked for; no language model needed.

Quoted phrases are exact, enrolled names are recognised with Korean particles, the rest is the
semantic query.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from common.encoders import scripts
from common.errors import InputError
from common.korean import is_name_ending, without_particle
from common.lexical import Token, normalise, phrase_terms, query_terms, tokens
from functions.search.model import ParsedQuery, Person, QueryWord
from functions.search.stop_words import ASKING_WORDS, STOP_WORDS

MAX_QUERY_CHARS: Final = 500
#: A pasted paragraph is asked for by its meaning and by its first words.
_MAX_WORDS: Final = 32
#: One letter or syllable is too common in other words to be taken for a name.
_MIN_NAME_CHARS: Final = 2

_QUOTED = re.compile('["“”„‟＂]([^"“”„‟＂]*)["“”„‟＂]')
_QUOTES = re.compile('["“”„‟＂]')


@dataclass(frozen=True, kw_only=True)
class _Named:
    """A text without the names in it."""

    rest: str
    people: tuple[Person, ...]
    words: tuple[QueryWord, ...]


def parse(text: str, people: Iterable[Person] = ()) -> ParsedQuery:
    """Read a query.

    Args:
        text: as typed.
        people: the tenant's enrolled people.

    Raises:
        InputError: `invalid_request`: nothing in it to search for, too long, or with NUL.
    """
    plain = clean(text)
    quoted = [normalise(match[1]) for match in _QUOTED.finditer(plain)]
    phrases = tuple(phrase for phrase in quoted if phrase_terms(phrase))
    unquoted = _QUOTES.sub(" ", _QUOTED.sub(" ", plain))
    named = _without_names(unquoted, people)
    exact = [_phrase_words(phrase) for phrase in phrases]
    words = [*_content_words(named.rest), *named.words, *(word for each in exact for word in each)]
    return ParsedQuery(
        text=plain,
        semantic=" ".join(named.rest.split()),
        phrases=phrases,
        words=_distinct(words)[:_MAX_WORDS],
        people=named.people,
        name_words=frozenset(named.words),
        language=scripts.language(plain),
    )


def clean(text: str) -> str:
    """The query, NFC, with single spaces.

    Raises:
        InputError: `invalid_request`: empty, longer than 500 characters, or not text.
    """
    if "\0" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise InputError("invalid_request", "q: NUL or half of a surrogate pair")
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(plain) <= MAX_QUERY_CHARS:
        raise InputError("invalid_request", f"q: {len(plain)} characters")
    return plain


def _content_words(text: str) -> list[QueryWord]:
    """The words that carry meaning, in order."""
    content = [token for token in tokens(text) if not _is_stop_word(token)]
    asked = [token for token in content if not _is_asking(token)] or content
    return [_word(token) for token in asked if query_terms(token)]


def _is_stop_word(token: Token) -> bool:
    plain = token.text.replace("'", "")
    return plain in STOP_WORDS or token.text.split("'")[0] in STOP_WORDS


def _is_asking(token: Token) -> bool:
    plain = without_particle(token.text) if token.script == "hangul" else token.text
    return token.text in ASKING_WORDS or plain in ASKING_WORDS


def _word(token: Token) -> QueryWord:
    return QueryWord(text=token.text, terms=tuple(query_terms(token)))


def _phrase_words(phrase: str) -> list[QueryWord]:
    """The words of a phrase; one of stop words alone is one word."""
    if words := _content_words(phrase):
        return words
    return [QueryWord(text=phrase, terms=tuple(phrase_terms(phrase)))]


def _distinct(words: Sequence[QueryWord]) -> tuple[QueryWord, ...]:
    return tuple({word.terms: word for word in reversed(words)}.values())[::-1]


def _without_names(text: str, people: Iterable[Person]) -> _Named:
    """Find enrolled names, the longest first, and take them out of the text.

    A name is also a word: someone may be called by it and not seen.
    """
    found: list[Person] = []
    words: list[QueryWord] = []
    # A pattern costs far more than a look: of ten thousand people few can be meant.
    folded = normalise(text)
    likely = [person for person in people if _may_be_in(person.name, folded)]
    for person in sorted(likely, key=lambda person: (-len(person.name), str(person.person_id))):
        pattern = _name_pattern(person.name)
        if pattern is None:
            continue
        rest = pattern.sub(lambda match: " " if _fits(match) else match[0], text)
        if rest != text or any(_same_name(person, other) for other in found):
            found.append(person)
            words += [_word(token) for token in tokens(person.name)]
        text = rest
    return _Named(rest=text, people=tuple(found), words=tuple(words))


def _may_be_in(name: str, folded: str) -> bool:
    return all(part in folded for part in normalise(name).split())


def _name_pattern(name: str) -> re.Pattern[str] | None:
    parts = unicodedata.normalize("NFC", name).split()
    if len("".join(parts)) < _MIN_NAME_CHARS:
        return None
    spelled = r"\s+".join(re.escape(part) for part in parts)
    return re.compile(rf"(?<!\w)(?P<name>{spelled})(?P<ending>(?:['’]s)?\w*)(?!\w)", re.IGNORECASE)


def _fits(match: re.Match[str]) -> bool:
    ending = match["ending"].removeprefix("'s").removeprefix("’s")
    return is_name_ending(ending, after=match["name"])


def _same_name(person: Person, other: Person) -> bool:
    return normalise(person.name) == normalise(other.name)


def display(word: QueryWord) -> str:
    """A word as shown in explanations: without its Korean particle."""
    return without_particle(word.text) if scripts.has_hangul(word.text) else word.text
