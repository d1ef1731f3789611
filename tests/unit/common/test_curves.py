"""Piecewise linear curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.curves import interpolate


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
    st.floats(-60, 60),
)
def test_interpolation_is_numpys(xs: list[int], ys: list[float], value: float) -> None:
    """Between, at and beyond the knots."""
    knots = tuple(zip([float(x) for x in xs], ys, strict=False))
    assert interpolate(knots, value) == pytest.approx(np.interp(value, xs, ys[: len(xs)]))
