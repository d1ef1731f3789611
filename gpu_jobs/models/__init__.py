"""The models of the gpu lane, loaded once per worker and kept warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from common import model_mirror
from common.config import Settings
from common.domain import Segment
from common.encoders import QUERY, TextEncoder, minilm
from gpu_jobs.models.colour import ColourFrames, ColourTagger
from gpu_jobs.models.faces import FoundFace
from gpu_jobs.models.screen_text import RapidOcrReader, ReadLine

__all__ = [
    "FaceModel",
    "FoundFace",
    "ImageEncoder",
    "Models",
    "OfflineModels",
    "ReadLine",
    "SpeechModel",
    "Tagger",
    "TextReader",
    "load",
]


class ImageEncoder(Protocol):
    """Frames to vectors."""

    @property
    def name(self) -> str:
        """Of the model."""

    def encode(self, jpegs: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """(n, 1152) float32, L2-normalised, one row per JPEG."""


class Tagger(Protocol):
    """Vectors of frames to tag scores."""

    @property
    def name(self) -> str:
        """Of the model and its vocabulary."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Keys of the tags, in the order of the scores."""

    def score(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 1152) vectors to (n, len(tags)) scores, calibrated to 0–1."""


class TextReader(Protocol):
    """Pictures to lines of text."""

    @property
    def name(self) -> str:
        """Of the models."""

    def read(self, picture: npt.NDArray[np.uint8]) -> tuple[ReadLine, ...]:
        """(height, width, 3) RGB to lines from top to bottom."""


class SpeechModel(Protocol):
    """Sound to what is said."""

    @property
    def name(self) -> str:
        """Of the model."""

    def transcribe(
        self,
        samples: npt.NDArray[np.float32],
        *,
        hotwords: Sequence[str] = (),
        on_progress: Callable[[float], None] = ...,
    ) -> tuple[Segment, ...]:
        """(n,) 16 kHz mono in [-1, 1] to segments with words, ordered by start.

        `hotwords` are names that are likely to be said; `on_progress` takes the share that is done
        and may raise to end the call. Silence, noise and music give none.
        """


class FaceModel(Protocol):
    """Pictures to faces."""

    @property
    def name(self) -> str:
        """Of the detector and the recogniser."""

    def find(self, picture: npt.NDArray[np.uint8]) -> tuple[FoundFace, ...]:
        """(height, width, 3) RGB to faces, largest first."""


class Models(Protocol):
    """What the stages of the gpu lane may use. Parts load when first used."""

    @property
    def text(self) -> TextEncoder:
        """Transcripts to dense vectors."""

    @property
    def image(self) -> ImageEncoder:
        """Frames to vectors."""

    @property
    def tagger(self) -> Tagger:
        """Frames' vectors to tags."""

    @property
    def ocr(self) -> TextReader:
        """Pictures to on-screen text."""

    @property
    def speech(self) -> SpeechModel | None:
        """Sound to segments; None if the profile has no model for it."""

    @property
    def faces(self) -> FaceModel | None:
        """Pictures to faces; None if the profile has no model, or none that is cleared."""

    @property
    def speech_note(self) -> str:
        """Why there is no speech model, as a code for the record."""

    @property
    def faces_note(self) -> str:
        """Why there is no face model, as a code for the record."""

    def release(self) -> None:
        """Give back the memory that a video took; the models stay."""


class OfflineModels:
    """The offline profile: nothing is downloaded; no speech and no face model."""

    #: Subtitles are the transcript.
    speech: SpeechModel | None = None
    speech_note = "profile_has_no_speech_model"
    faces: FaceModel | None = None
    faces_note = "profile_has_no_face_model"

    @cached_property
    def text(self) -> TextEncoder:
        """all-MiniLM-L6-v2 in NumPy; abstains on Hangul."""
        return minilm.load()

    @cached_property
    def image(self) -> ImageEncoder:
        """The colour-and-light space."""
        return ColourFrames()

    @cached_property
    def tagger(self) -> Tagger:
        """Tags of colour and light."""
        return ColourTagger()

    @cached_property
    def ocr(self) -> TextReader:
        """RapidOCR: Latin, Chinese and Japanese, no Hangul."""
        return RapidOcrReader()

    def release(self) -> None:
        """Nothing of a video is kept."""


def load(settings: Settings) -> Models:
    """The models of the profile that the settings name.

    Those of the offline profile load when first used. The others are gigabytes: they are fetched
    from the bucket if the settings name one, and loaded at once, side by side.

    Raises:
        ConfigError: the models are not there, or are not what the registry pins.
        TransientError: the bucket cannot be reached.
    """
    if settings.profile == "offline":
        return OfflineModels()
    # Only a process that needs them pays for what they import.
    from gpu_jobs.models.downloaded import DownloadedModels, ModelChoice

    # Queries are encoded elsewhere: gigabytes that a worker would wait for, and keep in memory.
    model_mirror.fetch(settings, without=QUERY)
    models = DownloadedModels(ModelChoice.of(settings))
    models.load()
    return models
