"""Calibrations fitted to cosines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.calibration.fit import PRIOR, TAIL_PAIRS, chance, curve, fit, isotonic

Floats = npt.NDArray[np.float64]
_VALUES = st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 10)), min_size=1, max_size=30).map(
    lambda rows: np.array(rows).T
)


def _normal(mean: float, deviation: float, count: int) -> Floats:
    return np.random.default_rng(count).normal(mean, deviation, count)


@given(_VALUES)
def test_isotonic_rises_and_keeps_the_mean(rows: Floats) -> None:
    """What is pooled is averaged, so nothing falls and nothing is added."""
    values, weights = rows
    fitted = isotonic(values, weights)
    assert (np.diff(fitted) >= -1e-12).all()
    assert fitted @ weights == pytest.approx(values @ weights)


@given(_VALUES)
def test_isotonic_is_the_minimax_of_means(rows: Floats) -> None:
    """Each value is the largest, over starts, of the least mean from there to an end."""
    values, weights = rows
    places = range(len(values))
    for place, fitted in enumerate(isotonic(values, weights)):
        least_means = [
            min(
                np.average(values[start : end + 1], weights=weights[start : end + 1])
                for end in places[place:]
            )
            for start in places[: place + 1]
        ]
        assert fitted == pytest.approx(max(least_means))


def test_the_curve_finds_the_true_posterior() -> None:
    """Of two known distributions the probability of the right one comes out, under the prior."""
    right, unrelated = _normal(0.4, 0.1, 20_000), _normal(0.05, 0.1, 400_000)
    knots = curve(right, unrelated)
    for cosine, score in knots:
        likelihood = np.exp(((cosine - 0.05) ** 2 - (cosine - 0.4) ** 2) / (2 * 0.1**2))
        odds = likelihood * PRIOR / (1 - PRIOR)
        assert score == pytest.approx(odds / (1 + odds), abs=0.06)
    assert [score for _, score in (knots[0], knots[-1])] == [0, 1]


def test_chance_counts_and_goes_on_where_it_cannot() -> None:
    """Shares are exact as far as enough pairs reach; then the line goes on falling."""
    unrelated = _normal(0.05, 0.1, 10_000)
    knots = chance(unrelated)
    known = [(at, log) for at, log in knots if (unrelated >= at).sum() >= TAIL_PAIRS]
    assert 3 <= len(known) < len(knots)
    for at, log in known:
        assert 10**log == pytest.approx((unrelated >= at).mean(), rel=0.02)
    assert all(before[1] > after[1] for before, after in pairwise(knots))


def test_a_few_pairs_are_not_enough() -> None:
    """A curve of ten pairs would be noise."""
    vectors = np.eye(10)
    with pytest.raises(ValueError, match="at least"):
        fit(vectors, vectors)
