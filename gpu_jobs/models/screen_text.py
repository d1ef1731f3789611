"""On-screen text with RapidOCR, from the models in its wheel or with a recogniser of one's own.

The wheel's read Latin letters, digits, Chinese and Japanese, and **no Hangul**: their alphabet has
none (18 708 characters, checked), and Korean on screen is either not found or read as garbage of
low confidence, which is dropped. The profiles that download models give a Korean recogniser; lines
are found by the wheel's detector in either case, which goes by strokes and not by alphabets.
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
import onnxruntime

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
#: Longest side at which text is looked for; it is read at full size. Measured on slides of
#: 1280 x 720 with lines of 16 to 48 px: the same lines at 640, 736 and 960 px and at RapidOCR's
#: default, which takes three times as long; on 25 drawn frames 3.2 s of CPU at 640, 4.0 at 736.
_DETECTION_PX: Final = 640
#: Lines below are guesses, and what Hangul turns into.
_MIN_CONFIDENCE: Final = 0.6
#: The same for lines of few different letters ("1", "mm"), which are read off edges and textures.
_MIN_CONFIDENCE_SHORT: Final = 0.9
_SHORT_LETTERS: Final = 3
#: Characters that are hardly more than a stroke: the edge of a table is read as 一 with confidence.
_STROKES: Final = frozenset("一丨ーıㅡㅣ")
#: Lines of text come to the recogniser in batches of (n, 3, 48, width) BGR, scaled to [-1, 1].
_LINE_HEIGHT_PX: Final = 48
_LINE_WIDTH_PX: Final = 320
#: CTC's blank before the alphabet, and a space after it (PaddleOCR's `CTCLabelDecode`).
_CLASSES_BESIDE: Final = 2
#: Key of the alphabet in the metadata of RapidOCR's models, a character per line.
_ALPHABET: Final = "character"
_HINT: Final = "run `make models PROFILE=cpu` (or gpu)"


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

    def __init__(self, *, recogniser: Path | None = None) -> None:
        """Load both models; never from the network.

        Args:
            recogniser: holds one `.onnx` of PP-OCR's form, with its alphabet in its metadata, as
                RapidOCR publishes them, or in one `.txt` beside it, as PaddleOCR does; or None
                for the wheel's. The caller has verified the files.

        Raises:
            ConfigError: the wheel is missing or carries other models, or the recogniser's files
                are not what they should be.
        """
        if recogniser is None:
            self.name, alphabet = NAME, None
            read = _session(_verified(_wheel_models(), *RECOGNISER))
        else:
            model, alphabet = _recogniser_files(recogniser)
            self.name = f"rapidocr-{model.stem}"
            read = _recogniser(model, alphabet)
        # Heavy (OpenCV), so only a process that reads text pays for it.
        from omegaconf import OmegaConf
        from rapidocr import RapidOCR

        engine: Any = RapidOCR(
            params={
                "Det.limit_type": "max",
                "Det.limit_side_len": _DETECTION_PX,
                # Video is upright; the classifier of rotated lines costs time and finds none.
                "Global.use_cls": False,
                "Global.text_score": _MIN_CONFIDENCE,
                # It warns about every picture without text.
                "Global.log_level": "critical",
                # Only asked where the model has no alphabet in itself.
                "Rec.rec_keys_path": None if alphabet is None else str(alphabet),
            }
        )
        # With sessions of our own RapidOCR has no reason to look for files or to download.
        sessions = {
            "Det": {"session": _session(_verified(_wheel_models(), *DETECTOR))},
            "Rec": {"session": read},
        }
        own = OmegaConf.create(sessions, flags={"allow_objects": True})
        engine.cfg = OmegaConf.merge(own, engine.cfg)
        self._engine = engine

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
            raise PermanentError("stage_failed", f"{self.name}: {type(error).__name__}") from error
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
    letters = {char for char in text.casefold() if char.isalnum()} - _STROKES
    short = len(letters) <= _SHORT_LETTERS
    return bool(letters) and confidence >= (_MIN_CONFIDENCE_SHORT if short else _MIN_CONFIDENCE)


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


def _recogniser_files(directory: Path) -> tuple[Path, Path | None]:
    """The model, and its alphabet if there is one beside it."""
    models, alphabets = (sorted(directory.glob(f"*.{suffix}")) for suffix in ("onnx", "txt"))
    if len(models) != 1 or len(alphabets) > 1:
        found = [path.name for path in (*models, *alphabets)]
        raise ConfigError(f"one recogniser (.onnx) expected, got {found}; {_HINT}")
    return models[0], alphabets[0] if alphabets else None


def _recogniser(model: Path, alphabet: Path | None) -> onnxruntime.InferenceSession:
    """Load a recogniser whose classes are those of its alphabet, or else refuse it.

    With an alphabet of another model every letter would be another, and RapidOCR would download
    one that is missing.
    """
    try:
        session = _session(model.read_bytes())
    except Exception as error:  # it raises types of its own
        raise ConfigError(f"{model.name} does not load; {_HINT}") from error
    if (letters := _letters(session, alphabet)) is None:
        raise ConfigError(f"{model.name} has no alphabet, nor is one beside it; {_HINT}")
    line = np.zeros((1, 3, _LINE_HEIGHT_PX, _LINE_WIDTH_PX), dtype=np.float32)
    try:
        (found, *_) = session.run(None, {session.get_inputs()[0].name: line})
    except Exception as error:  # the same
        raise ConfigError(f"{model.name} takes no lines of 48 px; {_HINT}") from error
    if found.ndim != 3 or found.shape[2] != letters + _CLASSES_BESIDE:
        expected = f"(1, n, {letters + _CLASSES_BESIDE})"
        raise ConfigError(f"{model.name} gives {found.shape}, its alphabet {expected}; {_HINT}")
    return session


def _letters(session: onnxruntime.InferenceSession, alphabet: Path | None) -> int | None:
    """How many letters RapidOCR will know; it reads the model's own before the file."""
    stored = session.get_modelmeta().custom_metadata_map.get(_ALPHABET)
    if stored is not None:
        return len(stored.splitlines())
    # As RapidOCR reads the file: split at line feeds only.
    return None if alphabet is None else len(alphabet.read_bytes().removesuffix(b"\n").split(b"\n"))


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _cores()
    options.inter_op_num_threads = 1
    # Spinning threads double the CPU time, and the wall time where cores are shared (measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Pictures come in many shapes, for each of which the arena would keep memory.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _verified(directory: Path, name: str, sha256: str) -> bytes:
    try:
        model = (directory / name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name} is not in the rapidocr wheel") from error
    if (found := hashlib.sha256(model).hexdigest()) != sha256:
        raise ConfigError(f"{name}: sha256 {found}, expected {sha256}")
    return model
