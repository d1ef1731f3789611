"""The library as real files, drawn and encoded when they are first needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from local.evaluation.drawing import WIDTH_PX, render
from local.evaluation.labels import Language, Video
from local.sample.film import Film, Line, Take, write_film

FRAMES_PER_SECOND = 5
#: As containers name languages (ISO 639-2).
_TRACKS: Mapping[Language, str] = MappingProxyType({"en": "eng", "ko": "kor"})


def make_video(video: Video, path: Path) -> Path:
    """The video's file (480x270, 30 to 50 s, about 0.4 MB), encoded unless it is there."""
    if path.exists():
        return path
    takes = [
        Take(duration_ms=shot.duration_ms, canvas=render(shot.picture, shot.screen))
        for shot in video.shots
    ]
    return write_film(
        path,
        Film(
            width_px=WIDTH_PX,
            frames_per_second=FRAMES_PER_SECOND,
            takes=takes,
            subtitles=_subtitles(video),
        ),
    )


def _subtitles(video: Video) -> dict[str, list[Line]]:
    tracks = {track: video.lines(language) for language, track in _TRACKS.items()}
    return {track: lines for track, lines in tracks.items() if lines}
