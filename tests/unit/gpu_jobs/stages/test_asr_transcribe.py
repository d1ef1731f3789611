"""Subtitles as the transcript, or what the speech model hears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from common.domain import AudioExtract, Segment, Transcript
from gpu_jobs.stages import asr_transcribe
from tests import sounds
from tests.unit.gpu_jobs.stages.examples import models, segment, sound, track


def transcribe(audio: AudioExtract, *, with_models: Any = None) -> Transcript:
    """Run the stage, by default with the offline models."""
    return asr_transcribe.run(
        audio_extract=audio,
        models=with_models or models(),
        names=("민지",),
        progress=lambda _: None,
    )


def test_all_tracks_become_segments() -> None:
    """Every cue of every language is a segment, ordered by start."""
    english = track("en", (2_000, 3_000, "Good morning"), (5_000, 6_000, "Bye"))
    korean = track("ko", (1_000, 2_500, "좋은 아침이에요"))
    result = transcribe(sound(english, korean))
    assert [(s.start_ms, s.language, s.text) for s in result.segments] == [
        (1_000, "ko", "좋은 아침이에요"),
        (2_000, "en", "Good morning"),
        (5_000, "en", "Bye"),
    ]
    assert (result.source, result.note) == ("subtitles", "")


def test_an_unknown_language_is_told_by_script() -> None:
    """A track without a language takes that of its letters, cue by cue."""
    unknown = track("", (0, 1_000, "안녕하세요"), (1_000, 2_000, "Hello"), (2_000, 3_000, "♪"))
    result = transcribe(sound(unknown))
    assert [segment.language for segment in result.segments] == ["ko", "en", ""]


def test_the_same_cue_twice_is_one_segment() -> None:
    """A track that is in the file and was uploaded too is not said twice."""
    cues = ((0, 1_000, "Hello"), (1_000, 2_000, "there"))
    result = transcribe(sound(track("en", *cues), track("en", *cues)))
    assert [segment.text for segment in result.segments] == ["Hello", "there"]


def test_without_subtitles_the_record_says_why() -> None:
    """The offline profile has no speech model, and says so instead of failing."""
    result = transcribe(sound())
    assert result.segments == ()
    assert result.note == "profile_has_no_speech_model"


def test_empty_cues_are_left_out() -> None:
    """Cues without text or time are no segments."""
    cues = track("en", (0, 1_000, "  "), (2_000, 2_000, "never"), (3_000, 4_000, "yes"))
    result = transcribe(sound(cues))
    assert [segment.text for segment in result.segments] == ["yes"]


def test_longer_words_take_longer() -> None:
    """A cue's time is shared out by the length of its words."""
    cues = track("en", (1_000, 2_000, "I extraordinarily do"))
    (segment,) = transcribe(sound(cues)).segments
    assert [(word.text, word.start_ms, word.end_ms) for word in segment.words] == [
        ("I", 1_000, 1_055),
        ("extraordinarily", 1_055, 1_888),
        ("do", 1_888, 2_000),
    ]


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.text(min_size=1))
def test_words_tile_their_cue(start_ms: int, length_ms: int, text: str) -> None:
    """Words cover the cue from start to end without gap or overlap, in order."""
    cues = track("en", (start_ms, start_ms + length_ms, text))
    for said in transcribe(sound(cues)).segments:
        words = said.words
        assert words[0].start_ms == start_ms
        assert words[-1].end_ms == start_ms + length_ms
        assert all(a.end_ms == b.start_ms for a, b in pairwise(words))
        assert " ".join(word.text for word in words) == said.text


class Listener:
    """A speech model that says what it is told to, and keeps what it was given."""

    name = "listener"

    def __init__(self, *segments: Segment) -> None:
        self.segments = segments
        self.samples: npt.NDArray[np.float32] | None = None
        self.hotwords: Sequence[str] = ()

    def transcribe(
        self,
        samples: npt.NDArray[np.float32],
        *,
        hotwords: Sequence[str] = (),
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> tuple[Segment, ...]:
        self.samples, self.hotwords = samples, hotwords
        on_progress(1.0)
        return self.segments


def spoken() -> AudioExtract:
    """Sound of a tenth of a second."""
    values = np.arange(-800, 800, dtype=np.int16)
    return replace(sound(), flac=sounds.as_flac(values))


def models_with(speech: Listener) -> Any:
    """Models of which only this one is asked for."""
    return SimpleNamespace(speech=speech)


def test_without_subtitles_the_model_listens() -> None:
    """It gets the sound as samples and the people's names, and tells how far it is."""
    listener, progress = Listener(segment(0, 90, "hello")), list[float]()
    result = asr_transcribe.run(
        audio_extract=spoken(),
        models=models_with(listener),
        names=("민지", "Jun"),
        progress=progress.append,
    )
    assert (result.segments, result.source, result.note) == (listener.segments, "listener", "")
    assert listener.samples is not None
    np.testing.assert_array_equal(listener.samples, np.arange(-800, 800) / np.float32(32_768))
    assert (listener.hotwords, progress) == (("민지", "Jun"), [1.0])


def test_subtitles_go_before_the_model() -> None:
    """What people wrote is not heard again."""
    listener = Listener(segment(0, 90, "heard"))
    audio = replace(spoken(), cue_tracks=(track("en", (0, 1_000, "written")),))
    result = transcribe(audio, with_models=models_with(listener))
    assert ([s.text for s in result.segments], result.source) == (["written"], "subtitles")
    assert listener.samples is None


def test_a_transcript_says_that_nobody_speaks() -> None:
    """No speech in the sound and no sound at all are told apart; the model made the first."""
    listening = models_with(Listener())
    quiet = transcribe(spoken(), with_models=listening)
    assert (quiet.segments, quiet.source, quiet.note) == ((), "listener", "no_speech_found")
    silent = transcribe(sound(), with_models=listening)
    assert (silent.segments, silent.source, silent.note) == ((), "", "no_sound")
