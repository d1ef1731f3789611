"""On-screen text with RapidOCR, from the models in its wheel.

They read Latin letters, digits, Chinese and Japanese, and **no Hangul**: their alphabet has none
(18 708 characters, checked). Korean on screen needs the pinned recogniser of the other profiles;
here it is either not found or read as garbage of low confidence, which is dropped.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.errors import ConfigError, PermanentError

NAME = "rapidocr-ppocr-v6-small"
#: Files of the wheel rapidocr 3.10.0 and their SHA-256.
DETECTOR: Final = (
    "PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)
RECOGNISER: Final = (
    "PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)
#: Longest side at which text is looked for; it is read at full size. Measured on 1280 x 720 with
#: lines of 16 to 48 px on 2 cores: the same lines at 640, 736 and 960 px and at RapidOCR's default,
#: in 0.2, 0.25, 0.29 and 0.6 s with text, 0.07, 0.07, 0.17 and 0.58 s without.
_DETECTION_PX: Final = 736
#: Lines below are guesses, and what Hangul turns into.
_MIN_CONFIDENCE: Final = 0.6
#: A single character is read off textures too easily.
_MIN_CONFIDENCE_ALONE: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class ReadLine:
    """A line of text in one picture."""

    text: str
    #: x, y, width, height as fractions of the picture, 0–1.
    box: tuple[float, float, float, float]
    #: 0–1.
    confidence: float


class RapidOcrReader:
    """Pictures to lines of text. Not thread-safe."""

    name = NAME

    def __init__(self) -> None:
        """Load both models from the wheel; never from the network.

        Raises:
            ConfigError: the wheel is missing or carries other models.
        """
        directory = _wheel_models()
        # Heavy (OpenCV), so only a process that reads text pays for it.
        from rapidocr import RapidOCR

        self._engine: Any = RapidOCR(
            params={
                # With explicit paths RapidOCR has no reason to download.
                "Det.model_path": str(_verified(directory, *DETECTOR)),
                "Rec.model_path": str(_verified(directory, *RECOGNISER)),
                "Det.limit_type": "max",
                "Det.limit_side_len": _DETECTION_PX,
                # Video is upright; the classifier of rotated lines costs time and finds none.
                "Global.use_cls": False,
                "Global.text_score": _MIN_CONFIDENCE,
                # It warns about every picture without text.
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": _cores(),
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: npt.NDArray[np.uint8]) -> tuple[ReadLine, ...]:
        """Read the text in a picture.

        Args:
            picture: (height, width, 3) RGB.

        Returns:
            Lines from top to bottom, confidence at least 0.6; text is stripped and not empty.

        Raises:
            PermanentError: the engine failed (`stage_failed`).
        """
        try:
            result = self._engine(np.ascontiguousarray(picture[:, :, ::-1]))
        except Exception as error:  # it raises bare and private types
            raise PermanentError("stage_failed", f"{NAME}: {type(error).__name__}") from error
        if result.txts is None:
            return ()
        height, width = picture.shape[:2]
        found = zip(result.txts, result.boxes, result.scores, strict=True)
        lines = [
            ReadLine(
                text=text.strip(), box=_box(corners, width, height), confidence=round(float(s), 4)
            )
            for text, corners, s in found
            if _is_text(text.strip(), float(s))
        ]
        return tuple(sorted(lines, key=lambda line: (line.box[1], line.box[0], line.text)))


def _is_text(text: str, confidence: float) -> bool:
    letters = sum(char.isalnum() for char in text)
    needed = _MIN_CONFIDENCE if letters > 1 else _MIN_CONFIDENCE_ALONE
    return letters > 0 and confidence >= needed


def _box(
    corners: npt.NDArray[np.floating], width: int, height: int
) -> tuple[float, float, float, float]:
    """The upright rectangle around four corners in pixels, as fractions."""
    points = np.asarray(corners, dtype=np.float64) / (width, height)
    left, top = np.clip(points.min(axis=0), 0, 1)
    right, bottom = np.clip(points.max(axis=0), 0, 1)
    x, y, w, h = (round(float(v), 4) for v in (left, top, right - left, bottom - top))
    return x, y, w, h


def _cores() -> int:
    """Cores this process may use; the engine would otherwise take all of the machine's."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _wheel_models() -> Path:
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise ConfigError("the package rapidocr is not installed")
    return Path(spec.origin).parent / "models"


def _verified(directory: Path, name: str, sha256: str) -> Path:
    path = directory / name
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{name} is not in the rapidocr wheel") from error
    if found != sha256:
        raise ConfigError(f"{name}: sha256 {found}, expected {sha256}")
    return path
