"""The geometry of the colour-and-light space."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.encoders import colour_space
from common.encoders.colour_space import AXES, calibrate, picture_vectors, query_vector

STEP = 1 / 12
PRESENCES = hnp.arrays(np.float64, (3, len(AXES)), elements=st.floats(-1, 1))
QUERIES = st.lists(st.sampled_from(AXES), min_size=1, max_size=6, unique=True)


@given(PRESENCES)
def test_pictures_have_length_one_and_can_be_read_back(presence: np.ndarray) -> None:
    """Every picture's vector has length 1, and its presences come back to the nearest step."""
    vectors = picture_vectors(presence)
    assert vectors.shape == (3, 1152)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    read = colour_space.read_presence(vectors)
    np.testing.assert_allclose(read, presence, atol=STEP / 2 + 1e-5)
    np.testing.assert_allclose(read * 12, np.round(read * 12), atol=1e-4)


@given(QUERIES, PRESENCES)
def test_inner_product_is_the_documented_conjunction(axes: list[str], presence: np.ndarray) -> None:
    """Query times picture is the evidence formula over five, even in 16-bit numbers."""
    presence = np.round(presence / STEP) * STEP
    mean = presence[:, [AXES.index(axis) for axis in axes]].mean(axis=1)
    evidence = 1 - 2 * len(axes) / (len(axes) + 1) * (1 - mean)
    query = query_vector(axes)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(picture_vectors(presence) @ query, evidence / 5, atol=1e-5)
    halved = picture_vectors(presence).astype(np.float16).astype(np.float32)
    halved_query = query.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(halved @ halved_query, evidence / 5, atol=5e-4)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_calibration_is_monotone_and_bounded(one: float, other: float) -> None:
    """A higher inner product never gives a lower score, and scores are 0 to 1."""
    low, high = sorted((one, other))
    assert 0 <= calibrate(low) <= calibrate(high) <= 1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_missing_colour_costs_the_match(count: int) -> None:
    """All named axes there scores 1; one of up to three missing scores at most 0.3."""
    axes = AXES[:count]
    presence = np.full((2, len(AXES)), -1.0)
    presence[0, :count] = 1
    presence[1, : count - 1] = 1
    whole, lacking = (calibrate(float(c)) for c in picture_vectors(presence) @ query_vector(axes))
    assert whole == pytest.approx(1, abs=1e-4)
    assert lacking <= (0.3 + 1e-4 if count <= 3 else 0.65)


@given(st.lists(st.sampled_from(AXES), min_size=1, max_size=4, unique=True), st.randoms())
def test_codes_order_pictures_as_inner_products_do(axes: list[str], random: Random) -> None:
    """For a query, of two pictures the one with the greater inner product is nearer by code."""
    rng = np.random.default_rng(random.randrange(1 << 30))
    vectors = picture_vectors(np.clip(rng.normal(-0.4, 0.9, (200, len(AXES))), -1, 1))
    stored = vectors.astype(np.float16)
    query = query_vector(axes)
    bits = colour_space.level_bits(stored)
    asked = colour_space.level_bits(query.astype(np.float16)[None])[0]
    distance = (bits != asked).sum(axis=1)
    scores = np.round(vectors.astype(np.float64) @ query * 1e5)
    ordered = np.argsort(distance, kind="stable")
    assert (np.diff(scores[ordered]) <= 1).all()
    assert len(set(distance)) == len(set(scores))


def test_codes_of_pictures_count_the_steps_between_them() -> None:
    """Two bits for every step of presence: the L1 distance."""
    steps = np.zeros((2, len(AXES)))
    steps[1, 3], steps[1, 7] = 5 * STEP, -2 * STEP
    one, other = colour_space.level_bits(picture_vectors(steps))
    assert (one != other).sum() == 2 * (5 + 2)
