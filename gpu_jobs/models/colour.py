"""Frames and tags of the offline profile, in the colour-and-light space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from common.encoders import colour_space
from common.encoders.colour import ColourSpace
from common.encoders.tags import VOCABULARY
from gpu_jobs.models.jpeg import pixels

#: Shorter side that a frame is decoded to; the space looks at 96 px.
_DECODED_PX = 96


class ColourFrames:
    """Frames to vectors."""

    name = ColourSpace.name
    dimensions = ColourSpace.dimensions

    def __init__(self) -> None:
        """Nothing to load: the space is code."""
        self._space = ColourSpace()

    def encode(self, jpegs: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """(n, 1152) float32, L2-normalised, one row per JPEG."""
        return self._space.encode_pictures(pixels(jpeg, at_least_px=_DECODED_PX) for jpeg in jpegs)


class ColourTagger:
    """Vectors of frames to tag scores."""

    name = "colour-and-light-tags"
    tags = tuple(label.tag for label in VOCABULARY)

    def score(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Score frames.

        Args:
            vectors: (n, 1152) float32, as `ColourFrames.encode` gives them.

        Returns:
            (n, len(tags)) float32, calibrated to 0–1.
        """
        presence = colour_space.read_presence(vectors)
        chosen = presence[:, [colour_space.AXES.index(tag) for tag in self.tags]]
        score = np.vectorize(colour_space.calibrate_presence, otypes=[np.float32])
        return np.asarray(score(chosen), dtype=np.float32)
