"""How sure a measured value, and a measured difference, is. Pure; fixed seeds, so repeatable.

Intervals are percentile bootstraps over queries. Differences go through a paired randomisation
test: if two systems were the same, it would not matter which of them gave which of a query's two
answers, so the answers are swapped at random and the difference is compared with those of the swaps
(Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for Information
Retrieval Evaluation, 2007, who find it to be the test to use).
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from local.evaluation.metrics import Parts

#: A difference that chance makes less often than this is called significant.
ALPHA: Final = 0.05
SWAPS: Final = 10_000
_RESAMPLES: Final = 2_000
_SEED: Final = 20_240_229
#: With so few queries that differ, all swaps are tried.
_EXACT_UP_TO: Final = 12
_ROUNDING: Final = 1e-12


def interval(of: Parts) -> tuple[float, float] | None:
    """The 95 % interval of a measure over queries like these; None where it has no value."""
    if not of[:, 1].any():
        return None
    random = np.random.default_rng(_SEED)
    picks = random.integers(len(of), size=(_RESAMPLES, len(of)))
    sums = of[picks].sum(axis=1)
    sums = sums[sums[:, 1] > 0]
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return float(low), float(high)


def p_value(before: Parts, after: Parts) -> float:
    """How often chance alone makes a difference at least as large, in either direction, 0–1.

    A measure without a value counts as 0: who never says "nothing" is never right in saying it.

    Args:
        before: parts of a measure in one run.
        after: of the same queries, in the same order, in another run.
    """
    differing = (before != after).any(axis=1)
    if not differing.any():
        return 1.0
    fixed_before, fixed_after = before[~differing].sum(axis=0), after[~differing].sum(axis=0)
    swaps, exact = _swaps(int(differing.sum()))
    gained = after[differing] - before[differing]
    moved = swaps @ gained
    ones = before[differing].sum(axis=0) + fixed_before + moved
    others = after[differing].sum(axis=0) + fixed_after - moved
    differences = np.abs(_ratio(others) - _ratio(ones))
    observed = abs(_ratio(after.sum(axis=0)[None])[0] - _ratio(before.sum(axis=0)[None])[0])
    as_large = int((differences >= observed - _ROUNDING).sum())
    # A random sample counts the observed one too, so that p is never 0.
    return as_large / len(swaps) if exact else (as_large + 1) / (len(swaps) + 1)


def _swaps(count: int) -> tuple[npt.NDArray[np.float64], bool]:
    """Which queries swap their answers, (swaps, count) of 0 and 1, and whether these are all."""
    if count <= _EXACT_UP_TO:
        return np.array(list(product((0.0, 1.0), repeat=count))), True
    random = np.random.default_rng(_SEED)
    return random.integers(2, size=(SWAPS, count)).astype(np.float64), False


def _ratio(sums: Parts) -> npt.NDArray[np.float64]:
    numerators, denominators = sums[:, 0], sums[:, 1]
    positive = denominators > _ROUNDING
    return np.where(positive, numerators / np.where(positive, denominators, 1.0), 0.0)
