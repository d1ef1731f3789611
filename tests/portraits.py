"""A drawn face that the real detector takes for one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

#: Google's and OpenCV's models, where somebody put them beside the project.
YUNET: Final = Path(__file__).parents[2] / "shared" / "models" / "face_detection_yunet_2026may.onnx"
_SIZE: Final = 600
_SKIN, _HAIR, _SHADE = (224, 180, 150), (50, 35, 25), (205, 155, 128)


def face(size_px: int = _SIZE, *, blur_px: float = 0.0) -> npt.NDArray[np.uint8]:
    """A square portrait, from the front."""
    image = Image.new("RGB", (_SIZE, _SIZE), (120, 140, 160))
    draw = ImageDraw.Draw(image)
    draw.ellipse((110, 40, 490, 420), fill=_HAIR)
    draw.rectangle((230, 470, 370, 600), fill=_SHADE)
    draw.ellipse((140, 90, 460, 540), fill=_SKIN)
    for centre in (225, 375):
        _eye(draw, centre)
    draw.polygon([(285, 290), (315, 290), (335, 390), (265, 390)], fill=_SHADE)
    for left in (265, 308):
        draw.ellipse((left, 372, left + 27, 396), fill=(150, 100, 85))
    draw.ellipse((235, 430, 365, 480), fill=(175, 75, 75))
    draw.line((240, 455, 360, 455), fill=(110, 40, 45), width=6)
    small = image.resize((size_px, size_px), Image.Resampling.LANCZOS)
    return np.asarray(small.filter(ImageFilter.GaussianBlur(blur_px)))


def beside(*pictures: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Pictures on a plain ground, from left to right."""
    ground = np.full((height, width, 3), (120, 140, 160), np.uint8)
    for place, picture in enumerate(pictures):
        side = len(picture)
        left = place * width // len(pictures)
        ground[:side, left : left + side] = picture
    return ground


def _eye(draw: ImageDraw.ImageDraw, centre: int) -> None:
    draw.ellipse((centre - 42, 250, centre + 42, 300), fill=(250, 250, 250))
    draw.ellipse((centre - 20, 252, centre + 20, 298), fill=(70, 45, 30))
    draw.ellipse((centre - 9, 264, centre + 9, 286), fill=(10, 10, 10))
    draw.arc((centre - 55, 205, centre + 55, 275), 200, 340, fill=_HAIR, width=14)
    draw.arc((centre - 46, 240, centre + 46, 310), 190, 350, fill=(90, 60, 50), width=6)
