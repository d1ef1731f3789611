"""From what a person types to what is asked for; no language model needed.

Quoted phrases are exact, enrolled names are recognised with Korean particles, the rest is the
semantic query.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from common.encoders import scripts
from common.errors import InputError
from common.korean import without_particle
from common.lexical import Token, normalise, phrase_terms, query_terms, tokens
from functions.search.model import ParsedQuery, Person, QueryWord
from functions.search.names import without_names
from functions.search.stop_words import ASKING_WORDS, STOP_WORDS

MAX_QUERY_CHARS: Final = 500
#: A pasted paragraph is asked for by its meaning and by its first words.
_MAX_WORDS: Final = 32

_QUOTED = re.compile('["“”„‟＂]([^"“”„‟＂]*)["“”„‟＂]')
_QUOTES = re.compile('["“”„‟＂]')


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
    named = without_names(unquoted, people)
    exact = [_phrase_words(phrase) for phrase in phrases]
    names = [_word(token) for name in named.words for token in tokens(name)]
    words = [*_content_words(named.rest), *names, *(word for each in exact for word in each)]
    return ParsedQuery(
        text=plain,
        semantic=" ".join(named.rest.split()),
        phrases=phrases,
        words=_distinct(words)[:_MAX_WORDS],
        people=named.people,
        name_words=frozenset(names),
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


def display(word: QueryWord) -> str:
    """A word as shown in explanations: without its Korean particle."""
    return without_particle(word.text) if scripts.has_hangul(word.text) else word.text
