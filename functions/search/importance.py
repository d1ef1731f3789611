"""How much each word of a query counts: rare words more than common ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Final

from functions.search.model import QueryWord

#: A tenant with a handful of scenes cannot tell which words are common. Its counts are read as if
#: a thousand more scenes had been seen without the word.
_BACKGROUND_SCENES: Final = 1_000


def importance(
    words: Sequence[QueryWord], frequencies: Mapping[str, int], *, scenes: int
) -> tuple[float, ...]:
    """The share of the query that each word is; the shares sum to 1.

    The inverse document frequency is that of BM25 (Robertson and Zaragoza, The Probabilistic
    Relevance Framework, 2009). A word that occurs nowhere counts like one that occurs once, so a
    query of which only the common half is known is only half covered.

    Args:
        words: of the query.
        frequencies: in how many scenes each term occurs.
        scenes: how many scenes the tenant has, about.
    """
    total = max([scenes, *frequencies.values()]) + _BACKGROUND_SCENES
    rarity = [_rarity(_occurrences(word, frequencies), total) for word in words]
    return tuple(each / sum(rarity) for each in rarity)


def term_shares(
    words: Sequence[QueryWord], shares: Sequence[float]
) -> tuple[tuple[str, float], ...]:
    """The share of the query that each term is: a word's share, split evenly among its terms."""
    split: dict[str, float] = {}
    for word, share in zip(words, shares, strict=True):
        for term in word.terms:
            split[term] = split.get(term, 0.0) + share / len(word.terms)
    return tuple(split.items())


def found_part(word: QueryWord, terms: Set[str]) -> float:
    """How much of a word, 0–1, is among the terms."""
    if not terms:
        return 0.0
    return sum(term in terms for term in word.terms) / len(word.terms)


def _occurrences(word: QueryWord, frequencies: Mapping[str, int]) -> int:
    """In how many scenes the whole word can occur at most."""
    return max(1, min(frequencies.get(term, 0) for term in word.terms))


def _rarity(occurrences: int, total: int) -> float:
    return math.log(1 + (total - occurrences + 0.5) / (occurrences + 0.5))
