"""What the guards let through and what not, without a decoder."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_jobs.models import speech_guards as guards
from gpu_jobs.models.speech_guards import Evidence
from tests import sounds


def heard(
    text: str,
    avg_logprob: float = -0.2,
    no_speech_probability: float = 0.0,
    word_probability: float = 0.9,
) -> Evidence:
    """Text that the model is sure of, unless said otherwise."""
    return Evidence(
        text=text,
        avg_logprob=avg_logprob,
        no_speech_probability=no_speech_probability,
        word_probability=word_probability,
    )


def test_a_level_is_measured_in_decibels() -> None:
    """Sound at -64 dBFS may be speech, sound at -66 dBFS may not; no sound is none."""
    ones = np.ones(1_600, np.float32)
    assert guards.audible(ones * np.float32(10 ** (-64 / 20)))
    assert not guards.audible(ones * np.float32(10 ** (-66 / 20)))
    assert not guards.audible(sounds.silence(1.0))
    assert not guards.audible(sounds.silence(0.0))


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ("하하" * 40, True),
        ("I see. " * 20, True),
        ("And so, my fellow Americans, ask not what your country can do for you, ask what you can "
         "do for your country.", False),
        ("오늘은 비가 와서 공원에 못 갔는데 내일은 꼭 같이 가자고 했어요.", False),
        ("", False),
    ],
)  # fmt: skip
def test_text_that_compresses_too_well_is_stopped(text: str, stops: bool) -> None:
    """Loops do, speech with its natural repetitions does not."""
    assert guards.too_repetitive(heard(text)) is stops


@pytest.mark.parametrize(("avg_logprob", "stops"), [(-1.01, True), (-0.99, False)])
def test_guessed_text_is_stopped(avg_logprob: float, stops: bool) -> None:
    """The threshold is a mean log-probability of -1."""
    assert guards.too_unsure(heard("words", avg_logprob)) is stops


@pytest.mark.parametrize(
    ("no_speech", "avg_logprob", "stops"),
    [(0.61, -0.51, True), (0.59, -0.51, False), (0.99, -0.49, False)],
)
def test_no_speech_counts_unless_the_text_is_sure(
    no_speech: float, avg_logprob: float, stops: bool
) -> None:
    """Both must speak against the text: no-speech alone is often wrong on real speech."""
    assert guards.nobody_speaks(heard("words", avg_logprob, no_speech)) is stops


@pytest.mark.parametrize(
    ("text", "avg_logprob", "stops"),
    [
        ("thank you thank you thank you thank you", -0.2, True),
        ("Thank you. Thank you, thank you! THANK YOU", -0.2, True),
        ("thank you thank you thank you", -0.2, False),
        ("고맙습니다 고맙습니다 고맙습니다 고맙습니다", -0.2, True),
        ("네 네 네 네 네", -0.2, False),
        ("네 네 네 네 네", -0.6, True),
        ("so I said run run run run and then he ran home with all of his friends", -0.2, False),
        ("well thank you thank you thank you thank you", -0.2, True),
        ("a b c a b c a b c a b c", -0.6, True),
        ("한 번 두 번 세 번 네 번", -0.2, False),
    ],
)
def test_loops_are_stopped(text: str, avg_logprob: float, stops: bool) -> None:
    """Four times the same phrase, if it is most of the text and no short answer."""
    assert guards.loops(heard(text, avg_logprob)) is stops


@pytest.mark.parametrize(
    "text",
    [
        "시청해주셔서 감사합니다.",
        "시청해 주셔서 감사합니다",
        "끝까지 시청해주셔서 감사합니다!",
        "MBC 뉴스 이덕영입니다.",
        "Thanks for watching!",
        "Thank you for watching.",
        "Subtitles by the Amara.org community",
    ],
)
def test_closings_need_evidence(text: str) -> None:
    """Each is dropped when the model, or half of its words, is unsure, and kept when it is not."""
    assert not guards.invented_closing(heard(text))
    assert guards.invented_closing(heard(text, avg_logprob=-0.6))
    assert guards.invented_closing(heard(text, no_speech_probability=0.7))
    assert guards.invented_closing(heard(text, word_probability=0.4))


@pytest.mark.parametrize("text", ["MBC에서 뉴스를 봤어요", "I was watching you", "감사합니다"])
def test_other_sentences_need_no_more(text: str) -> None:
    """Poor evidence alone does not make a closing."""
    assert not guards.invented_closing(heard(text, avg_logprob=-0.9, word_probability=0.1))


def test_the_same_text_three_times_is_dropped() -> None:
    """A run of equal clips goes, whatever their points and capitals; two may be."""
    texts = ["Thank you.", "thank you", "Thank you!", "Good morning", "Good night", "good night."]
    assert guards.repeated([heard(text) for text in texts]) == (True,) * 3 + (False,) * 3


def test_short_answers_may_be_repeated() -> None:
    """People say "네" three times, unless the model is not sure that they do."""
    answers = [heard("네."), heard("네"), heard("네", avg_logprob=-0.6)]
    assert guards.repeated(answers) == (False, False, True)
    assert guards.repeated([]) == ()


def test_the_first_objection_is_named() -> None:
    """A record says which guard stopped a text."""
    assert guards.objection(heard("words"), guards.CLIP_GUARDS) == ""
    assert guards.objection(heard("words", -3.0), guards.CLIP_GUARDS) == "log_probability"
