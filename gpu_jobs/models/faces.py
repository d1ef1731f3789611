"""Faces in pictures: where they are, how well they can be seen, and what tells them apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gpu_jobs.models import face_gate
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_alignment import align
from gpu_jobs.models.face_detector import Detection, YuNet, probable, usable
from gpu_jobs.models.face_quality import eyes_px, frontality, quality, sharpness
from gpu_jobs.models.face_recognisers import AdaFace, Recogniser, SFace


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundFace:
    """A face in one picture. Never logged."""

    #: x, y, width, height as fractions of the picture, 0–1.
    box: tuple[float, float, float, float]
    #: 0–1: how sharp, large, frontal and certain it is.
    quality: float
    #: (512,) float32, L2-normalised; shorter models are zero-padded.
    vector: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Portrait:
    """A face in a photo that somebody is to be known by, however small. Never logged."""

    #: x, y, width, height as fractions of the photo, 0–1.
    box: tuple[float, float, float, float]
    #: The detector's, 0–1.
    score: float
    #: Shorter side of the box.
    side_px: float
    #: Distance of the eyes.
    eyes_px: float
    #: Variance of the Laplacian of the aligned crop.
    sharpness: float
    #: 0–1; 0 from about 40° aside on.
    frontality: float
    #: 0–1.
    quality: float
    #: (512,) float32, L2-normalised; shorter models are zero-padded.
    vector: npt.NDArray[np.float32] = field(repr=False)


class Detector(Protocol):
    """Pictures to places of faces."""

    @property
    def name(self) -> str:
        """Of the model."""

    def detect(self, picture: npt.NDArray[np.uint8]) -> tuple[Detection, ...]:
        """(height, width, 3) RGB to all that could be a face, in pixels."""


class FaceFinder:
    """Pictures to faces: detect, keep what is usable, align, tell apart. Not thread-safe.

    Two faces in one picture are never one person, so none are merged here.

    Args:
        detector: finds them, generously.
        recogniser: makes the vectors.
    """

    def __init__(self, detector: Detector, recogniser: Recogniser) -> None:
        self._detector = detector
        self._recogniser = recogniser
        self.name = f"{detector.name}+{recogniser.name}"

    def find(self, picture: npt.NDArray[np.uint8]) -> tuple[FoundFace, ...]:
        """Find the faces in a picture.

        Args:
            picture: (height, width, 3) RGB.

        Returns:
            Faces, largest first.

        Raises:
            PermanentError: a model failed (`stage_failed`); without its words, which could quote
                what it was given.
            TransientError: `stage_failed`, memory ran out.
        """
        height, width = picture.shape[:2]
        found = self._detector.detect(picture)
        kept = [face for face in found if usable(face, width=width, height=height)]
        if not kept:
            return ()
        kept.sort(key=lambda face: (-face.area, face.box))
        crops = np.stack([align(picture, face.landmarks) for face in kept])
        vectors = self._recogniser.embed(crops)
        return tuple(
            FoundFace(
                box=face.fractions(width=width, height=height),
                quality=quality(score=face.score, landmarks=face.landmarks, crop=crop),
                vector=vector,
            )
            for face, crop, vector in zip(kept, crops, vectors, strict=True)
        )

    def portraits(self, picture: npt.NDArray[np.uint8]) -> tuple[Portrait, ...]:
        """Find the faces in a photo, also those too small to be found in a video.

        Args:
            picture: (height, width, 3) RGB.

        Returns:
            Faces, largest first.

        Raises:
            PermanentError: as `find`.
            TransientError: as `find`.
        """
        height, width = picture.shape[:2]
        found = self._detector.detect(picture)
        faces = [face for face in found if probable(face, width=width, height=height)]
        if not faces:
            return ()
        faces.sort(key=lambda face: (-face.area, face.box))
        crops = np.stack([align(picture, face.landmarks) for face in faces])
        vectors = self._recogniser.embed(crops)
        return tuple(
            Portrait(
                box=face.fractions(width=width, height=height),
                score=face.score,
                side_px=min(face.box[2:]),
                eyes_px=eyes_px(face.landmarks),
                sharpness=sharpness(crop),
                frontality=frontality(face.landmarks),
                quality=quality(score=face.score, landmarks=face.landmarks, crop=crop),
                vector=vector,
            )
            for face, crop, vector in zip(faces, crops, vectors, strict=True)
        )


def open_faces(
    detector_file: Path,
    recogniser_file: Path,
    kind: type[SFace] | type[AdaFace],
    *,
    device: Device,
    licensed: bool,
) -> FaceFinder:
    """Load the models from verified files, if their use is cleared.

    Args:
        detector_file: YuNet, ONNX.
        recogniser_file: of `kind`, ONNX.
        kind: the recogniser.
        device: where the recogniser computes; the detector is small and stays on the CPU.
        licensed: the operator holds a licence for a recogniser that is not cleared.

    Raises:
        ConfigError: not cleared (before any file is read), or a file is missing or wrong.
    """
    face_gate.require_cleared(kind.name, kind.licence, licensed=licensed)
    return FaceFinder(YuNet(detector_file), kind(recogniser_file, device))
