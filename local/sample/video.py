"""Encode the sample: a drawn film with an English and a Korean subtitle track."""

from __future__ import annotations

from pathlib import Path

from local.sample.film import Film, Line, Take, write_film
from local.sample.pictures import WIDTH_PX, render
from local.sample.script import SHOTS, span_ms

FRAMES_PER_SECOND = 24


def make_sample(path: Path) -> Path:
    """Write the sample video (68 s, 960x540, about 1 MB) and return its path."""
    return write_film(
        path,
        Film(
            width_px=WIDTH_PX,
            frames_per_second=FRAMES_PER_SECOND,
            takes=[
                Take(duration_ms=shot.duration_ms, canvas=render(shot.picture)) for shot in SHOTS
            ],
            subtitles={
                "eng": _lines([shot.english for shot in SHOTS]),
                "kor": _lines([shot.korean for shot in SHOTS]),
            },
        ),
    )


def _lines(texts: list[str]) -> list[Line]:
    lines = []
    for index, text in enumerate(texts):
        start_ms, end_ms = span_ms(index)
        length_ms = min(end_ms - start_ms - 1_000, 4_500)
        lines.append(Line(start_ms=start_ms + 500, end_ms=start_ms + 500 + length_ms, text=text))
    return lines
