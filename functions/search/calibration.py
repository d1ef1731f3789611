"""From a model's raw cosine to 0–1, one curve per model.

Cosines of different models are never compared: what 0.4 means depends on the model that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

Knots = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class TextCalibration:
    """What a text model's cosines mean."""

    #: (cosine, score), both rising.
    curve: Knots
    #: (cosine, log10 of the share of unrelated pairs that reach it), or () if not measured.
    chance: Knots = ()

    def score(self, cosine: float, *, compared: int) -> float:
        """How well a scene answers the query, 0–1.

        The best of many unrelated scenes scores higher than the best of few. A cosine that chance
        alone would reach among the scenes compared is therefore no evidence, however high.

        Args:
            cosine: inner product of unit vectors.
            compared: how many scenes were compared.
        """
        score = interpolate(self.curve, cosine)
        if self.chance and self._expected_by_chance(cosine, compared) > MAX_BY_CHANCE:
            return min(score, NO_EVIDENCE)
        return score

    def _expected_by_chance(self, cosine: float, compared: int) -> float:
        return float(compared * 10 ** interpolate(self.chance, cosine))


#: How many unrelated scenes may be expected to reach a cosine before it stops being evidence.
MAX_BY_CHANCE: Final = 0.15
#: What is left of such a score: it still orders, but makes no hit.
NO_EVIDENCE: Final = 0.3

#: Measured on 150 pairs of a short query and a subtitle line that answers it in other words, and
#: their 22 350 cross pairs. Right pairs: p10 0.25, median 0.39, p90 0.54. Unrelated: median 0.06,
#: p95 0.21, p99 0.29, p99.9 0.40.
_MINILM: Final = TextCalibration(
    curve=(
        (0.15, 0.0),
        (0.20, 0.10),
        (0.25, 0.25),
        (0.30, 0.45),
        (0.40, 0.55),
        (0.45, 0.62),
        (0.50, 0.75),
        (0.65, 1.0),
    ),
    chance=(
        (0.15, -0.88),
        (0.20, -1.26),
        (0.25, -1.64),
        (0.30, -2.08),
        (0.35, -2.55),
        (0.40, -3.03),
        (0.45, -3.35),
        (0.50, -3.66),
        (0.55, -4.40),
        (0.65, -5.50),
    ),
)
#: Provisional, from published similarity ranges of BGE-M3 (unrelated sentences around 0.35–0.45,
#: paraphrases above 0.6: FlagOpen/FlagEmbedding, FAQ "similarity score"); no weights were at hand.
_BGE_M3: Final = TextCalibration(
    curve=((0.40, 0.0), (0.50, 0.30), (0.55, 0.45), (0.62, 0.60), (0.70, 0.80), (0.85, 1.0))
)
_BY_MODEL: Final[Mapping[str, TextCalibration]] = MappingProxyType(
    {"all-MiniLM-L6-v2": _MINILM, "bge-m3": _BGE_M3}
)


def of_text_model(name: str) -> TextCalibration:
    """The calibration of a text model.

    Raises:
        KeyError: a model without one must not be searched with.
    """
    return _BY_MODEL[name]


def interpolate(knots: Knots, value: float) -> float:
    """Piecewise linear through the knots, flat outside them."""
    xs, ys = zip(*knots, strict=True)
    return float(np.interp(value, xs, ys))


def sparse_score(asked: Mapping[str, float], product: float) -> float:
    """How much of a query's learned weight a scene answers, 0–1.

    A text that weighs every token as the query does has the product `sum(weight ** 2)`, which is
    1 here whatever model gave the weights. A short scene weighs its few tokens more and may have
    more: that is still 1. Provisional, as no weights of BGE-M3 were at hand; so the score orders
    hits and makes none (`rank.tier` does not read it).

    Args:
        asked: weights of the query's tokens.
        product: inner product of these with a scene's weights.
    """
    own = sum(weight**2 for weight in asked.values())
    return min(product / own, 1.0) if own else 0.0
