"""Words as the lexical index keeps them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.lexical import MAX_TERM_CHARS, document_terms, normalise, query_terms, terms, tokens

_TEXT = st.text(
    st.one_of(
        st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),
        st.characters(codec="utf-8", exclude_categories=["Cs"]),
    ),
    max_size=40,
)


def _asked(query: str) -> set[str]:
    return {term for token in tokens(query) for term in query_terms(token)}


@given(_TEXT)
def test_normal_forms_are_equal(text: str) -> None:
    """The composed and the decomposed spelling of a text are one text to the index."""
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert normalise(composed) == normalise(decomposed)
    assert terms(composed) == terms(decomposed)


@given(_TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    """Normalisation is idempotent, so stored and fresh texts can be compared."""
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30))
def test_full_width_equals_half_width(text: str) -> None:
    """Letters, digits and signs of a Korean or Japanese keyboard's full-width mode are the same."""
    wide = "".join(chr(ord(character) + 0xFEE0) for character in text)
    assert terms(wide) == terms(text)


@given(_TEXT)
def test_a_text_is_found_by_itself(text: str) -> None:
    """Whatever a query asks for is in the index of a document with the same words."""
    assert _asked(text) <= set(terms(text))


@given(_TEXT)
def test_terms_are_bounded(text: str) -> None:
    """No term is empty or longer than the index can hold."""
    assert all(0 < len(term) <= MAX_TERM_CHARS for term in terms(text))


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("기차가", "기차는 떠났다"),
        ("기차", "기차가 도착합니다"),
        ("서울역", "다음 역은 서울역입니다"),
        ("밤에", "밤이 깊었다"),
        ("차", "빨간 차가 지나간다"),
        ("차가", "차 안에서"),
        ("도착하는", "곧 도착합니다"),
        ("운전합니다", "운전을 배웠다"),
        ("KTX가", "KTX를 탔다"),
        ("출구에서", "3번 출구"),
        ("train", "Two TRAINS leave"),
        ("waving", "she waved"),
        ("crying", "he cries"),
        ("dont", "don’t stop"),
        ("cat", "the cat's tail"),
        ("ｃａｆé", "Café"),
        ("stations", "station"),
        ("出口", "东出口在左边"),
    ],
)
def test_inflection_and_spelling_do_not_hide_a_word(query: str, document: str) -> None:
    """A word is found with another particle, number, tense, width or case."""
    assert _asked(query) <= set(terms(document))


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("나이", "나는 간다"),
        ("사과", "사는 곳"),
        ("지도", "지는 해"),
        ("car", "care"),
        ("sky", "skis"),
    ],
)
def test_different_words_stay_apart(query: str, document: str) -> None:
    """Cutting particles and endings does not make other words of a word."""
    assert not _asked(query) & set(terms(document))


def test_terms_repeat_for_their_frequency() -> None:
    """The list keeps order and repeats: counting it gives the term frequency."""
    assert terms("train, Trains! bus") == ["train", "train", "bus"]


def test_a_particle_after_latin_is_no_term() -> None:
    """In KTX가 the particle is not indexed as a word of its own."""
    assert terms("KTX가 왔다") == ["ktx", "왔다"]
    assert terms("3번") == ["3", "번"]


def test_token_positions_point_into_the_normalised_text() -> None:
    """A token's start is where its text stands in the normalised text."""
    text = "  The ＲＥＤ  기차가 KTX에 "
    for token in tokens(text):
        assert normalise(text)[token.start :].startswith(token.text)
        assert bool(document_terms(token)) is not token.is_particle
