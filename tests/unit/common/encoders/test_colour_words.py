"""Which words of colour and light are understood, and which are left alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.encoders.colour_space import AXES
from common.encoders.colour_words import understand


def axes(text: str) -> list[str]:
    """The axes a text names."""
    return [word.axis for word in understand(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red car at night", ["red", "night"]),
        ("빨간 차 밤에", ["red", "night"]),
        ("green field at noon", ["green", "day"]),
        ("초록 들판 정오에", ["green", "day"]),
        ("빨간색의", ["red"]),
        ("새빨갛게 물든", ["red"]),
        ("붉은 지붕", ["red"]),
        ("파란 하늘 아래 노란 꽃", ["blue", "yellow"]),
        ("푸른 들판", ["blue_or_green"]),
        ("하늘색 셔츠", ["light_blue"]),
        ("녹색 불", ["green"]),
        ("보라색 꽃", ["purple"]),
        ("분홍 원피스", ["pink"]),
        ("갈색 곰", ["brown"]),
        ("밤색 말", ["brown"]),
        ("검은색 고양이", ["black"]),
        ("까만 밤하늘", ["black", "night"]),
        ("하얀 눈", ["white"]),
        ("흰옷", ["white"]),
        ("회색 건물", ["grey"]),
        ("한밤중의 거리", ["night"]),
        ("야간 운전", ["night"]),
        ("어두운 방", ["dark"]),
        ("밝은 방", ["bright"]),
        ("낮에 찍은 강", ["day"]),
        ("대낮의 거리", ["day"]),
        ("노을 지는 바다", ["sunset"]),
        ("해 질 녘에 걷는", ["sunset"]),
        ("석양", ["sunset"]),
        ("흑백 영화", ["monochrome"]),
        ("네온 간판", ["neon"]),
        ("a RED Car", ["red"]),
        ("a white-and-blue shirt", ["white", "blue"]),
        ("teal or turquoise", ["teal"]),
        ("black and white film", ["monochrome"]),
        ("the sky is light blue at sunset", ["light_blue", "sunset"]),
        ("a 빨간 car at night", ["night", "red"]),
    ],
)
def test_understands(text: str, expected: list[str]) -> None:
    """Colours and light are found in both languages, inflected, with particles, once each."""
    assert axes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zebra",
        "man crying",
        "민지가 손 흔드는",
        "낮은 산",  # low, not day
        "낮잠 자는 고양이",  # a nap
        "눈보라",  # a blizzard
        "보라고 했잖아",  # "I told you to look"
        "파란만장한 인생",  # an idiom
        "검정고시",  # an examination
        "검색 결과",
        "밤나무",  # a chestnut tree
        "밝은 미소",
        "bright idea",
        "good night",
        "graduation day",
        "bored scarred redo greenhouse",
        "자전거",
    ],
)
def test_leaves_other_words_alone(text: str) -> None:
    """Words that are not about what pixels show are not understood."""
    assert axes(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not red but blue", ["blue"]),
        ("빨갛지 않은 차", []),
        ("빨간색이 아닌 파란색 차", ["blue"]),
        ("a room without white walls", []),
    ],
)
def test_negated_words_say_nothing(text: str, expected: list[str]) -> None:
    """What is negated is not searched for."""
    assert axes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bright red wall", ["red"]),
        ("dark green coat", ["green"]),
        ("dark blue dress", ["navy"]),
        ("어두운 빨간색 커튼", ["red"]),
        ("짙은 파란색 양복", ["navy"]),
        ("어두운 빨간 방", ["dark", "red"]),
    ],
)
def test_shades_belong_to_their_colour(text: str, expected: list[str]) -> None:
    """An adjective that shades a colour says nothing about the light."""
    assert axes(text) == expected


def test_normalisation_does_not_matter() -> None:
    """Decomposed Hangul, as macOS types it, is understood like composed Hangul."""
    assert axes(unicodedata.normalize("NFD", "빨간 차 밤에")) == ["red", "night"]


def test_words_are_reported_as_typed() -> None:
    """Each understood word comes with its axis, for the explanation of a hit."""
    assert [(each.word, each.axis) for each in understand("빨간 차가 밤에")] == [
        ("빨간", "red"),
        ("밤에", "night"),
    ]


@given(st.text())
def test_any_text_gives_known_axes_once(text: str) -> None:
    """Whatever is typed, the result is a list of different, known axes."""
    found = axes(text)
    assert len(found) == len(set(found))
    assert set(found) <= set(AXES)
