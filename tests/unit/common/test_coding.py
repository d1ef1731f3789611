"""Binary codes keep each query's nearest rows, on the models' own vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import coding
from common.coding import Coding, Floats, spread_signs
from common.encoders import load, minilm
from common.encoders.colour_space import AXES, picture_vectors, query_vector
from tests.benchmarks.search_data import QUESTIONS, sentences

K = 20


def _unit(rng: np.random.Generator, rows: int, width: int) -> Floats:
    vectors = rng.standard_normal((rows, width))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _recalls(chosen: Coding, rows: Floats, queries: Floats) -> npt.NDArray[np.float64]:
    """The share of each query's best 20 that its `width` nearest by code hold.

    Rows that tie with the twentieth are as good as it is.
    """
    width = chosen.width(len(rows))
    codes = np.packbits(chosen.bits(rows), axis=1)
    asked = np.packbits(chosen.bits(queries), axis=1)
    found = []
    for query, code in zip(queries, asked, strict=True):
        scores = rows.astype(np.float64) @ query
        distance = np.bitwise_count(codes ^ code).sum(axis=1)
        near = np.argsort(distance, kind="stable")[:width]
        least = np.partition(scores, -K)[-K]
        found.append(np.sort(scores[near])[::-1][:K] >= least - 2e-5)
    return np.asarray(np.mean(found, axis=1))


def test_sentences_are_found_by_code() -> None:
    """12 000 scenes of real sentence vectors: no query loses more than a tenth, the mean 1 %."""
    model = load("offline").text
    said = model.encode(sentences(1_200))
    rng = np.random.default_rng(4)
    mixed = said[rng.integers(0, len(said), 12_000)] + said[rng.integers(0, len(said), 12_000)]
    rows = np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)
    queries = model.encode([said for said, _ in QUESTIONS] + sentences(7_000)[-20:])
    recalls = _recalls(coding.of_model(model.name), rows, queries)
    assert recalls.mean() >= 0.99
    assert recalls.min() >= 0.9


def test_pictures_are_found_by_code() -> None:
    """60 000 frames in the colour space: nothing is lost."""
    rng = np.random.default_rng(6)
    rows = picture_vectors(np.clip(rng.normal(-0.6, 0.7, (60_000, len(AXES))), -1, 1))
    asked = (["red"], ["red", "night"], ["blue", "bright", "vivid"], ["sunset"], ["grey", "day"])
    queries = np.stack([query_vector(axes) for axes in asked])
    assert _recalls(coding.of_model("colour-and-light"), rows, queries).min() == 1


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([64, 384, 768, 1024, 1152]), st.integers(0, 1_000))
def test_distance_of_codes_is_the_angle(width: int, seed: int) -> None:
    """The share of differing bits is the angle over pi (Goemans and Williamson, 1995)."""
    one, other = _unit(np.random.default_rng(seed), 2, width)
    blend = one + 0.7 * other
    pair = np.stack([one, blend / np.linalg.norm(blend)]).astype(np.float32)
    first, second = spread_signs(pair)
    angle = np.arccos(np.clip(pair[0] @ pair[1], -1, 1)) / np.pi
    assert (first != second).mean() == pytest.approx(angle, abs=5 * 0.5 / np.sqrt(width))


def test_padding_does_not_waste_bits() -> None:
    """A third of the numbers, the rest zeros: every bit of the code still says something."""
    vectors = np.zeros((500, 1024), np.float32)
    vectors[:, : minilm.WIDTH] = _unit(np.random.default_rng(1), 500, minilm.WIDTH)
    share = spread_signs(vectors).mean(axis=0)
    assert 0.3 < share.min() < share.max() < 0.7


def test_codes_do_not_change() -> None:
    """Stored codes and those of tomorrow's queries must come from the same planes."""
    vector = np.zeros((1, 1024), np.float32)
    vector[0, 0] = 1
    (code,) = coding.of_model("bge-m3").codes(vector)
    assert len(code) == 1 + 1024 // 4
    assert code == "x" + ("0" if code[1] == "0" else "f") * 256
    (code,) = coding.of_model("bge-m3").codes(np.sin(np.arange(1024.0, dtype=np.float32))[None])
    assert code[:17] == "x7ff887ac72ac40b9"


def test_an_unmeasured_model_is_never_searched_by_code() -> None:
    """Without a measured width there is none."""
    assert coding.of_model("bge-m3").width(10**6) is None
    assert coding.of_model("a-model-of-tomorrow").width(10**6) is None


def test_the_width_grows_with_the_tenant() -> None:
    """At least so many rows, and at least the measured share of all."""
    chosen = Coding(name="any", bits=spread_signs, least=100, share=0.1)
    assert [chosen.width(rows) for rows in (0, 900, 5_000)] == [100, 100, 500]
