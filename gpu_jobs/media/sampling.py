"""Choosing a few sharp, distinct pictures of each scene while frames stream by.

Only the best frame of each time slot of the open take is kept (as decoded, not yet converted), so
memory is bounded whatever the length of the video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from common.domain import Frame
from gpu_jobs.media import planes, source

#: Longest side of a sampled picture.
LONGEST_PX: Final = 1280
JPEG_QUALITY: Final = 90
#: Pictures per scene by its length: (at least so long, so many).
COUNT_BY_LENGTH_MS: Final = ((8_000, 4), (4_000, 3), (1_000, 2), (0, 1))
#: Beyond this many in one video, further scenes get one picture each.
MAX_EXTRA_FRAMES: Final = 600

#: How often sharpness is measured.
_CANDIDATE_EVERY_MS: Final = 250
#: Slots grow: a short take needs several slots, a long one must not hold dozens of frames.
_SLOT_EDGES_MS: Final = (0, 500, 1_000, 1_500, 2_000, 3_000, 4_000)
_SLOT_MS: Final = 2_000
#: Two frames look the same when no cell of this coarse grid (width, height) differs by more than
#: so much in its mean brightness (0–255). A bit hash would miss a new line of text on a slide.
_GRID: Final = (16, 9)
_SAME_PICTURE_LEVELS: Final = 8
#: A frame this much less sharp than the scene's best is a blur or a fade.
_BLURRED_SHARE: Final = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A decoded frame that may be sampled."""

    time_ms: int
    #: `av.VideoFrame`; keeps the decoder's buffer alive.
    frame: Any
    sharpness: float
    #: (9, 16) int16: mean brightness of a coarse grid.
    looks: npt.NDArray[np.int16]


class Shelf:
    """The candidates of the take that is open, best of each slot."""

    def __init__(self) -> None:
        self._start_ms = 0
        self._due_ms = 0
        self._slots: dict[int, Candidate] = {}
        self._held: Candidate | None = None

    def open_take(self, start_ms: int) -> None:
        """A new take begins; what is on the shelf must have been taken."""
        self._start_ms = self._due_ms = start_ms

    def hold(self, time_ms: int, frame: Any) -> None:
        """The first picture of all: scenes of sound before it show it too."""
        self._held = measure(time_ms, frame)

    def offer(self, time_ms: int, frame: Any) -> None:
        """Consider a frame of the open take."""
        if time_ms < self._due_ms:
            return
        self._due_ms = time_ms + _CANDIDATE_EVERY_MS
        candidate = measure(time_ms, frame)
        slot = _slot(time_ms - self._start_ms)
        best = self._slots.get(slot)
        if best is None or candidate.sharpness > best.sharpness:
            self._slots[slot] = candidate

    def take(self, start_ms: int, end_ms: int, *, at_most: int) -> tuple[Candidate, ...]:
        """Remove the candidates of a finished scene and choose among them.

        A scene in which no frame begins shows the last picture before it (a still in a video of
        very few frames per second), or the first of all when sound came before it; that one is
        returned with the scene's start as its time.
        """
        inside = [c for c in self._slots.values() if start_ms <= c.time_ms < end_ms]
        self._slots = {k: c for k, c in self._slots.items() if c.time_ms >= end_ms}
        if inside:
            self._held = max(inside, key=lambda c: c.time_ms)
            return choose(inside, start_ms, end_ms, at_most=at_most)
        return () if self._held is None else (replace(self._held, time_ms=start_ms),)


def measure(time_ms: int, frame: Any) -> Candidate:
    """Measure how sharp a frame is and what it looks like."""
    gray = planes.luma(frame)
    # 16 bits hold the Laplacian of 8-bit samples exactly.
    _, deviation = cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_16S))
    looks = cv2.resize(gray, _GRID, interpolation=cv2.INTER_AREA).astype(np.int16)
    return Candidate(
        time_ms=time_ms, frame=frame, sharpness=float(deviation[0, 0]) ** 2, looks=looks
    )


def choose(
    candidates: Iterable[Candidate], start_ms: int, end_ms: int, *, at_most: int
) -> tuple[Candidate, ...]:
    """The sharpest candidate of each equal part of a scene, without look-alikes, by time."""
    ordered = sorted(candidates, key=lambda c: c.time_ms)
    sharpest = max(c.sharpness for c in ordered)
    ordered = [c for c in ordered if c.sharpness >= sharpest * _BLURRED_SHARE]
    count = min(at_most, next(n for length, n in COUNT_BY_LENGTH_MS if end_ms - start_ms >= length))
    parts: dict[int, Candidate] = {}
    for candidate in ordered:
        part = (candidate.time_ms - start_ms) * count // (end_ms - start_ms)
        if part not in parts or candidate.sharpness > parts[part].sharpness:
            parts[part] = candidate
    # Sharpest first, so that of two look-alikes the better one stays.
    kept: list[Candidate] = []
    for candidate in sorted(parts.values(), key=lambda c: -c.sharpness):
        if not any(look_alike(candidate, other) for other in kept):
            kept.append(candidate)
    return tuple(sorted(kept, key=lambda c: c.time_ms))


def look_alike(one: Candidate, other: Candidate) -> bool:
    """Whether two frames show the same picture."""
    return bool(np.abs(one.looks - other.looks).max() <= _SAME_PICTURE_LEVELS)


def encode(candidate: Candidate, *, scene_ordinal: int, rotation_deg: int, aspect: Any) -> Frame:
    """The candidate as it is shown: RGB, turned, square pixels, at most `LONGEST_PX`, as JPEG."""
    frame = candidate.frame
    width, height = source.display_size(frame.width, frame.height, aspect, 0)
    factor = min(1.0, LONGEST_PX / max(width, height))
    width, height = max(1, round(width * factor)), max(1, round(height * factor))
    picture = frame.reformat(width, height, format="bgr24", interpolation="AREA").to_ndarray()
    picture = np.ascontiguousarray(np.rot90(picture, -rotation_deg // 90))
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return Frame(
        scene_ordinal=scene_ordinal,
        time_ms=candidate.time_ms,
        jpeg=jpeg.tobytes(),
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        sharpness=round(candidate.sharpness, 3),
    )


def _slot(since_start_ms: int) -> int:
    if since_start_ms >= _SLOT_EDGES_MS[-1]:
        return len(_SLOT_EDGES_MS) + (since_start_ms - _SLOT_EDGES_MS[-1]) // _SLOT_MS
    return sum(since_start_ms >= edge for edge in _SLOT_EDGES_MS)
