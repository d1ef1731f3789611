"""The image model of the offline profile: colour and light, in Korean and English.

Text and frames meet in the space described in `common.encoders.colour_space`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from common.encoders import colour_frames, colour_space, colour_words
from common.encoders.colour_space import DIMENSIONS, Floats
from common.encoders.colour_words import Understood

NAME = colour_space.NAME


class ColourSpace:
    """Words of colour and light to vectors; pictures to vectors."""

    name = NAME
    dimensions = DIMENSIONS

    def encode(self, text: str) -> Floats | None:
        """A query vector that asks for everything the text names.

        Returns:
            (1152,) float32, L2-normalised, or None if no word of the text is understood.
        """
        axes = [word.axis for word in self.understood(text)]
        return colour_space.query_vector(axes) if axes else None

    def understood(self, text: str) -> tuple[Understood, ...]:
        """The words that `encode` goes by; every other word is ignored."""
        return colour_words.understand(text)

    def calibrate(self, cosine: float) -> float:
        """Inner product of a query and a frame → 0–1 (see `colour_space.calibrate`)."""
        return colour_space.calibrate(cosine)

    def encode_pictures(self, pictures: Iterable[npt.NDArray[np.uint8]]) -> Floats:
        """Pictures to vectors.

        Args:
            pictures: (height, width, 3) RGB arrays of any size, 0–255.

        Returns:
            (n, 1152) float32, L2-normalised.
        """
        presences = [colour_frames.presence(picture) for picture in pictures]
        rows = np.array(presences, dtype=np.float32).reshape(-1, len(colour_space.AXES))
        return colour_space.picture_vectors(rows)
