"""How well a face can be seen, as one number."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: The detector's score at which certainty is 0 and 1.
_UNSURE: Final = 0.5
_SURE: Final = 0.9
#: Eyes this far apart fill a crop at its own resolution; more pixels are not used.
_FULL_EYES_PX: Final = 35.24
#: Variance of the Laplacian of a crop at which sharpness is one half.
_HALF_SHARP: Final = 100.0
#: Height of the nose's tip between eyes (0) and mouth (1), seen from the front (the reference).
_LEVEL_NOSE: Final = 0.495
#: From the front the tip is in the middle; half an eye distance beside it is a head turned by
#: about 40°, and as far above or below means the face looks at the ceiling or the floor.
_TURNED: Final = 0.5
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def quality(
    *, score: float, landmarks: npt.NDArray[np.floating], crop: npt.NDArray[np.uint8]
) -> float:
    """The quality of a face.

    Args:
        score: the detector's, 0–1.
        landmarks: (5, 2) pixels of the picture.
        crop: (112, 112, 3) RGB, aligned.

    Returns:
        0–1, see `combine`.
    """
    return combine(
        score=score,
        eyes_px=eyes_px(landmarks),
        sharpness=sharpness(crop),
        frontality=frontality(landmarks),
    )


def combine(*, score: float, eyes_px: float, sharpness: float, frontality: float) -> float:
    """The geometric mean of certainty, size, sharpness and frontality, each 0–1.

    It never falls when one of them rises, and is 0 when one of them is. Blur and smallness go
    together, so a small face loses twice.

    Args:
        score: the detector's, 0–1; 0.5 counts as 0, 0.9 as 1.
        eyes_px: distance of the eyes in the picture; full from 35 px on.
        sharpness: variance of the Laplacian of the crop; one half at 100, saturating.
        frontality: 0–1, see there.

    Returns:
        0–1.
    """
    certainty = min(max((score - _UNSURE) / (_SURE - _UNSURE), 0.0), 1.0)
    size = min(max(eyes_px, 0.0) / _FULL_EYES_PX, 1.0)
    sharp = sharpness / (sharpness + _HALF_SHARP)
    return float((certainty * size * sharp * frontality) ** 0.25)


def eyes_px(landmarks: npt.NDArray[np.floating]) -> float:
    """Distance of the eyes in pixels; (5, 2) landmarks."""
    return float(np.linalg.norm(np.subtract(landmarks[1], landmarks[0])))


def frontality(landmarks: npt.NDArray[np.floating]) -> float:
    """How much a face looks at the camera: 1 from the front, falling to 0.

    The tip of the nose moves sideways between the eyes when a head turns, and up or down between
    eyes and mouth when it nods. A head tilted in the plane of the picture is still frontal.

    Args:
        landmarks: (5, 2) pixels: eyes, tip of the nose, corners of the mouth.

    Returns:
        0–1.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    eyes = (points[0] + points[1]) / 2
    mouth = (points[3] + points[4]) / 2
    across = points[1] - points[0]
    width = float(np.linalg.norm(across))
    if width == 0.0:
        return 0.0
    down = np.array([-across[1], across[0]])
    height = float((mouth - eyes) @ down)
    if height <= 0.0:
        return 0.0
    nose = points[2] - eyes
    aside = abs(float(nose @ across)) / width**2
    level = abs(float(nose @ down) / height - _LEVEL_NOSE)
    return max(1 - aside / _TURNED, 0.0) * max(1 - level / _TURNED, 0.0)


def sharpness(crop: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (4 neighbours) of the 0–255 luma of a (height, width, 3) RGB."""
    luma = crop.astype(np.float32) @ _LUMA
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * inner).var())
