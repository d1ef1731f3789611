"""SigLIP's calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.encoders.siglip_scores import EVEN_AT, probability, score, scores

#: About those of the published checkpoints.
SCALE, BIAS = 112.0, -16.5
COSINES = st.floats(-1, 1, width=32)


def test_probability_is_the_sigmoid_of_the_model() -> None:
    """sigmoid(scale * cosine + bias): where scale and bias cancel out it is one half."""
    assert probability(16.5 / 112, SCALE, BIAS) == pytest.approx(0.5)
    assert probability(0.1, SCALE, BIAS) == pytest.approx(1 / (1 + math.exp(16.5 - 11.2)))


@settings(deadline=None)
@given(COSINES)
def test_probabilities_do_not_overflow(cosine: float) -> None:
    """Every cosine has a probability, and a score, from 0 to 1."""
    for scale in (SCALE, 1e6):
        assert 0 <= probability(cosine, scale, BIAS) <= 1
        assert 0 <= score(probability(cosine, scale, BIAS)) <= 1


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_scores_keep_the_order(one: float, other: float) -> None:
    """A higher probability never scores lower."""
    assert (score(one) <= score(other)) or one > other


def test_scores_have_their_fixed_points() -> None:
    """0 and 1 stay, and the even probability becomes one half."""
    assert score(0) == 0
    assert score(1) == 1
    assert score(EVEN_AT) == pytest.approx(0.5)
    assert score(0.2) > 0.9
    assert score(1e-4) < 0.02
    assert score(0.3, even_at=0.5) == pytest.approx(0.3)


def test_arrays_score_as_single_values_do() -> None:
    """The array form is the composition of the two functions."""
    cosines = np.linspace(-1, 1, 201, dtype=np.float32).reshape(3, 67)
    expected = [[score(probability(float(c), SCALE, BIAS)) for c in row] for row in cosines]
    found = scores(cosines, SCALE, BIAS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
