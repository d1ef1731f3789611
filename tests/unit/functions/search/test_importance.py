"""How much each word counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.search.importance import found_part, importance, term_shares
from functions.search.query import parse


@given(
    st.lists(
        st.sampled_from(["train", "zebra", "law", "자동차", "서울역", "밤에"]),
        min_size=1,
        unique=True,
    ),
    st.dictionaries(st.sampled_from(["train", "law", "자동", "동차"]), st.integers(1, 500)),
    st.integers(min_value=0, max_value=100_000),
)
def test_shares_sum_to_one(words: list[str], frequencies: dict[str, int], scenes: int) -> None:
    """Words share the query, and terms share their words."""
    query = parse(" ".join(words))
    shares = importance(query.words, frequencies, scenes=scenes)
    assert sum(shares) == pytest.approx(1)
    assert sum(share for _, share in term_shares(query.words, shares)) == pytest.approx(1)


def test_rare_words_count_more() -> None:
    """A word in every second scene says less than one in few."""
    common, rare = importance(parse("train law").words, {"train": 5_000, "law": 2}, scenes=10_000)
    assert rare > 5 * common


def test_a_word_that_never_occurs_counts_like_one_that_occurs_once() -> None:
    """A query of which nothing but a common word is known is not covered by that word."""
    words = parse("quantum law").words
    never = importance(words, {"law": 3}, scenes=100)
    once = importance(words, {"law": 3, "quantum": 1}, scenes=100)
    assert never == once


def test_part_of_a_word() -> None:
    """자동차 is half there where only 자동 is."""
    (word,) = parse("자동차").words
    assert found_part(word, {"자동"}) == 0.5
    assert found_part(word, {"자동", "동차", "차"}) == 1
