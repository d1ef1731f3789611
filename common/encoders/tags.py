"""The curated tags of the offline profile: colour and light, labelled in Korean and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.encoders import colour_words

#: Version of the vocabulary; part of the index version.
VOCABULARY_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class TagLabel:
    """A tag and what people see."""

    #: Stable English key.
    tag: str
    en: str
    ko: str


@dataclass(frozen=True, kw_only=True)
class TagWeight:
    """A tag that a query asks for."""

    tag: str
    #: Share of the query, 0–1; the weights of a query sum to 1.
    weight: float


def _label(tag: str, en: str, ko: str) -> TagLabel:
    return TagLabel(tag=tag, en=en, ko=ko)


#: All tags, in the order of the colour space's axes.
VOCABULARY: Final = (
    _label("red", "Red", "빨간색"),
    _label("orange", "Orange", "주황색"),
    _label("yellow", "Yellow", "노란색"),
    _label("green", "Green", "초록색"),
    _label("teal", "Teal", "청록색"),
    _label("light_blue", "Light blue", "하늘색"),
    _label("blue", "Blue", "파란색"),
    _label("navy", "Navy", "남색"),
    _label("purple", "Purple", "보라색"),
    _label("pink", "Pink", "분홍색"),
    _label("brown", "Brown", "갈색"),
    _label("beige", "Beige", "베이지색"),
    _label("black", "Black", "검은색"),
    _label("grey", "Grey", "회색"),
    _label("white", "White", "흰색"),
    _label("dark", "Dark", "어두움"),
    _label("night", "Night", "밤"),
    _label("bright", "Bright", "밝음"),
    _label("day", "Day", "낮"),
    _label("sunset", "Sunset", "노을"),
    _label("neon", "Neon lights", "네온"),
    _label("vivid", "Colourful", "알록달록"),
    _label("monochrome", "Black and white", "흑백"),
)
TAGS: Final = frozenset(label.tag for label in VOCABULARY)


class ColourTags:
    """Query text to tags."""

    def read(self, text: str) -> tuple[TagWeight, ...]:
        """The tags that a query names, equally weighted; empty if it names none."""
        named = [word.axis for word in colour_words.understand(text) if word.axis in TAGS]
        return tuple(TagWeight(tag=tag, weight=1 / len(named)) for tag in named)
