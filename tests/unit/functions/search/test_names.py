"""Enrolled people are found by any of their names, in Korean and in Latin letters."""

from __future__ import annotations

from uuid import UUID

import pytest

from functions.search.model import Person
from functions.search.query import parse

MINJI = Person(person_id=UUID(int=1), name="민지")
KIM = Person(person_id=UUID(int=2), name="김민지", aliases=("Mindy", "민두"))
LEE = Person(person_id=UUID(int=3), name="이영희")
HYUNWOO = Person(person_id=UUID(int=4), name="Hyunwoo")
DINA = Person(person_id=UUID(int=5), name="Dina")
EVERYONE = [MINJI, KIM, LEE, HYUNWOO, DINA]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Minji waving", {MINJI}),
        ("minji's car", {MINJI}),
        ("Min-ji and a dog", {MINJI}),
        ("min ji", {MINJI}),
        ("Minji가 웃는", {MINJI}),
        ("MINJEE", {MINJI}),
        ("Kim Minji laughing", {KIM}),
        ("Minji Kim and Minji", {KIM, MINJI}),
        ("Mindy at the beach", {KIM}),
        ("민두랑 바다", {KIM}),
        ("Younghee Lee", {LEE}),
        ("Lee Young-hee singing", {LEE}),
        ("현우가 뛰는", {HYUNWOO}),
        ("현우 씨랑", {HYUNWOO}),
        ("Hyunwoo runs", {HYUNWOO}),
        ("민지랑 Hyunwoo", {MINJI, HYUNWOO}),
    ],
)
def test_people_are_found_by_any_spelling(text: str, found: set[Person]) -> None:
    """Particles, aliases, romanised and Korean letters, the family's name first or last."""
    assert set(parse(text, EVERYONE).people) == found


@pytest.mark.parametrize(
    "text",
    ["Tina waving", "minjiro", "mini jeep", "민정이가", "현우산", "a mean jib", "in jeans", ""],
)
def test_others_are_not_found(text: str) -> None:
    """Names that only look alike, and parts of words; Latin names are not folded into others."""
    assert parse(text or "x", EVERYONE).people == ()


def test_a_romanised_name_is_taken_out_of_what_the_models_read() -> None:
    """The rest is what is looked for, and the name is a word as it is enrolled."""
    query = parse("Minji waving at the sea", EVERYONE)
    assert query.semantic == "waving at the sea"
    assert [word.text for word in query.name_words] == ["민지"]


def test_an_alias_is_one_of_the_words() -> None:
    """Somebody may be called by it and not seen."""
    query = parse("Mindy at the beach", EVERYONE)
    assert [word.text for word in query.name_words] == ["mindy"]
