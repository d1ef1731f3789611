"""Subtitles as the transcript."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.stages import asr_transcribe
from tests.unit.gpu_jobs.stages.examples import models, sound, track


def test_all_tracks_become_segments() -> None:
    """Every cue of every language is a segment, ordered by start."""
    english = track("en", (2_000, 3_000, "Good morning"), (5_000, 6_000, "Bye"))
    korean = track("ko", (1_000, 2_500, "좋은 아침이에요"))
    result = asr_transcribe.run(audio_extract=sound(english, korean), models=models())
    assert [(s.start_ms, s.language, s.text) for s in result.segments] == [
        (1_000, "ko", "좋은 아침이에요"),
        (2_000, "en", "Good morning"),
        (5_000, "en", "Bye"),
    ]
    assert (result.source, result.note) == ("subtitles", "")


def test_an_unknown_language_is_told_by_script() -> None:
    """A track without a language takes that of its letters, cue by cue."""
    unknown = track("", (0, 1_000, "안녕하세요"), (1_000, 2_000, "Hello"), (2_000, 3_000, "♪"))
    result = asr_transcribe.run(audio_extract=sound(unknown), models=models())
    assert [segment.language for segment in result.segments] == ["ko", "en", ""]


def test_the_same_cue_twice_is_one_segment() -> None:
    """A track that is in the file and was uploaded too is not said twice."""
    cues = ((0, 1_000, "Hello"), (1_000, 2_000, "there"))
    result = asr_transcribe.run(
        audio_extract=sound(track("en", *cues), track("en", *cues)), models=models()
    )
    assert [segment.text for segment in result.segments] == ["Hello", "there"]


def test_without_subtitles_the_record_says_why() -> None:
    """The offline profile has no speech model, and says so instead of failing."""
    result = asr_transcribe.run(audio_extract=sound(), models=models())
    assert result.segments == ()
    assert result.note == "profile_has_no_speech_model"


def test_empty_cues_are_left_out() -> None:
    """Cues without text or time are no segments."""
    cues = track("en", (0, 1_000, "  "), (2_000, 2_000, "never"), (3_000, 4_000, "yes"))
    result = asr_transcribe.run(audio_extract=sound(cues), models=models())
    assert [segment.text for segment in result.segments] == ["yes"]


def test_longer_words_take_longer() -> None:
    """A cue's time is shared out by the length of its words."""
    cues = track("en", (1_000, 2_000, "I extraordinarily do"))
    (segment,) = asr_transcribe.run(audio_extract=sound(cues), models=models()).segments
    assert [(word.text, word.start_ms, word.end_ms) for word in segment.words] == [
        ("I", 1_000, 1_055),
        ("extraordinarily", 1_055, 1_888),
        ("do", 1_888, 2_000),
    ]


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.text(min_size=1))
def test_words_tile_their_cue(start_ms: int, length_ms: int, text: str) -> None:
    """Words cover the cue from start to end without gap or overlap, in order."""
    cues = track("en", (start_ms, start_ms + length_ms, text))
    for segment in asr_transcribe.run(audio_extract=sound(cues), models=models()).segments:
        words = segment.words
        assert words[0].start_ms == start_ms
        assert words[-1].end_ms == start_ms + length_ms
        assert all(a.end_ms == b.start_ms for a, b in pairwise(words))
        assert " ".join(word.text for word in words) == segment.text
