"""What the decoder says about a clip, as segments: one sentence each, in ms, within the clip."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from common.domain import Segment, Word
from gpu_jobs.models.speech_clips import Clip
from gpu_jobs.models.speech_guards import Evidence

#: A pause that ends a sentence which has no full stop.
_PAUSE_S: Final = 1.0
#: A sentence longer than this goes on in the next segment: a hit should start near what was said.
_MAX_SENTENCE_S: Final = 12.0
_ENDINGS: Final = tuple(".?!。？！…")
#: Whisper's time step; no word is shorter.
_MIN_WORD_MS: Final = 20


@dataclass(frozen=True, kw_only=True)
class RawWord:
    """A word as faster-whisper gives it: seconds of the whole sound, space kept in front."""

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class RawClip:
    """What the decoder says about one clip."""

    clip: Clip
    #: Code of the language, as Whisper writes it: mostly ISO 639-1.
    language: str
    text: str
    words: tuple[RawWord, ...]
    avg_logprob: float
    no_speech_probability: float

    @property
    def evidence(self) -> Evidence:
        """For the guards of a clip."""
        return self._evidence(self.text, self.words)

    def evidence_of(self, sentence: Sequence[RawWord]) -> Evidence:
        """For the guards of a sentence."""
        return self._evidence("".join(word.text for word in sentence), sentence)

    def _evidence(self, text: str, words: Sequence[RawWord]) -> Evidence:
        return Evidence(
            text=_clean(text),
            avg_logprob=self.avg_logprob,
            no_speech_probability=self.no_speech_probability,
            word_probability=(
                sum(word.probability for word in words) / len(words) if words else 1.0
            ),
        )


def sentences(raw: RawClip) -> Iterator[tuple[RawWord, ...]]:
    """Cut a clip's words after full stops, at pauses, and after 12 s.

    A text whose words could not be found in the sound is one word as long as the clip.
    """
    clip = raw.clip
    whole = RawWord(
        start_s=clip.start_ms / 1000, end_s=clip.end_ms / 1000, text=raw.text, probability=1.0
    )
    sentence: list[RawWord] = []
    for word in raw.words or (whole,):
        if sentence and _ends(sentence, word):
            yield tuple(sentence)
            sentence = []
        sentence.append(word)
    if sentence:
        yield tuple(sentence)


def segment(raw: RawClip, sentence: Sequence[RawWord]) -> Segment | None:
    """A sentence of a clip as a segment.

    Returns:
        Times in ms of the whole sound, within the clip; words ordered and within the segment; or
        None if nothing readable is said.
    """
    words = tuple(_words(raw.clip, sentence))
    text = _clean("".join(word.text for word in sentence))
    if not words or not text:
        return None
    return Segment(
        start_ms=words[0].start_ms,
        end_ms=words[-1].end_ms,
        text=text,
        language=raw.language,
        words=words,
        confidence=_probability(math.exp(min(raw.avg_logprob, 0.0))),
    )


def _ends(sentence: Sequence[RawWord], following: RawWord) -> bool:
    last = sentence[-1]
    return (
        last.text.rstrip().endswith(_ENDINGS)
        or following.start_s - last.end_s > _PAUSE_S
        or following.end_s - sentence[0].start_s > _MAX_SENTENCE_S
    )


def _words(clip: Clip, sentence: Sequence[RawWord]) -> Iterator[Word]:
    """Words in ms; each starts no earlier than the one before ends, and has a length."""
    earliest = clip.start_ms
    latest = max(clip.end_ms - _MIN_WORD_MS, clip.start_ms)
    for word in sentence:
        text = _clean(word.text)
        if not text:
            continue
        start_ms = min(max(round(word.start_s * 1000), earliest), latest)
        end_ms = min(max(round(word.end_s * 1000), start_ms + _MIN_WORD_MS), clip.end_ms)
        earliest = end_ms
        yield Word(
            start_ms=start_ms,
            end_ms=end_ms,
            text=text,
            confidence=_probability(word.probability),
        )


def _clean(text: str) -> str:
    """NFC, single spaces, without what stands for bytes that are no text."""
    return " ".join(unicodedata.normalize("NFC", text.replace("\ufffd", "")).split())


def _probability(value: float) -> float:
    return round(min(max(float(value), 0.0), 1.0), 4)
