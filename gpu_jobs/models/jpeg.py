"""Sampled frames back to pixels. The media lane made these JPEGs; they are not the upload."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from common.errors import ContractError


def pixels(jpeg: bytes, *, at_least_px: int = 0) -> npt.NDArray[np.uint8]:
    """Decode a frame.

    Args:
        jpeg: of the artifact `vision_sample_frames`.
        at_least_px: if given, decode at the smallest of 1/1, 1/2, 1/4 and 1/8 of the size that
            leaves both sides at least this long: several times faster.

    Returns:
        (height, width, 3) RGB.

    Raises:
        ContractError: the bytes are not a JPEG.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if at_least_px:
                image.draft("RGB", (at_least_px, at_least_px))
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ContractError("artifact_corrupt", "a sampled frame is not a JPEG") from error
