"""Faces in pictures: where they are, how well they can be seen, and what tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundFace:
    """A face in one picture. Never logged."""

    #: x, y, width, height as fractions of the picture, 0–1.
    box: tuple[float, float, float, float]
    #: 0–1: how sharp, large, frontal and certain it is.
    quality: float
    #: (512,) float32, L2-normalised; shorter models are zero-padded.
    vector: npt.NDArray[np.float32]
