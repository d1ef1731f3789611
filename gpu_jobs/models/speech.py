"""Speech to text with Whisper, on the GPU or the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from common import log
from common.domain import Segment
from common.errors import TransientError
from gpu_jobs.models import hotwords as hints
from gpu_jobs.models import speech_clips, speech_guards, speech_segments
from gpu_jobs.models.device import Device, in_batches
from gpu_jobs.models.speech_clips import Clip, SpeechFinder
from gpu_jobs.models.speech_segments import RawClip

_BATCH_SIZES: Final = {"cuda": 16, "cpu": 4}


def _ignore(_: float) -> None:
    pass


class Whisper:
    """A multilingual Whisper in CTranslate2's format, guarded against what it makes up.

    Sound is cut into clips of at most 30 s where speech is; each clip is decoded in its own
    language, without the text before it (a wrong text would go on in the next clip).

    Args:
        directory: with the model's verified files.
        device: where to compute.
        name: of the model, for the record.
        batch_size: clips that are decoded together; 0 for 16 on a GPU and 4 on a CPU.
        compute_type: CTranslate2's; "" for float16 on a GPU and int8 on a CPU.
        find_speech: where speech is.

    Raises:
        ConfigError: files are missing or do not fit together, or the model knows English only.
    """

    def __init__(
        self,
        directory: Path,
        *,
        device: Device,
        name: str,
        batch_size: int = 0,
        compute_type: str = "",
        find_speech: SpeechFinder = speech_clips.find_speech,
    ) -> None:
        # Loads faster-whisper, which only a process that listens pays for.
        from gpu_jobs.models.speech_decoder import Decoder

        self.name = name
        self._batch_size = batch_size or _BATCH_SIZES[device.kind]
        self._find_speech = find_speech
        self._decoder = Decoder(directory, device=device, compute_type=compute_type)

    def transcribe(
        self,
        samples: npt.NDArray[np.float32],
        *,
        hotwords: Sequence[str] = (),
        on_progress: Callable[[float], None] = _ignore,
    ) -> tuple[Segment, ...]:
        """Write down what is said.

        Args:
            samples: (n,) float32, 16 kHz mono in [-1, 1].
            hotwords: names that are likely to be said.
            on_progress: called after every batch with the share of the sound that is done; what
                it raises ends the call.

        Returns:
            One segment per sentence, ordered by start; times in ms from the first sample, words
            within their segments. Nothing for silence, noise and music.

        Raises:
            TransientError: `stage_failed`; memory ran out also at half the batch, or the decoder
                failed.
            ValueError: the samples are not float32 or not of one channel.
        """
        if samples.dtype != np.float32 or samples.ndim != 1:
            raise ValueError(f"(n,) float32 expected, got {samples.shape} {samples.dtype}")
        clips = self._clips(samples)
        hint = hints.hint(hotwords, self._decoder.count_tokens)

        def decode(batch: Sequence[Clip]) -> list[RawClip]:
            try:
                decoded = self._decoder.decode(samples, batch, hotwords=hint)
            except ValueError as error:
                raise TransientError("stage_failed", "the speech decoder failed") from error
            on_progress(batch[-1].end / samples.size)
            return decoded

        try:
            batches = in_batches(clips, self._batch_size, decode)
        except RuntimeError as error:
            raise TransientError("stage_failed", "the speech decoder failed") from error
        return tuple(_segments([raw for batch in batches for raw in batch]))

    def close(self) -> None:
        """Give the weights' memory back; the model cannot be used afterwards."""
        self._decoder.close()

    def _clips(self, samples: npt.NDArray[np.float32]) -> tuple[Clip, ...]:
        """Clips that may be decoded: speech was found in them, and they are loud enough."""
        speech = self._find_speech(samples) if samples.size else ()
        clips = speech_clips.clips(speech, samples.size)
        return tuple(
            clip for clip in clips if speech_guards.audible(samples[clip.start : clip.end])
        )


def _segments(decoded: Sequence[RawClip]) -> list[Segment]:
    """Sentences that pass the guards."""
    dropped: Counter[str] = Counter()
    segments: list[Segment] = []
    said = [raw for raw in decoded if raw.evidence.text]
    repeated = speech_guards.repeated([raw.evidence for raw in said])
    for raw, again in zip(said, repeated, strict=True):
        guard = "repeat" if again else ""
        guard = guard or speech_guards.objection(raw.evidence, speech_guards.CLIP_GUARDS)
        if guard:
            dropped[guard] += 1
            continue
        for sentence in speech_segments.sentences(raw):
            evidence = raw.evidence_of(sentence)
            if guard := speech_guards.objection(evidence, speech_guards.SENTENCE_GUARDS):
                dropped[guard] += 1
            elif made := speech_segments.segment(raw, sentence):
                segments.append(made)
    if dropped:
        log.event("speech.dropped", guards=dict(dropped))
    return sorted(segments, key=lambda made: (made.start_ms, made.end_ms))
