"""Korean particles."""

from __future__ import annotations

import pytest

from common.korean import is_name_ending, without_particle


@pytest.mark.parametrize(
    ("word", "noun"),
    [
        ("기차가", "기차"),
        ("자동차를", "자동차"),
        ("서울역에서", "서울역"),
        ("학교에서는", "학교"),
        ("산으로", "산"),
        ("아이들이", "아이"),
        ("민지랑", "민지"),
        ("밤에", "밤"),
        ("차가", "차"),
    ],
)
def test_a_particle_is_cut(word: str, noun: str) -> None:
    """A noun loses the particle that fits its last sound."""
    assert without_particle(word) == noun


@pytest.mark.parametrize(
    "word", ["나이", "효과", "가을", "사과", "지도", "회의", "도로", "물", "마을"]
)
def test_a_whole_word_keeps_its_end(word: str) -> None:
    """A noun that only looks like noun and particle stays whole."""
    assert without_particle(word) == word


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("민지", ""),
        ("민지", "가"),
        ("민지", "랑"),
        ("민지", "야"),
        ("민지", "씨는"),
        ("민준", "이가"),
        ("민준", "아"),
        ("민준", "이랑"),
        ("minji", "가"),
    ],
)
def test_names_take_endings(name: str, ending: str) -> None:
    """What Korean hangs on a name is recognised, also stacked."""
    assert is_name_ending(ending, after=name)


@pytest.mark.parametrize(("name", "ending"), [("민", "지"), ("민지", "럼"), ("민지", "은")])
def test_other_syllables_are_no_ending(name: str, ending: str) -> None:
    """민 is not recognised in 민지, nor an ending that the sound forbids."""
    assert not is_name_ending(ending, after=name)
