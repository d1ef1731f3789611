"""From speech to the clips that are decoded together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.models import speech_clips
from gpu_jobs.models.speech_clips import GRID, MAX_CLIP, RATE_HZ
from tests import sounds


def seconds(*spans_s: tuple[float, float], length_s: float = 100.0) -> list[tuple[float, float]]:
    """Clips of spans, all in seconds."""
    speech = [(round(start * RATE_HZ), round(end * RATE_HZ)) for start, end in spans_s]
    made = speech_clips.clips(speech, round(length_s * RATE_HZ))
    return [(clip.start / RATE_HZ, clip.end / RATE_HZ) for clip in made]


def test_short_pauses_stay_within_a_clip() -> None:
    """A pause of a second joins, a longer one parts."""
    assert seconds((1.0, 2.0), (3.0, 4.0), (5.25, 6.0)) == [(1.0, 4.0), (5.25, 6.0)]


def test_clips_lie_on_quarter_seconds_around_the_speech() -> None:
    """They begin before and end after it, and not after the sound."""
    assert seconds((1.3, 2.1)) == [(1.25, 2.25)]
    assert seconds((1.3, 2.1), length_s=2.15) == [(1.25, 2.15)]


def test_no_clip_is_longer_than_whisper_listens() -> None:
    """Speech goes on in the next clip, with nothing lost or said twice."""
    assert seconds((0.0, 20.0), (20.5, 31.0)) == [(0.0, 20.0), (20.5, 31.0)]
    assert seconds((0.1, 20.1), (20.1, 31.0)) == [(0.0, 20.0), (20.0, 31.0)]
    assert seconds((0.0, 70.0)) == [(0.0, 30.0), (30.0, 60.0), (60.0, 70.0)]


@given(
    st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 472_000)), max_size=12),
    st.integers(0, 200_000),
)
def test_clips_cover_all_speech_once(steps: list[tuple[int, int]], rest: int) -> None:
    """Whatever is found is in a clip; clips are ordered, apart and short enough."""
    speech, at = [], 0
    for gap, length in steps:
        speech.append((at + gap, at + gap + length))
        at += gap + length
    made = speech_clips.clips(speech, at + rest)
    assert all(0 < clip.end - clip.start <= MAX_CLIP for clip in made)
    assert all(clip.start % GRID == 0 and clip.end <= at + rest for clip in made)
    assert all(a.end <= b.start for a, b in pairwise(made))
    for start, end in speech:
        covered = sum(max(0, min(end, clip.end) - max(start, clip.start)) for clip in made)
        assert covered == end - start


@pytest.mark.torch
def test_speech_is_found_where_it_is() -> None:
    """Four phrases in silence are found within 0.5 s, the pauses between them are not."""
    voice, delay = sounds.real_speech(), 5 * RATE_HZ
    quiet = sounds.silence(5.0)
    spans = speech_clips.find_speech(np.concatenate([quiet, voice, quiet]))
    assert delay - RATE_HZ // 2 <= spans[0][0] <= delay + RATE_HZ // 2
    assert spans[-1][1] <= delay + voice.size + RATE_HZ // 2
    assert sum(end - start for start, end in spans) > 8 * RATE_HZ
    assert all(end - start <= 29.5 * RATE_HZ for start, end in spans)
