"""Stage `text_read`: on-screen text, each line once per scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from common.domain import Frame, SampledFrames, ScreenText, TextLine
from gpu_jobs.models import Models, ReadLine, TextReader
from gpu_jobs.models.jpeg import pixels

#: A page of small print is not worth more; bounds the sidecar.
_MAX_LINES_PER_SCENE: Final = 40
_MAX_CHARS: Final = 200
#: Grid on which two frames are compared: cells of about 13 px, smaller than a readable letter.
_GRID: Final = (54, 96)
#: Largest difference of a cell's mean grey (0–255) between frames that show the same text: noise
#: and JPEG stay below 4, one changed letter of 16 px is above 20.
_SAME_GREY: Final = 6.0
#: Two readings of one line: alike and in the same place.
_ALIKE: Final = 0.8
_SAME_PLACE: Final = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reading:
    """What was read in a frame, kept for a next one that looks the same."""

    grey: npt.NDArray[np.float32]
    lines: tuple[ReadLine, ...]


def run(
    *, vision_sample_frames: SampledFrames, models: Models, progress: Callable[[float], None]
) -> ScreenText:
    """Read the text in every frame that differs from the one before.

    Args:
        vision_sample_frames: the frames, ordered by time.
        models: with the reader.
        progress: told the share done, 0–1.

    Returns:
        Lines ordered by time. A line that stays on screen is kept once per scene, as it was read
        best; at most 40 lines per scene.
    """
    frames = vision_sample_frames.frames
    lines: list[TextLine] = []
    before: _Reading | None = None
    for place, frame in enumerate(frames):
        before = _read(frame, before, models.ocr)
        lines += (_line(frame, line) for line in before.lines)
        progress((place + 1) / len(frames))
    lines.sort(key=lambda line: line.scene_ordinal)
    by_scene = groupby(lines, key=lambda line: line.scene_ordinal)
    kept = [line for _, scene_lines in by_scene for line in _distinct(scene_lines)]
    ordered = sorted(kept, key=lambda line: (line.time_ms, line.box[1], line.box[0], line.text))
    return ScreenText(lines=tuple(ordered), model=models.ocr.name)


def _read(frame: Frame, before: _Reading | None, reader: TextReader) -> _Reading:
    picture = pixels(frame.jpeg)
    grey = _grey(picture)
    if before is not None and float(np.abs(grey - before.grey).max()) < _SAME_GREY:
        # Compared with the frame that was read, so that slow changes add up.
        return before
    return _Reading(grey=grey, lines=reader.read(picture))


def _grey(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Mean grey of each cell of the grid; (54, 96) whatever the picture's size."""
    grey = picture.mean(axis=2)
    for axis, cells in enumerate(_GRID):
        size = grey.shape[axis]
        starts = np.arange(cells) * size // cells
        # A picture smaller than the grid repeats its rows: reduceat gives single rows for those.
        sums = np.add.reduceat(grey, starts, axis=axis)
        counts = np.maximum(np.diff(np.append(starts, size)), 1)
        grey = sums / (counts[:, None] if axis == 0 else counts)
    return np.asarray(grey, dtype=np.float32)


def _line(frame: Frame, line: ReadLine) -> TextLine:
    return TextLine(
        scene_ordinal=frame.scene_ordinal,
        time_ms=frame.time_ms,
        text=line.text[:_MAX_CHARS],
        box=line.box,
        confidence=line.confidence,
    )


def _distinct(lines: Iterable[TextLine]) -> list[TextLine]:
    """Each line once, as it was read best, and when it was first seen that way."""
    kept: list[TextLine] = []
    for line in sorted(lines, key=lambda each: (-each.confidence, each.time_ms, each.text)):
        if not any(_same(line, other) for other in kept):
            kept.append(line)
        if len(kept) == _MAX_LINES_PER_SCENE:
            break
    return kept


def _same(line: TextLine, other: TextLine) -> bool:
    mine, theirs = ("".join(each.text.casefold().split()) for each in (line, other))
    if mine == theirs:
        return True
    # "Page 1" and "Page 2" are alike and in the same place, and are two lines.
    if [c for c in mine if c.isdigit()] != [c for c in theirs if c.isdigit()]:
        return False
    if _intersection_over_union(line.box, other.box) < _SAME_PLACE:
        return False
    return SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= _ALIKE


Box = tuple[float, float, float, float]


def _intersection_over_union(one: Box, other: Box) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union > 0 else 0.0
