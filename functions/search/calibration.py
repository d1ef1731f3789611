"""From a model's raw cosine to 0–1, one curve per model.

Cosines of different models are never compared: what 0.4 means depends on the model that made it.
`calibrations.json` beside this file holds what was measured; `local.calibration` says how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from common.curves import Knots, interpolate
from common.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TextCalibration:
    """What a text model's cosines mean.

    Raises:
        ValueError: knots are too few, out of order, or out of range.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    #: (cosine, score); cosines rise, scores do not fall.
    curve: Knots
    #: (cosine, log10 of the share of unrelated pairs that reach it), or () if not measured.
    chance: Knots = ()
    #: Taken from elsewhere rather than fitted to our pairs, as the note says.
    provisional: bool = False
    note: str = ""
    #: SHA-256 of the pairs and of the method it was fitted with; empty if provisional.
    version: Mapping[str, str] = field(default_factory=dict)
    #: How many pairs, and percentiles of the cosines of right and of unrelated ones.
    pairs: int = 0
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.curve, rising=True, lowest=0.0, highest=1.0)
        if self.chance:
            _check(self.chance, rising=False, lowest=-math.inf, highest=0.0)
        if not self.provisional and set(self.version) != {"pairs", "method"}:
            raise ValueError("what is fitted has a version of pairs and method")

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

#: Fitted by `make calibrate`; says of each model what it was measured on.
CALIBRATIONS_PATH: Final = Path(__file__).with_name("calibrations.json")


def read(path: Path = CALIBRATIONS_PATH) -> dict[str, TextCalibration]:
    """The calibrations of a file, by the model's name.

    Raises:
        ConfigError: the file is missing or does not hold calibrations.
    """
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error


def of_text_model(name: str) -> TextCalibration:
    """The calibration of a text model.

    Raises:
        KeyError: a model without one must not be searched with.
    """
    return _BY_MODEL[name]


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


def _check(knots: Knots, *, rising: bool, lowest: float, highest: float) -> None:
    cosines, values = zip(*knots, strict=True) if len(knots) > 1 else ((), ())
    if not cosines or any(before >= after for before, after in pairwise(cosines)):
        raise ValueError(f"cosines of knots must rise, and be two at least: {knots}")
    if any((before > after) if rising else (before < after) for before, after in pairwise(values)):
        raise ValueError(f"values of knots must {'not fall' if rising else 'not rise'}: {knots}")
    if not all(lowest <= value <= highest for value in values):
        raise ValueError(f"values of knots must be from {lowest} to {highest}: {knots}")


_FILE: Final = TypeAdapter(dict[str, TextCalibration])
_BY_MODEL: Final[Mapping[str, TextCalibration]] = MappingProxyType(read())
