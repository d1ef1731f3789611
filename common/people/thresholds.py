"""How alike two faces have to be, per recogniser, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What the cosine of two faces of one recogniser means."""

    #: Numbers of a vector that are not padding; the others are not even fetched.
    dimensions: int
    #: From here on a face may be a person.
    same: float
    #: It is nobody if the second best person is nearer than this to the best.
    margin: float
    #: Faces join an unnamed cluster from this mean cosine on: joining two clusters is one touch,
    #: taking one apart is work, so this is stricter.
    cluster: float
    #: From here on more likeness says no more: confidence is 1.
    certain: float
    #: Of `same`. The other numbers are our choice, and are to be measured with the real weights.
    source: str


#: By the name of the recogniser (gpu_jobs/models/face_recognisers.py).
_BY_RECOGNISER: Final[Mapping[str, Thresholds]] = MappingProxyType(
    {
        "sface": Thresholds(
            dimensions=128,
            same=0.363,
            margin=0.05,
            cluster=0.42,
            certain=0.7,
            source="OpenCV, tutorial 'DNN-based Face Detection And Recognition': the cosine "
            "threshold of SFace with the best accuracy on LFW (99.60 %)",
        ),
        "adaface": Thresholds(
            dimensions=512,
            same=0.4,
            margin=0.05,
            cluster=0.45,
            certain=0.7,
            source="none is published with the weights; a cautious choice, to be measured by "
            "whoever holds a licence",
        ),
    }
)


def of_model(model: str) -> Thresholds | None:
    """The thresholds of a face model.

    Args:
        model: "detector+recogniser", as observations carry it.

    Returns:
        None for a recogniser that nobody has measured: its faces are nobody's.
    """
    return _BY_RECOGNISER.get(model.rpartition("+")[2])
