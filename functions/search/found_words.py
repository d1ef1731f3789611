"""Which words of the query a scene answers, as bits.

A search judges hundreds of scenes, and few different sets of words occur in them. What a set says
is worked out at its first scene and looked up for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from functions.search.importance import found_part
from functions.search.model import QueryWord

#: A word counts as found from half its 2-grams on: 자동차 is not 기관차 because both end in 차.
_WORD_FOUND: Final = 0.5


class FoundWords:
    """The words of one query; bit n of a set stands for word n.

    Args:
        words: of the query.
        shares: of the query that each word is; they sum to 1.
    """

    def __init__(self, words: Sequence[QueryWord], shares: Sequence[float]) -> None:
        self._words = tuple(zip(words, shares, strict=True))
        self.all = (1 << len(self._words)) - 1
        self._read: dict[frozenset[str], tuple[float, int]] = {frozenset(): (0.0, 0)}
        self._shares: dict[int, float] = {}
        self._named: dict[int, tuple[QueryWord, ...]] = {}

    def among(self, words: Collection[QueryWord]) -> int:
        """Those of the query's words that are among `words`."""
        return sum(1 << place for place, (word, _) in enumerate(self._words) if word in words)

    def read(self, terms: frozenset[str]) -> tuple[float, int]:
        """How much of the query, 0–1, terms of a scene cover, and the words found in them."""
        known = self._read.get(terms)
        if known is None:
            parts = [found_part(word, terms) for word, _ in self._words]
            covered = sum(share * part for (_, share), part in zip(self._words, parts, strict=True))
            found = sum(1 << place for place, part in enumerate(parts) if part >= _WORD_FOUND)
            known = self._read[terms] = covered, found
        return known

    def share(self, found: int) -> float:
        """The share of the query that words are."""
        share = self._shares.get(found)
        if share is None:
            share = self._shares[found] = sum(share for _, share in self._each(found))
        return share

    def named(self, found: int) -> tuple[QueryWord, ...]:
        """The words of a set, in the query's order."""
        words = self._named.get(found)
        if words is None:
            words = self._named[found] = tuple(word for word, _ in self._each(found))
        return words

    def _each(self, found: int) -> list[tuple[QueryWord, float]]:
        return [each for place, each in enumerate(self._words) if found >> place & 1]
