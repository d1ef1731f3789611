"""A Whisper in CTranslate2's format, decoded clip by clip through faster-whisper.

Importing this loads faster-whisper.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ctranslate2 import StorageView
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.tokenizer import Tokenizer

from common.errors import ConfigError
from gpu_jobs.models.device import Device
from gpu_jobs.models.speech_clips import RATE_HZ, Clip, Samples
from gpu_jobs.models.speech_segments import RawClip, RawWord

#: Without tokenizer.json faster-whisper would go and fetch one.
_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
_COMPUTE_TYPES: Final = {"cuda": "float16", "cpu": "int8"}
#: The languages to choose from when Whisper does not know.
_EXPECTED: Final = ("ko", "en")
_SURE_OF_LANGUAGE: Final = 0.5
#: When something was last said before the first clip.
LONG_AGO_S: Final = -1e6
#: Of Whisper's encoder.
_FRAMES_PER_S: Final = 100


def choose_language(probabilities: Sequence[tuple[str, float]]) -> str:
    """The language of a clip.

    On a few seconds Whisper's guess among a hundred languages wavers; Korean and English are then
    what is most likely spoken.

    Args:
        probabilities: (code, probability), the most probable first.

    Returns:
        The first if its probability is 0.5 or more, or else the likelier of Korean and English.
    """
    language, probability = probabilities[0]
    if probability >= _SURE_OF_LANGUAGE:
        return language
    return next((code for code, _ in probabilities if code in _EXPECTED), language)


class Decoder:
    """Loads a Whisper and turns clips into text with times, unjudged.

    Args:
        directory: with model.bin, config.json, tokenizer.json, a vocabulary and, for large-v3 and
            its descendants, preprocessor_config.json.
        device: where to compute.
        compute_type: CTranslate2's; "" for float16 on a GPU and int8 on a CPU.
        beam_size: of the beam search.

    Raises:
        ConfigError: files are missing or do not fit together, or the model knows English only.
    """

    def __init__(
        self, directory: Path, *, device: Device, compute_type: str = "", beam_size: int = 5
    ) -> None:
        self._beam_size = beam_size
        self._model = _load(directory, device, compute_type or _COMPUTE_TYPES[device.kind])

    def count_tokens(self, text: str) -> int:
        """How many tokens a text is."""
        return len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(
        self, samples: Samples, clips: Sequence[Clip], *, hotwords: str | None
    ) -> list[RawClip]:
        """Decode clips as one batch, each in the language that it is in.

        Args:
            samples: (n,) 16 kHz mono in [-1, 1], the whole sound.
            clips: of the samples, at least one.
            hotwords: a hint, or None.

        Returns:
            One for each clip, in order.
        """
        pipeline = _PerLanguage(self._model)
        decoded, _ = pipeline.transcribe(
            samples,
            # Each clip's own replaces it; naming one spares a pass of the encoder for all.
            language=_EXPECTED[0],
            clip_timestamps=[
                {"start": clip.start / RATE_HZ, "end": clip.end / RATE_HZ} for clip in clips
            ],
            batch_size=len(clips),
            hotwords=hotwords,
            **self.options,
        )
        by_start: dict[int, list[Any]] = {}
        for result in decoded:
            by_start.setdefault(result.seek, []).append(result)
        return [
            _raw(clip, pipeline.languages[start], by_start[start])
            for clip in clips
            for start in (clip.start * _FRAMES_PER_S // RATE_HZ,)
        ]

    @property
    def options(self) -> dict[str, Any]:
        """What faster-whisper is called with, besides the clips."""
        return {
            "beam_size": self._beam_size,
            "temperature": 0.0,
            "condition_on_previous_text": False,
            # One text per clip: with time tokens the batched pipeline loses what follows the last.
            "without_timestamps": True,
            "word_timestamps": True,
        }

    def close(self) -> None:
        """Give the weights' memory back."""
        self._model.model.unload_model()


class _Model(WhisperModel):  # type: ignore[misc]  # faster-whisper has no types
    """Takes what is encoded already as it is."""

    def encode(self, features: Any) -> Any:
        return features if isinstance(features, StorageView) else super().encode(features)


class _PerLanguage(BatchedInferencePipeline):  # type: ignore[misc]  # faster-whisper has no types
    """Decodes and aligns every clip in its own language.

    faster-whisper's `multilingual=True` also detects languages by clip, but keeps them to itself,
    believes the wildest guess, and finds word times as if all were in the first one's language.
    """

    def __init__(self, model: _Model) -> None:
        super().__init__(model)
        #: By the first 10 ms frame of each clip.
        self.languages: dict[int, str] = {}

    def forward(self, features: Any, tokenizer: Any, chunks_metadata: Any, options: Any) -> Any:
        encoded = self.model.encode(features)
        languages = [
            choose_language([(token[2:-2], probability) for token, probability in detected])
            for detected in self.model.model.detect_language(encoded)
        ]
        results: list[Any] = [None] * len(languages)
        for language in dict.fromkeys(languages):
            rows = [row for row, each in enumerate(languages) if each == language]
            # Batches in several languages are rare enough to be encoded again.
            part = encoded if len(rows) == len(languages) else features[rows]
            # A clip begins after a pause: 0 would make that depend on how late in the sound it is.
            self.last_speech_timestamp = LONG_AGO_S
            found = super().forward(
                part,
                Tokenizer(self.model.hf_tokenizer, True, task="transcribe", language=language),
                [chunks_metadata[row] for row in rows],
                options,
            )
            for row, result in zip(rows, found, strict=True):
                self.languages[result[0]["seek"]] = language
                results[row] = result
        return results


def _load(directory: Path, device: Device, compute_type: str) -> _Model:
    advice = f"in {directory}; run make models PROFILE=cpu or PROFILE=gpu"
    if missing := [name for name in _FILES if not (directory / name).is_file()]:
        raise ConfigError(f"the speech model lacks {', '.join(missing)} {advice}")
    try:
        model = _Model(
            str(directory),
            device=device.kind,
            compute_type=compute_type,
            cpu_threads=len(os.sched_getaffinity(0)),
            local_files_only=True,
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"the speech model cannot be loaded {advice}") from error
    if not model.model.is_multilingual:
        raise ConfigError(f"the speech model knows English only {advice}")
    given, taken = model.feature_extractor.mel_filters.shape[0], model.model.n_mels
    if given != taken:
        raise ConfigError(
            f"the speech model takes {taken} bands and preprocessor_config.json gives {given} "
            f"{advice}"
        )
    return model


def _raw(clip: Clip, language: str, results: Sequence[Any]) -> RawClip:
    return RawClip(
        clip=clip,
        language=language,
        text="".join(result.text for result in results),
        words=tuple(
            RawWord(
                start_s=float(word.start),
                end_s=float(word.end),
                text=word.word,
                probability=float(word.probability),
            )
            for result in results
            for word in result.words or ()
        ),
        avg_logprob=float(results[0].avg_logprob),
        no_speech_probability=float(results[0].no_speech_prob),
    )
