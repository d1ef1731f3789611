"""Reading a query."""

from __future__ import annotations

import unicodedata
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from common.lexical import normalise
from functions.search import names
from functions.search.model import ParsedQuery, Person
from functions.search.query import MAX_QUERY_CHARS, display, parse

MINJI = Person(person_id=UUID(int=1), name="민지")
KIM_MINJI = Person(person_id=UUID(int=2), name="김민지")
ANNA = Person(person_id=UUID(int=3), name="Anna Lee")
OTHER_ANNA = Person(person_id=UUID(int=4), name="anna lee")


def _words(query: ParsedQuery) -> list[str]:
    return [word.text for word in query.words]


def test_stop_words_are_not_asked_for() -> None:
    """Only words that carry meaning count."""
    assert _words(parse("the red car at the station")) == ["red", "car", "station"]
    assert _words(parse("the at")) == []
    assert _words(parse("기차가 나오는 장면")) == ["기차가"]


def test_words_about_searching_count_only_alone() -> None:
    """In "video of a train" the video is not what is looked for; in "video" it is."""
    assert _words(parse("show me the video of a train")) == ["train"]
    assert _words(parse("video")) == ["video"]


def test_a_word_is_asked_once() -> None:
    """Repeats and inflected forms of a word weigh no more."""
    assert _words(parse("train Trains TRAIN")) == ["train"]


@pytest.mark.parametrize("quotes", ['""', "“”", "„“", "＂＂"])
def test_quoted_phrases_are_exact_and_not_semantic(quotes: str) -> None:
    """What stands in quotes must occur; the rest is asked for by meaning."""
    query = parse(f"man says {quotes[0]}Mind  the GAP{quotes[1]} loudly")
    assert query.phrases == ("mind the gap",)
    assert query.semantic == "man says loudly"
    assert _words(query) == ["man", "says", "loudly", "mind", "gap"]


def test_a_phrase_of_stop_words_is_still_asked_for() -> None:
    """A quotation may consist of the commonest words."""
    query = parse('"to be or not to be"')
    assert query.phrases == ("to be or not to be",)
    assert [word.terms for word in query.words] == [("to", "be", "or", "not")]


def test_a_lonely_quote_is_no_phrase() -> None:
    """An unbalanced or empty quotation is ignored."""
    assert parse('the 3" pipe').phrases == ()
    assert parse('train ""').phrases == ()
    assert parse('train "!?"').phrases == ()


@pytest.mark.parametrize(
    "text",
    [
        "민지가 손 흔드는",
        "민지랑 손 흔드는",
        "민지야 손 흔드는",
        "손 흔드는 민지",
        "민지씨가 손 흔드는",
    ],
)
def test_a_name_is_recognised_with_its_particle(text: str) -> None:
    """Enrolled names are people, and the rest is what they do."""
    query = parse(text, [MINJI])
    assert query.people == (MINJI,)
    assert query.semantic == "손 흔드는"
    assert [word.text for word in query.words if word in query.name_words] == ["민지"]


@pytest.mark.parametrize("text", ["민지럼 타는", "미민지가", "민지은이 온다"])
def test_a_name_inside_another_word_is_none(text: str) -> None:
    """Syllables of a name in another word name nobody."""
    assert parse(text, [MINJI]).people == ()


def test_the_longest_name_wins() -> None:
    """김민지 is not 민지 with a prefix, nor both."""
    assert parse("김민지가 웃는", [MINJI, KIM_MINJI]).people == (KIM_MINJI,)
    assert set(parse("김민지랑 민지가 웃는", [MINJI, KIM_MINJI]).people) == {MINJI, KIM_MINJI}


@pytest.mark.parametrize("text", ["anna lee waving", "Anna  Lee's dog waving", "ANNA LEE가 waving"])
def test_names_of_several_words_and_cases(text: str) -> None:
    """Case, spacing, 's and a Korean particle do not hide a name; all who bear it are meant."""
    assert set(parse(text, [ANNA, OTHER_ANNA]).people) == {ANNA, OTHER_ANNA}


def test_names_meet_in_any_normal_form() -> None:
    """A name enrolled on a Mac (NFD) is found by a query in NFC, and the other way round."""
    decomposed = Person(person_id=UUID(int=9), name=unicodedata.normalize("NFD", "민지"))
    assert parse("민지가", [decomposed]).people == (decomposed,)
    assert parse(unicodedata.normalize("NFD", "민지가"), [MINJI]).people == (MINJI,)


def test_one_syllable_is_no_name() -> None:
    """Too much would be taken for 이 or A."""
    people = [Person(person_id=UUID(int=5), name="이"), Person(person_id=UUID(int=6), name="")]
    assert parse("이 사람", people).people == ()


@pytest.mark.parametrize("text", ["", "   ", "x" * (MAX_QUERY_CHARS + 1), "a\0b", "\ud800"])
def test_what_cannot_be_searched_for_is_refused(text: str) -> None:
    """Empty, too long, NUL and broken text have one stable code."""
    with pytest.raises(InputError) as refused:
        parse(text)
    assert refused.value.code == "invalid_request"


@given(st.text(min_size=1, max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No query makes the parser fail in another way, and each word can be asked for."""
    try:
        query = parse(text, [MINJI, ANNA])
    except InputError:
        return
    assert all(word.terms and display(word) for word in query.words)
    assert len(query.words) <= 32


@pytest.mark.parametrize(
    ("text", "language"), [("기차 train", "ko"), ("train", "en"), ("電車", "zh"), ("123", "")]
)
def test_language_is_told_by_script(text: str, language: str) -> None:
    """Any Hangul makes a query Korean."""
    assert parse(text).language == language


def test_ten_thousand_people_cost_no_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only names whose letters are in the query are looked at closely."""
    people = [Person(person_id=UUID(int=n), name=f"Person {n:05d}") for n in range(10_000)]
    people.append(Person(person_id=UUID(int=10_000), name="민지"))
    looked_at: list[str] = []
    pattern = names._name_pattern

    def counted(name: str) -> Any:
        looked_at.append(name)
        return pattern(name)

    monkeypatch.setattr(names, "_name_pattern", counted)
    parsed = parse("민지가 손 흔드는 person 00042", people)
    assert looked_at == ["Person 00042", "민지"]
    assert [person.name for person in parsed.people] == ["Person 00042", "민지"]


@given(st.text(max_size=600), st.lists(st.text(max_size=12), max_size=5))
def test_no_name_breaks_the_parser(text: str, called: list[str]) -> None:
    """Whatever people are called: a bounded query, or the one error."""
    people = [Person(person_id=UUID(int=n), name=name) for n, name in enumerate(called)]
    try:
        parsed = parse(text, people)
    except InputError:
        return
    assert len(parsed.words) <= 32
    assert len(parsed.semantic) <= 500
    assert all(word.terms for word in parsed.words)
    assert all(phrase in normalise(text) for phrase in parsed.phrases)
