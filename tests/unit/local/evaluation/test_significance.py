"""How sure a difference is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.evaluation.metrics import Parts
from local.evaluation.significance import ALPHA, interval, p_value


def _scores(*values: float) -> Parts:
    return np.array([(value, 1.0) for value in values])


def _random(seed: int, count: int, mean: float) -> Parts:
    random = np.random.default_rng(seed)
    return _scores(*(random.random(count) < mean).astype(float))


def test_the_same_answers_show_nothing() -> None:
    """Two equal runs have p = 1."""
    assert p_value(_random(1, 50, 0.5), _random(1, 50, 0.5)) == 1.0


def test_few_differences_are_tested_exactly() -> None:
    """Five queries, all better: of the 32 swaps only the two one-sided ones are as extreme."""
    before, after = _scores(0, 0, 0, 0, 0, 1), _scores(1, 1, 1, 1, 1, 1)
    assert p_value(before, after) == pytest.approx(2 / 32)


@given(
    values=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])),
        min_size=1,
        max_size=6,
    )
)
def test_p_is_the_share_of_swaps_that_are_as_extreme(values: list[tuple[float, float]]) -> None:
    """For a mean, p equals what counting every swap of every query gives."""
    gains = np.array([after - before for before, after in values])
    swapped = [abs(gains @ np.array(signs)) for signs in product((1, -1), repeat=len(gains))]
    expected = np.mean(np.array(swapped) >= abs(gains.sum()) - 1e-9)
    before, after = _scores(*(b for b, _ in values)), _scores(*(a for _, a in values))
    assert p_value(before, after) == pytest.approx(expected)


@settings(max_examples=20)
@given(seed=st.integers(0, 1_000))
def test_p_does_not_depend_on_which_run_comes_first(seed: int) -> None:
    """The test is two-sided."""
    one, other = _random(seed, 40, 0.5), _random(seed + 1, 40, 0.6)
    assert p_value(one, other) == pytest.approx(p_value(other, one), abs=0.02)


def test_a_large_difference_is_significant_and_chance_seldom_is() -> None:
    """Of 200 pairs of equal systems about α are called different; a better one nearly always is."""
    false_alarms = np.mean(
        [p_value(_random(s, 60, 0.6), _random(s + 500, 60, 0.6)) < ALPHA for s in range(200)]
    )
    assert false_alarms < 2 * ALPHA
    found = np.mean(
        [p_value(_random(s, 60, 0.3), _random(s + 500, 60, 0.8)) < ALPHA for s in range(20)]
    )
    assert found > 0.9


def test_a_precision_is_compared_as_a_ratio() -> None:
    """Right in 10 of 10 against 10 of 20: the wrong ones are in the denominator alone."""
    before = np.array([(1.0, 1.0)] * 10 + [(0.0, 0.0)] * 10)
    after = np.array([(1.0, 1.0)] * 10 + [(0.0, 1.0)] * 10)
    assert p_value(before, after) < ALPHA


def test_never_saying_nothing_is_no_precision_at_all() -> None:
    """A run that is never right in it is worse than one that is, not incomparable."""
    before = np.array([(1.0, 1.0)] * 10)
    after = np.array([(0.0, 0.0)] * 10)
    assert p_value(before, after) < ALPHA


def test_an_interval_holds_the_value_and_narrows() -> None:
    """It encloses the mean, and four times the queries about halve it."""
    few, many = _random(3, 50, 0.6), _random(3, 800, 0.6)
    for of in (few, many):
        low, high = interval(of) or (1.0, 0.0)
        assert low <= of[:, 0].mean() <= high
    widths = [high - low for low, high in filter(None, (interval(few), interval(many)))]
    assert widths[1] < widths[0] / 2


def test_no_queries_have_no_interval() -> None:
    """Nothing is known of nothing."""
    assert interval(np.zeros((3, 2))) is None
