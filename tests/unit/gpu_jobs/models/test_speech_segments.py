"""From a decoded clip to segments of sentences."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.models import speech_segments
from gpu_jobs.models.speech_clips import Clip
from gpu_jobs.models.speech_segments import RawClip, RawWord


def raw(*words: RawWord, text: str = "", avg_logprob: float = -0.1) -> RawClip:
    """A clip from 10 to 40 s."""
    return RawClip(
        clip=Clip(start=160_000, end=640_000),
        language="ko",
        text=text or "".join(word.text for word in words),
        words=words,
        avg_logprob=avg_logprob,
        no_speech_probability=0.0,
    )


def word(start_s: float, end_s: float, text: str, probability: float = 0.9) -> RawWord:
    """A word of the decoder."""
    return RawWord(start_s=start_s, end_s=end_s, text=text, probability=probability)


def cut(clip: RawClip) -> list[str]:
    """Texts of a clip's sentences."""
    return ["".join(w.text for w in part) for part in speech_segments.sentences(clip)]


def test_sentences_end_at_full_stops_pauses_and_length() -> None:
    """Each is a segment of its own, so that a hit starts where it is said."""
    assert cut(raw(word(10, 11, " 갔어요."), word(11, 12, " 왜?"))) == [" 갔어요.", " 왜?"]
    assert cut(raw(word(10, 11, " one"), word(12, 13, " two"), word(14.1, 15, " three"))) == [
        " one two",
        " three",
    ]
    assert cut(raw(*(word(10 + n, 11 + n, f" {n}") for n in range(14)))) == [
        " 0 1 2 3 4 5 6 7 8 9 10 11",
        " 12 13",
    ]


def test_seconds_become_the_nearest_millisecond() -> None:
    """16.08 s is 16080 ms though 1000 times its float is a little less."""
    clip = raw(word(16.06, 16.08, " 네"), word(16.08, 16.13, " 그래요"))
    made = speech_segments.segment(clip, clip.words)
    assert made is not None
    assert (made.start_ms, made.end_ms) == (16_060, 16_130)
    assert [(w.start_ms, w.end_ms, w.text) for w in made.words] == [
        (16_060, 16_080, "네"),
        (16_080, 16_130, "그래요"),
    ]
    assert (made.text, made.language) == ("네 그래요", "ko")


def test_text_is_composed_and_readable() -> None:
    """NFC, without the mark of undecodable bytes; what is empty then is no word."""
    jamo = unicodedata.normalize("NFD", "민지")
    clip = raw(word(10, 11, f" {jamo}"), word(11, 12, " \ufffd"), word(12, 13, " 와\ufffd"))
    made = speech_segments.segment(clip, clip.words)
    assert made is not None
    assert made.text == "민지 와"
    assert [w.text for w in made.words] == ["민지", "와"]
    assert speech_segments.segment(clip, clip.words[1:2]) is None


def test_confidence_is_the_mean_probability() -> None:
    """Of the tokens for the segment, of its tokens for a word."""
    clip = raw(word(10, 11, " a", 0.25), avg_logprob=-0.6931)
    made = speech_segments.segment(clip, clip.words)
    assert made is not None
    assert made.confidence == pytest.approx(0.5, abs=1e-3)
    assert made.words[0].confidence == 0.25


def test_a_text_without_words_is_as_long_as_its_clip() -> None:
    """What could not be aligned is kept."""
    clip = raw(text=" 안녕")
    (sentence,) = speech_segments.sentences(clip)
    made = speech_segments.segment(clip, sentence)
    assert made is not None
    assert (made.start_ms, made.end_ms, made.text) == (10_000, 40_000, "안녕")


@given(st.lists(st.tuples(st.floats(-5, 60), st.floats(-5, 60)), min_size=1, max_size=20))
def test_words_are_ordered_and_within_their_clip(times: list[tuple[float, float]]) -> None:
    """Whatever the alignment says, also before or after the clip or backwards."""
    clip = raw(*(word(start, end, " w") for start, end in times))
    made = speech_segments.segment(clip, clip.words)
    assert made is not None
    assert 10_000 <= made.start_ms <= made.end_ms <= 40_000
    assert (made.words[0].start_ms, made.words[-1].end_ms) == (made.start_ms, made.end_ms)
    assert all(w.start_ms <= w.end_ms for w in made.words)
    assert all(a.end_ms <= b.start_ms or b.end_ms == 40_000 for a, b in pairwise(made.words))
