"""Where speech is, and the clips of it that are decoded together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

RATE_HZ: Final = 16_000
#: Whisper reads 30 s at a time, and nothing after that.
MAX_CLIP: Final = 30 * RATE_HZ
#: Clips start on quarters of a second: these are exact in binary fractions and in Whisper's 10 ms
#: frames, so that no rounding on the way moves the words.
GRID: Final = RATE_HZ // 4
#: Speech that is closer than this is decoded together. A longer pause begins a new clip, which may
#: be in another language. Every clip costs as much as 30 s, so that shorter pauses must not.
JOIN_GAP: Final = RATE_HZ

#: Silero's own threshold; it gives 0.36 at most to noise, hum and chords, and over 0.9 to speech.
_THRESHOLD: Final = 0.5
#: Clicks and coughs are shorter.
_MIN_SPEECH_MS: Final = 250
#: As faster-whisper's batched pipeline has it.
_MIN_SILENCE_MS: Final = 160
_PAD_MS: Final = 400
#: What rounding to the grid adds must still fit into a clip.
_MAX_SPEECH_S: Final = (MAX_CLIP - 2 * GRID) / RATE_HZ

Samples: TypeAlias = npt.NDArray[np.float32]
Span: TypeAlias = tuple[int, int]
#: (n,) samples to (start, end) of speech in samples, half-open and ordered.
SpeechFinder: TypeAlias = Callable[[Samples], Sequence[Span]]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A stretch of the sound with speech in it, in samples, half-open."""

    start: int
    end: int

    @property
    def start_ms(self) -> int:
        """From the start of the sound."""
        return self.start * 1000 // RATE_HZ

    @property
    def end_ms(self) -> int:
        """From the start of the sound."""
        return self.end * 1000 // RATE_HZ


def find_speech(samples: Samples) -> tuple[Span, ...]:
    """Find speech with the Silero detector that faster-whisper carries.

    Args:
        samples: (n,) 16 kHz mono in [-1, 1].

    Returns:
        (start, end) in samples with 0.4 s around the speech, none longer than 29.5 s.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        threshold=_THRESHOLD,
        min_speech_duration_ms=_MIN_SPEECH_MS,
        max_speech_duration_s=_MAX_SPEECH_S,
        min_silence_duration_ms=_MIN_SILENCE_MS,
        speech_pad_ms=_PAD_MS,
    )
    found = get_speech_timestamps(samples, options, sampling_rate=RATE_HZ)
    return tuple((span["start"], span["end"]) for span in found)


def clips(speech: Sequence[Span], length: int) -> tuple[Clip, ...]:
    """Join neighbouring speech to clips of at most 30 s.

    Args:
        speech: (start, end) in samples, ordered.
        length: of the sound, in samples.

    Returns:
        Clips that cover all the speech and do not overlap, pauses within them included.
    """
    joined: list[list[int]] = []
    for start, end in (part for span in speech for part in _parts(span, length)):
        if joined and start - joined[-1][1] <= JOIN_GAP and end - joined[-1][0] <= MAX_CLIP:
            joined[-1][1] = max(joined[-1][1], end)
            continue
        if joined:
            joined[-1][1] = min(joined[-1][1], start)
        joined.append([start, end])
    return tuple(Clip(start=start, end=end) for start, end in joined if start < end)


def _parts(span: Span, length: int) -> list[Span]:
    """The span on the grid, cut where it is longer than a clip."""
    start = max(span[0], 0) // GRID * GRID
    end = min(-(-span[1] // GRID) * GRID, length)
    return [(at, min(at + MAX_CLIP, end)) for at in range(start, end, MAX_CLIP)]
