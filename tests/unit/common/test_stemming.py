"""The light English stemmer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.stemming import stem


@pytest.mark.parametrize(
    "family",
    [
        "train trains",
        "wave waves waved waving",
        "cry cries cried crying",
        "dance dances danced dancing",
        "run runs running",
        "stop stops stopped stopping",
        "house houses",
        "rose roses",
        "box boxes",
        "bus buses",
        "church churches",
        "movie movies",
        "tie ties tied",
        "glass glasses",
        "woman women",
    ],
)
def test_inflected_forms_meet(family: str) -> None:
    """All forms of one word have one stem."""
    assert len({stem(word) for word in family.split()}) == 1


@pytest.mark.parametrize(
    "pair", ["car care", "plan plane", "sky ski", "new news", "king kings1", "red read", "hop hope"]
)
def test_other_words_stay_apart(pair: str) -> None:
    """Words that differ in more than inflection keep different stems."""
    first, second = pair.split()
    assert stem(first) != stem(second)


@given(st.text(max_size=20))
def test_only_plain_english_is_touched(word: str) -> None:
    """Anything but a–z comes back unchanged, and a stem is never empty or longer by more than e."""
    result = stem(word)
    if not (word.isascii() and word.isalpha() and word.islower()):
        assert result == word
    assert len(result) <= len(word) + 1
    assert bool(result) == bool(word)


@given(st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_no_word_loses_its_beginning(word: str) -> None:
    """The search skips words by their first letter before it stems them."""
    assert stem(word)[0] == word[0]
