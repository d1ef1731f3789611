"""Korean names and their Latin spellings have a key in common."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.romanisation import hangul_keys, latin_key, romanised


@pytest.mark.parametrize(
    ("hangul", "latin"),
    [
        ("민지", "minji"),
        ("서준", "seojun"),
        ("홍길동", "honggildong"),
        ("백마", "baekma"),
        ("설악", "seolak"),
        ("해돋이", "haedoti"),
        ("뷔페 KTX", "bwipe KTX"),
    ],
)
def test_syllables_are_romanised_by_the_rules(hangul: str, latin: str) -> None:
    """Syllable by syllable, as in names; what is not Hangul stays."""
    assert romanised(hangul) == latin


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("서준", ("Seojun", "Suh-joon", "Seo Joon")),
        ("경희", ("Kyung-hee", "Gyeonghui")),
        ("지우", ("Jiwoo", "Ji-u")),
        ("김민지", ("Kim Minji", "Minji Kim", "Gim Minji")),
        ("박지성", ("Park Ji-sung", "Bak Jiseong")),
        ("최유나", ("Yuna Choi", "Choe Yoona")),
        ("손흥민", ("Son Heung-min", "Heungmin Son")),
        ("오세훈", ("Oh Sehun", "O Se-hoon")),
    ],
)
def test_common_spellings_share_a_key(name: str, spellings: tuple[str, ...]) -> None:
    """However a person writes their name."""
    for spelling in spellings:
        assert latin_key(spelling) in hangul_keys(name), spelling


def test_different_names_have_different_keys() -> None:
    """Names that differ in one sound are not mixed up."""
    names = ("민지", "민주", "민서", "수민", "지민", "현우", "현수", "영희", "경희", "하늘", "하은")
    keys = [hangul_keys(name) for name in names]
    assert len(frozenset().union(*keys)) == sum(map(len, keys))


@pytest.mark.parametrize("text", ["", "민", "Minji", "민지님들의모임", "민 지Kim", "42"])
def test_what_is_no_korean_name_has_no_keys(text: str) -> None:
    """One syllable, other letters, or too long."""
    assert hangul_keys(text) == frozenset()


@given(st.text(max_size=40))
def test_keys_are_folded_already(text: str) -> None:
    """A key is a fixed point's worth of plain letters, whatever the text."""
    key = latin_key(text)
    assert key.isascii()
    assert key == "" or key.isalpha()
    assert not any(one == other for one, other in pairwise(key))
