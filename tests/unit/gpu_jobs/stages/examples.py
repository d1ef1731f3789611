"""Small made-up inputs of the gpu lane's stages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from common.domain import (
    AudioExtract,
    Cue,
    CueTrack,
    Frame,
    SampledFrames,
    Scene,
    Scenes,
    Segment,
)
from gpu_jobs.models import Models, OfflineModels
from gpu_jobs.stage import VideoFacts

VIDEO = VideoFacts(
    user_id=UUID(int=1), video_id=UUID(int=2), generation=3, index_version="offline-0123456789ab"
)


@lru_cache(maxsize=1)
def models() -> Models:
    """The offline models, loaded once for all tests."""
    return OfflineModels()


def scenes(*starts_ms: int, end_ms: int) -> Scenes:
    """Scenes that start at the given times and cover the video to its end."""
    ends_ms = (*starts_ms[1:], end_ms)
    return Scenes(
        scenes=tuple(
            Scene(ordinal=ordinal, start_ms=start, end_ms=end)
            for ordinal, (start, end) in enumerate(zip(starts_ms, ends_ms, strict=True))
        ),
        duration_ms=end_ms,
    )


def segment(start_ms: int, end_ms: int, text: str = "hello", language: str = "en") -> Segment:
    """A segment without words."""
    return Segment(start_ms=start_ms, end_ms=end_ms, text=text, language=language)


def sound(*tracks: CueTrack) -> AudioExtract:
    """Sound without audio, with subtitle tracks."""
    return AudioExtract(flac=b"", sample_rate_hz=16_000, duration_ms=60_000, cue_tracks=tracks)


def track(language: str, *cues: tuple[int, int, str]) -> CueTrack:
    """A subtitle track of (start, end, text)."""
    return CueTrack(
        language=language,
        source="uploaded",
        cues=tuple(Cue(start_ms=start, end_ms=end, text=text) for start, end, text in cues),
    )


def slide(
    lines: Sequence[str], *, seed: int = 0, size_px: int = 40, width_px: int = 1280
) -> npt.NDArray[np.uint8]:
    """A picture of lines of text with sensor noise."""
    height_px = width_px * 9 // 16
    image = Image.new("RGB", (width_px, height_px), (24, 60, 118))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size_px)
    for place, line in enumerate(lines):
        at = (width_px * 0.06, height_px * 0.08 + place * size_px * 1.8)
        draw.text(at, line, font=font, fill=(240, 240, 240))
    noise = np.random.default_rng(seed).normal(0, 4, (height_px, width_px, 1))
    return (np.asarray(image) + noise).clip(0, 255).astype(np.uint8)


def frame(
    picture: npt.NDArray[np.uint8], *, scene: int = 0, time_ms: int = 0, sharpness: float = 100.0
) -> Frame:
    """A sampled frame of a picture."""
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, "JPEG", quality=88)
    height_px, width_px = picture.shape[:2]
    return Frame(
        scene_ordinal=scene,
        time_ms=time_ms,
        jpeg=stored.getvalue(),
        width_px=width_px,
        height_px=height_px,
        sharpness=sharpness,
    )


def frames(*each: Frame) -> SampledFrames:
    """Sampled frames, in the given order."""
    return SampledFrames(frames=each)
