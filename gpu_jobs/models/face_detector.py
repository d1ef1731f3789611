"""Where faces are, with YuNet.

Source: opencv_zoo, models/face_detection_yunet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level
Face Detector", 2023; MIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.errors import ConfigError, PermanentError
from gpu_jobs.models.face_alignment import misfit_px
from gpu_jobs.models.face_quality import eyes_px

#: Longest side at which faces are looked for. Of a frame of 1280 px a face of 40 px is still found
#: then; smaller ones tell nobody apart.
_DETECTION_PX: Final = 640
#: Low: what to keep is decided by `usable`, which knows sizes and landmarks as well.
_INNER_THRESHOLD: Final = 0.5
_NMS_THRESHOLD: Final = 0.3
_TOP_K: Final = 500

#: A face of a video is blurred, turned or half hidden more often than one of a photograph; below
#: this score hands and patterns come in.
_MIN_SCORE: Final = 0.6
#: Shorter side of the box in pixels, and as a share of the picture's shorter side: crops of less
#: are blown up to five times their size, and people in the background are not who a video is about.
_MIN_SIDE_PX: Final = 24.0
_MIN_SHARE: Final = 0.02
#: Eyes nearer to each other than this leave nothing to align; so a profile needs a larger face.
_MIN_EYES_PX: Final = 8.0
#: A head turned by 70°.
_MAX_MISFIT_PX: Final = 12.0

Fractions = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """What could be a face, in pixels of the picture. Never logged."""

    #: x, y, width, height; may reach over the picture's edge.
    box: tuple[float, float, float, float]
    #: (5, 2) float64: eyes, tip of the nose, corners of the mouth, those on the left first.
    landmarks: npt.NDArray[np.float64] = field(repr=False)
    #: 0–1.
    score: float

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return self.box[2] * self.box[3]

    def fractions(self, *, width: int, height: int) -> Fractions:
        """The part of the box inside a picture, as fractions of it, 0–1."""
        left, top, box_width, box_height = self.box
        right, bottom = left + box_width, top + box_height
        x, y = (min(max(each, 0.0), 1.0) for each in (left / width, top / height))
        right, bottom = (min(max(each, 0.0), 1.0) for each in (right / width, bottom / height))
        return round(x, 4), round(y, 4), round(right - x, 4), round(bottom - y, 4)


def usable(face: Detection, *, width: int, height: int) -> bool:
    """Whether a detection is good enough to be kept: sure, large, and laid out like a face.

    Args:
        face: in a picture of `width` x `height` pixels.
        width: of the picture.
        height: of the picture.

    Returns:
        True for a score of at least 0.6, a shorter side of at least 24 px and 2 % of the
        picture's shorter side, a centre inside the picture, eyes at least 8 px apart, and landmarks
        that are at most 12 px (of 112) off a frontal face's after alignment.
    """
    if not probable(face, width=width, height=height):
        return False
    if min(face.box[2:]) < max(_MIN_SIDE_PX, _MIN_SHARE * min(width, height)):
        return False
    return eyes_px(face.landmarks) >= _MIN_EYES_PX


def probable(face: Detection, *, width: int, height: int) -> bool:
    """Whether a detection is surely a face, however small: one of `usable` without the sizes."""
    left, top, box_width, box_height = face.box
    numbers = np.array([*face.box, face.score, *face.landmarks.ravel()])
    if not np.isfinite(numbers).all() or face.score < _MIN_SCORE or eyes_px(face.landmarks) <= 0:
        return False
    if not (0 <= left + box_width / 2 < width and 0 <= top + box_height / 2 < height):
        return False
    return misfit_px(face.landmarks) <= _MAX_MISFIT_PX


class YuNet:
    """Pictures to places of faces. Not thread-safe.

    Args:
        file: verified ONNX.

    Raises:
        ConfigError: the file is missing, or is no such model.
    """

    name = "yunet"

    def __init__(self, file: Path) -> None:
        import cv2  # heavy: only a process that looks for faces pays

        if not file.is_file():
            raise ConfigError(
                f"{file.name} is not in {file.parent}; run make models with your PROFILE"
            )
        try:
            with _quiet(cv2):
                self._net: Any = cv2.FaceDetectorYN.create(
                    str(file), "", (32, 32), _INNER_THRESHOLD, _NMS_THRESHOLD, _TOP_K
                )
                self._net.detect(np.zeros((32, 32, 3), np.uint8))
        except cv2.error as error:
            raise ConfigError(
                f"{file.name} is not a face detector; run make models with your PROFILE"
            ) from error

    def detect(self, picture: npt.NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Find all that could be a face.

        Args:
            picture: (height, width, 3) RGB.

        Returns:
            Detections with a score of 0.5 or more, best first, in pixels of the picture.

        Raises:
            PermanentError: the model failed (`stage_failed`).
        """
        import cv2

        height, width = picture.shape[:2]
        shrink = min(1.0, _DETECTION_PX / max(height, width))
        size = max(round(width * shrink), 1), max(round(height * shrink), 1)
        try:
            # By area: shrinking by other ways gives edges that are not there.
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            self._net.setInputSize(size)
            # Trained on OpenCV's channel order.
            _, rows = self._net.detect(np.ascontiguousarray(small[:, :, ::-1]))
        except cv2.error as error:
            raise PermanentError("stage_failed", f"{self.name}: {type(error).__name__}") from error
        back = width / size[0], height / size[1]
        return tuple(_detection(row, back) for row in (() if rows is None else rows))


def _detection(row: npt.NDArray[np.float32], back: tuple[float, float]) -> Detection:
    """One row of the model: box, five landmarks, score; scaled back to the picture."""
    scaled = row[:14].astype(np.float64).reshape(7, 2) * back
    x, y, width, height = (float(each) for each in scaled[:2].ravel())
    return Detection(box=(x, y, width, height), landmarks=scaled[2:], score=float(row[14]))


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """OpenCV 5 prints a warning about targets, which nobody set, for every network."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
