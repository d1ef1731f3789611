"""Encoded queries are kept by text and index version, and by nothing of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest

from common import coding
from common.coding import Floats
from common.encoders import QueryEncoders, load
from functions.search.encoding import EncodedQuery, Encoders


class CountingText:
    """A text model of its own that counts what it is asked."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.asked: list[str] = []
        self._number = number

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors along one axis."""
        self.asked += texts
        vectors = np.zeros((len(texts), 1024), np.float32)
        vectors[:, self._number] = 1
        return vectors

    def abstains(self, text: str) -> bool:
        """Never."""
        return False


@pytest.fixture(scope="module")
def models() -> QueryEncoders:
    """The offline profile's, for pictures and tags."""
    return load("offline")


def test_a_text_is_encoded_once(models: QueryEncoders) -> None:
    """The second search for it asks no model; another text does."""
    text = CountingText("one", 1)
    encoders = Encoders(replace(models, text=text))
    first = encoders.encode("a red car")
    assert encoders.encode("a red car") is first
    assert text.asked == ["a red car"]
    encoders.encode("a red bus")
    assert text.asked == ["a red car", "a red bus"]


def test_index_versions_share_nothing(models: QueryEncoders) -> None:
    """The same text, two index versions: each has the vector and the code of its own model."""
    one, two = CountingText("one", 1), CountingText("two", 2)
    first = Encoders(replace(models, text=one)).encode("a red car")
    second = Encoders(replace(models, text=two)).encode("a red car")
    assert one.asked == two.asked == ["a red car"]
    assert first.text_vector != second.text_vector
    assert first.text_code == coding.of_model("one").codes(one.encode(["x"]))[0]
    assert first.text_code != second.text_code


def test_many_threads_get_one_answer(models: QueryEncoders) -> None:
    """At once, they may encode it more than once, but what they get is equal."""
    encoders = Encoders(replace(models, text=CountingText("one", 1)))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(encoders.encode, ["a red car at night"] * 40))
    assert set(answers) == {answers[0]}


def test_nothing_of_a_tenant_can_be_kept() -> None:
    """What is kept says what models make of a text: no id, no scene, no person."""
    assert {each.name for each in fields(EncodedQuery)} == {
        "text_vector",
        "frame_vector",
        "text_code",
        "frame_code",
        "pictured",
        "tags",
        "sparse",
    }
