"""Frames in, scenes and their sampled pictures out, one take at a time."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any

from common.domain import Frame, Scene
from gpu_jobs.media import planes, sampling
from gpu_jobs.media.shots import ShotDetector
from gpu_jobs.media.windows import settled_windows, windows


class SceneBuilder:
    """Turns the frames of a video into scenes and a few pictures of each.

    The detector reports a cut a few frames late. Those frames wait, so that no picture is ever
    attributed to the wrong side of a cut.

    Args:
        frames_per_second: average rate.
        rotation_deg: clockwise, applied to sampled pictures.
        aspect: of a pixel, or None for square ones.
    """

    def __init__(
        self, *, frames_per_second: float, rotation_deg: int, aspect: Fraction | None
    ) -> None:
        self._detector = ShotDetector(frames_per_second)
        self._shelf = sampling.Shelf()
        self._rotation_deg = rotation_deg
        self._aspect = aspect
        self._waiting: deque[tuple[int, Any]] = deque()
        self._start_ms = 0
        self._extra_frames = 0
        self._size: tuple[int, int] | None = None
        self.scenes: list[Scene] = []
        self.frames: list[Frame] = []

    def add(self, time: Fraction, frame: Any) -> None:
        """Take the next frame; `time` in seconds, ≥ 0, later than the one before."""
        if self._size is None:
            self._shelf.hold(milliseconds(time), frame)
        self._waiting.append((milliseconds(time), frame))
        for cut in self._detector.process(time, self._thumbnail(frame)):
            self._release(before_ms=milliseconds(cut))
            self._close_take(milliseconds(cut))
        while len(self._waiting) > self._detector.delay_frames:
            self._shelve(*self._waiting.popleft())

    def finish(self, duration_ms: int) -> None:
        """End the last take at the end of the video."""
        self._release(before_ms=None)
        self._close_take(max(duration_ms, self._start_ms + 1))

    def _thumbnail(self, frame: Any) -> planes.Picture:
        """Of the size of the first one: a stream may change its dimensions, a detector may not."""
        picture = planes.thumbnail(frame)
        height_px, width_px = picture.shape[:2]
        self._size = self._size or (width_px, height_px)
        same = self._size == (width_px, height_px)
        return picture if same else planes.resized(picture, *self._size)

    def _release(self, *, before_ms: int | None) -> None:
        while self._waiting and (before_ms is None or self._waiting[0][0] < before_ms):
            self._shelve(*self._waiting.popleft())

    def _shelve(self, time_ms: int, frame: Any) -> None:
        for start_ms, end_ms in settled_windows(self._start_ms, time_ms):
            self._emit(start_ms, end_ms)
        self._shelf.offer(time_ms, frame)

    def _close_take(self, end_ms: int) -> None:
        if end_ms <= self._start_ms:
            return
        for start_ms, window_end_ms in windows(self._start_ms, end_ms):
            self._emit(start_ms, window_end_ms)
        self._shelf.open_take(end_ms)

    def _emit(self, start_ms: int, end_ms: int) -> None:
        ordinal = len(self.scenes)
        self.scenes.append(Scene(ordinal=ordinal, start_ms=start_ms, end_ms=end_ms))
        left = sampling.MAX_EXTRA_FRAMES - self._extra_frames
        chosen = self._shelf.take(start_ms, end_ms, at_most=1 + max(left, 0))
        self._extra_frames += max(len(chosen) - 1, 0)
        self.frames.extend(
            sampling.encode(
                candidate,
                scene_ordinal=ordinal,
                rotation_deg=self._rotation_deg,
                aspect=self._aspect,
            )
            for candidate in chosen
        )
        self._start_ms = end_ms


def milliseconds(time: Fraction) -> int:
    """Seconds as whole milliseconds, to the nearest."""
    return round(time * 1000)
