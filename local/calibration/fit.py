"""From cosines of right and unrelated pairs to a calibration.

*Curve.* The score of a cosine is the probability that a pair with this cosine is a right one, if
one pair in fifty is (`PRIOR`). It is estimated without assuming a shape other than that it rises:
isotonic regression by pooling adjacent violators (Ayer et al., An Empirical Distribution Function
for Sampling with Incomplete Information, 1955; as calibration: Zadrozny and Elkan, Transforming
Classifier Scores into Accurate Multiclass Probability Estimates, 2002). The steps that this leaves
are averaged over a window, which keeps the curve rising, and read at a few knots.

*Chance.* The share of unrelated pairs that reach a cosine, as log10. Where fewer than
`TAIL_PAIRS` of them do, a sample of this size says nothing; from there it falls on at the slope of
the last knots that it does know.

The prior is a choice, not a measurement: how many scenes answer a query differs with every library.
It is so low because the curve must not call near what merely shares a subject. What a library's
size does is left to the chance curve.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Share of right pairs, among all, that the score is a probability under.
PRIOR: Final = 0.02
#: Cosine between two knots, and width of the window that the steps are averaged over.
STEP: Final = 0.05
WINDOW: Final = 0.10
#: Least number of unrelated pairs that a knot of the chance curve rests on.
TAIL_PAIRS: Final = 20
#: Steps that the slope beyond the last such knot is taken over.
TAIL_STEPS: Final = 2
#: Where the chance curve ends.
TAIL_END: Final = 0.65
#: Least number of right pairs to fit anything to.
MIN_PAIRS: Final = 30

_METHOD: Final = f"pav-1 {PRIOR} {STEP} {WINDOW} {TAIL_PAIRS} {TAIL_STEPS} {TAIL_END}"
_PERCENTILES: Final = {
    "right": (10, 50, 90),
    "unrelated": (50, 95, 99, 99.9),
}


def method_digest() -> str:
    """SHA-256 of the method's version and parameters, as hex."""
    return hashlib.sha256(_METHOD.encode()).hexdigest()


def fit(queries: Floats, lines: Floats) -> dict[str, Any]:
    """Curve, chance and what they were measured on, as `calibrations.json` has them.

    Args:
        queries: (n, d) unit vectors.
        lines: (n, d) unit vectors; row i answers query i and no other.

    Raises:
        ValueError: fewer than `MIN_PAIRS` pairs.
    """
    if len(queries) < MIN_PAIRS:
        raise ValueError(f"{len(queries)} pairs, at least {MIN_PAIRS} are needed")
    cosines = queries @ lines.T
    right = np.diag(cosines)
    unrelated = cosines[~np.eye(len(cosines), dtype=bool)]
    samples = {"right": right, "unrelated": unrelated}
    return {
        "pairs": len(right),
        "curve": curve(right, unrelated),
        "chance": chance(unrelated),
        "measured": {
            name: {f"p{p}": round(float(np.percentile(samples[name], p)), 2) for p in percentiles}
            for name, percentiles in _PERCENTILES.items()
        },
    }


def curve(right: Floats, unrelated: Floats) -> list[list[float]]:
    """Knots (cosine, score), both rising, without the flat ends: 0 before, 1 after.

    Args:
        right: (n,) cosines of right pairs.
        unrelated: (m,) cosines of unrelated pairs.
    """
    cosines = np.concatenate([right, unrelated])
    labels = np.concatenate([np.ones(len(right)), np.zeros(len(unrelated))])
    weights = np.where(labels, PRIOR / len(right), (1 - PRIOR) / len(unrelated))
    order = np.argsort(cosines, kind="stable")
    posterior = isotonic(labels[order], weights[order])
    knots = [[at, round(_window_mean(cosines[order], posterior, at), 2)] for at in _grid(-1.0, 1.0)]
    first = max((place for place, (_, score) in enumerate(knots) if score == 0), default=0)
    ends = (place for place, (_, score) in enumerate(knots) if score == 1)
    last = min(ends, default=len(knots) - 1)
    return knots[first : last + 1]


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The rising sequence nearest to the values, by weighted squares: pooled adjacent violators.

    Args:
        values: (n,).
        weights: (n,), positive.

    Returns:
        (n,).
    """
    means: list[float] = []
    totals: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while means and means[-1] >= mean:
            before = totals.pop()
            mean = (means.pop() * before + mean * total) / (before + total)
            total += before
            count += counts.pop()
        means.append(mean)
        totals.append(total)
        counts.append(count)
    return np.repeat(np.array(means), counts)


def chance(unrelated: Floats) -> list[list[float]]:
    """Knots (cosine, log10 of the share of unrelated pairs that reach it).

    They begin at the 85th percentile or so: below it a cosine has no score anyway.

    Args:
        unrelated: (m,) cosines of unrelated pairs.
    """
    start = round(float(np.percentile(unrelated, 85)) / STEP) * STEP
    knots: list[list[float]] = []
    for at in _grid(start, TAIL_END):
        reaching = int((unrelated >= at).sum())
        if reaching < TAIL_PAIRS:
            break
        knots.append([at, round(float(np.log10(reaching / len(unrelated))), 2)])
    (_, earlier), (known, last) = knots[-1 - TAIL_STEPS], knots[-1]
    slope = (last - earlier) / (TAIL_STEPS * STEP)
    beyond = _grid(known + STEP, TAIL_END)
    return knots + [[at, round(last + slope * (at - known), 2)] for at in beyond]


def _grid(start: float, end: float) -> list[float]:
    return [round(float(at), 2) for at in np.arange(start, end + STEP / 2, STEP)]


def _window_mean(cosines: Floats, posterior: Floats, centre: float) -> float:
    """The mean of the step function over the window; before its first step it is the first."""
    points = centre + np.linspace(-WINDOW / 2, WINDOW / 2, 101)
    steps = np.searchsorted(cosines, points, side="right") - 1
    return float(posterior[np.maximum(steps, 0)].mean())
