"""The curated tags."""

from __future__ import annotations

import pytest

from common.encoders.colour_space import AXES
from common.encoders.scripts import has_hangul
from common.encoders.tags import TAGS, VOCABULARY, ColourTags


def test_every_tag_is_an_axis_with_two_labels() -> None:
    """Tags are axes of the colour space, each once, labelled in English and in Korean."""
    assert len(TAGS) == len(VOCABULARY)
    assert set(AXES) >= TAGS
    for label in VOCABULARY:
        assert label.en.isascii()
        assert has_hangul(label.ko)


@pytest.mark.parametrize("query", ["red car at night", "빨간 차 밤에"])
def test_a_query_names_tags(query: str) -> None:
    """Both languages name the same tags, and the weights sum to 1."""
    weights = {each.tag: each.weight for each in ColourTags().read(query)}
    assert weights == {"red": 0.5, "night": 0.5}


@pytest.mark.parametrize("query", ["zebra", "", "얼룩말"])
def test_other_queries_name_none(query: str) -> None:
    """A query without a known word names no tag."""
    assert ColourTags().read(query) == ()
