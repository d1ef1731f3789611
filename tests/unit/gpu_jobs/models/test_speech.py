"""Whisper from sound to segments: a real decoder that hallucinates, and what stops it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from common.domain import Segment
from common.errors import ConfigError, TransientError
from gpu_jobs.models import speech_clips, speech_guards
from gpu_jobs.models.device import Device
from gpu_jobs.models.speech import Whisper
from gpu_jobs.models.speech_clips import Clip, SpeechFinder
from tests import sounds
from tests.checkpoints import whisper
from tests.sounds import RATE_HZ, Samples

pytestmark = pytest.mark.torch

#: Said with confidence, it passes every guard.
SENTENCE = "My fellow Americans."
CLOSING = "시청해주셔서 감사합니다."


def everything(samples: Samples) -> list[tuple[int, int]]:
    """A detector that takes all for speech."""
    return [(0, samples.size)]


def spoken(*spans_s: tuple[float, float]) -> SpeechFinder:
    """A detector that finds speech at these seconds."""
    found = [(round(start * RATE_HZ), round(end * RATE_HZ)) for start, end in spans_s]
    return lambda _: found


def open_whisper(
    directory: Path, *, find_speech: SpeechFinder = speech_clips.find_speech, batch_size: int = 0
) -> Whisper:
    """A Whisper on the CPU."""
    return Whisper(
        directory,
        device=Device(kind="cpu"),
        name="tiny",
        compute_type="float32",
        find_speech=find_speech,
        batch_size=batch_size,
    )


class Reciter:
    """Makes and keeps checkpoints that say what they are told to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, Path] = {}

    def __call__(self, text: str = SENTENCE, **options: Any) -> Path:
        key = repr((text, sorted(options.items())))
        if key not in self._made:
            path = self._directory / f"reciting-{len(self._made)}"
            self._made[key] = whisper.write_reciting(path, text, **options)
        return self._made[key]


@pytest.fixture(scope="module")
def reciting(tmp_path_factory: pytest.TempPathFactory) -> Reciter:
    """Writes a checkpoint that hallucinates."""
    return Reciter(tmp_path_factory.mktemp("reciting"))


@pytest.fixture(scope="module")
def random_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights."""
    return whisper.write_random(tmp_path_factory.mktemp("random") / "model")


# --- what is no speech --------------------------------------------------------------------------

NO_SPEECH: dict[str, Callable[[float], Samples]] = {
    "silence": sounds.silence,
    "faint noise": partial(sounds.noise, level=1e-4),
    "white noise": sounds.noise,
    "loud noise": partial(sounds.noise, level=0.4),
    "pink noise": sounds.pink_noise,
    "hum": sounds.hum,
    "chords": sounds.chords,
    "melody": sounds.melody,
    "drums": sounds.drums,
}


@pytest.mark.parametrize("sound", NO_SPEECH)
def test_what_is_no_speech_has_no_text(sound: str, reciting: Reciter) -> None:
    """Silence, noise and music give no segment though the decoder is sure of its text."""
    samples = NO_SPEECH[sound](20.0)
    assert open_whisper(reciting()).transcribe(samples) == ()


def test_where_nobody_speaks_nothing_is_decoded(
    reciting: Reciter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder is not even asked."""
    listener = open_whisper(reciting())
    monkeypatch.setattr(listener._decoder, "decode", pytest.fail)
    assert listener.transcribe(sounds.chords(5.0)) == ()
    assert listener.transcribe(sounds.silence(0.0)) == ()


# --- one guard each -----------------------------------------------------------------------------


class Case(NamedTuple):
    """What only one guard stops."""

    text: str = SENTENCE
    options: dict[str, Any] = {}  # noqa: RUF012 (never written to)
    samples: Samples = sounds.noise(6.0)
    find_speech: SpeechFinder = everything


GUARDS = {
    "vad": Case(find_speech=speech_clips.find_speech),
    "level": Case(samples=sounds.noise(6.0, level=1e-4)),
    "compression": Case(text="한" * 40),
    "loop": Case(text="thank you so. ", options={"times": 4}),
    "log_probability": Case(options={"avg_logprob": -1.4}),
    "no_speech": Case(options={"avg_logprob": -0.75, "no_speech": True}),
    "closing": Case(text=CLOSING, options={"avg_logprob": -0.75}),
    "repeat": Case(
        samples=sounds.noise(12.0), find_speech=spoken((0.0, 2.0), (4.0, 6.0), (8.0, 10.0))
    ),
}


def test_every_guard_has_a_case() -> None:
    """No guard can be added without a proof that it is needed."""
    tables = (*speech_guards.CLIP_GUARDS, *speech_guards.SENTENCE_GUARDS)
    assert set(GUARDS) == {*tables, "vad", "level", "repeat"}


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_stops_what_no_other_does(
    guard: str, reciting: Reciter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real decoder's invention gives no segment, and gives some once the guard is away."""
    case = GUARDS[guard]
    directory = reciting(case.text, **case.options)
    guarded = open_whisper(directory, find_speech=case.find_speech)
    assert guarded.transcribe(case.samples) == ()
    unguarded = open_whisper(
        directory, find_speech=everything if guard == "vad" else case.find_speech
    )
    take_away(guard, monkeypatch)
    assert unguarded.transcribe(case.samples) != ()


def take_away(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one guard let everything pass."""
    if guard == "level":
        monkeypatch.setattr(speech_guards, "audible", lambda _: True)
    if guard == "repeat":
        monkeypatch.setattr(speech_guards, "repeated", lambda heard: [False] * len(heard))
    for table in ("CLIP_GUARDS", "SENTENCE_GUARDS"):
        rest = dict(getattr(speech_guards, table))
        rest.pop(guard, None)
        monkeypatch.setattr(speech_guards, table, MappingProxyType(rest))


def test_speaking_for_ever_gives_nothing(reciting: Reciter) -> None:
    """A decoder that repeats a sentence until it is cut off is not believed."""
    listener = open_whisper(reciting("Thank you. ", times=0), find_speech=everything)
    assert listener.transcribe(sounds.noise(10.0)) == ()


def test_a_closing_that_is_clearly_spoken_is_kept(reciting: Reciter) -> None:
    """People do say it."""
    listener = open_whisper(reciting(CLOSING), find_speech=everything)
    assert [found.text for found in listener.transcribe(sounds.noise(6.0))] == [CLOSING]


# --- times, languages, equality -----------------------------------------------------------------


def decoded(
    listener: Whisper, samples: Samples, clips: Sequence[Clip], hotwords: str | None = None
) -> list[Any]:
    """What the decoder says before any guard."""
    return listener._decoder.decode(samples, clips, hotwords=hotwords)


def clip(start_s: float, end_s: float) -> Clip:
    """A clip at these seconds."""
    return Clip(start=round(start_s * RATE_HZ), end=round(end_s * RATE_HZ))


def test_the_decoder_equals_faster_whisper(random_whisper: Path) -> None:
    """Text, words, times and evidence are those of the library in each clip's own language."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    from gpu_jobs.models.speech_decoder import LONG_AGO_S

    listener = open_whisper(random_whisper)
    samples = np.concatenate([sounds.melody(12.0), sounds.noise(12.0), sounds.chords(12.0)])
    clips = [clip(0.25, 5.0), clip(7.0, 11.75), clip(12.5, 20.0), clip(25.0, 36.0)]
    ours = decoded(listener, samples, clips, "민지, Jun")
    languages = list(dict.fromkeys(raw.language for raw in ours))
    assert len(languages) > 1, "sounds that are heard in one language prove too little"
    model = WhisperModel(str(random_whisper), device="cpu", compute_type="float32")
    for language in languages:
        same = [raw for raw in ours if raw.language == language]
        pipeline = BatchedInferencePipeline(model)
        pipeline.last_speech_timestamp = LONG_AGO_S
        theirs, _ = pipeline.transcribe(
            samples,
            language=language,
            clip_timestamps=[
                {"start": raw.clip.start / RATE_HZ, "end": raw.clip.end / RATE_HZ} for raw in same
            ],
            batch_size=len(same),
            hotwords="민지, Jun",
            beam_size=5,
            temperature=0.0,
            without_timestamps=True,
            word_timestamps=True,
        )
        # Random weights write time tokens though they are told not to: several parts per clip.
        clips_of_theirs = [list(parts) for _, parts in groupby(theirs, lambda part: part.seek)]
        assert any(raw.words for raw in same)
        for raw, parts in zip(same, clips_of_theirs, strict=True):
            assert raw.text == "".join(part.text for part in parts)
            assert {raw.avg_logprob} == {part.avg_logprob for part in parts}
            assert {raw.no_speech_probability} == {part.no_speech_prob for part in parts}
            assert [(w.start_s, w.end_s, w.text, w.probability) for w in raw.words] == [
                (w.start, w.end, w.word, w.probability) for part in parts for w in part.words
            ]


def test_hotwords_reach_the_decoder(random_whisper: Path) -> None:
    """Names change what is heard; commands in them do not get through."""
    listener = open_whisper(random_whisper)
    samples, clips = sounds.melody(5.0), [clip(0.0, 5.0)]
    assert decoded(listener, samples, clips, "민지") != decoded(listener, samples, clips)


def test_names_are_given_as_a_hint(reciting: Reciter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder gets the names without what a tokenizer would obey."""
    listener, hints = open_whisper(reciting(), find_speech=everything), []

    def spy(samples: Samples, clips: Sequence[Clip], *, hotwords: str | None) -> list[Any]:
        hints.append(hotwords)
        return []

    monkeypatch.setattr(listener._decoder, "decode", spy)
    listener.transcribe(sounds.noise(2.0), hotwords=["민지", "<|endoftext|>", "Jun"])
    listener.transcribe(sounds.noise(2.0))
    assert hints == ["민지, endoftext, Jun", None]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_segment_has_its_clips_language(language: str, reciting: Reciter) -> None:
    """The language that the model hears is the segment's."""
    listener = open_whisper(reciting(language=language), find_speech=everything)
    assert [s.language for s in listener.transcribe(sounds.noise(4.0))] == [language]


@pytest.mark.parametrize(
    ("probabilities", "language"),
    [
        ([("ja", 0.5), ("ko", 0.3)], "ja"),
        ([("nn", 0.4), ("ja", 0.2), ("en", 0.15), ("ko", 0.1)], "en"),
        ([("ja", 0.4), ("ko", 0.35), ("en", 0.1)], "ko"),
        ([("ja", 0.4)], "ja"),
    ],
)
def test_a_wavering_guess_is_korean_or_english(
    probabilities: list[tuple[str, float]], language: str
) -> None:
    """Another language needs half of the probability."""
    from gpu_jobs.models.speech_decoder import choose_language

    assert choose_language(probabilities) == language


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_later_sound_has_later_times(batch_size: int, reciting: Reciter) -> None:
    """Speech that comes 7.25 s later is written down 7250 ms later, to the millisecond."""
    talk = np.concatenate([sounds.melody(3.0), sounds.silence(2.5), sounds.chords(4.0)])
    spans = ((0.0, 3.0), (5.5, 9.5))

    def heard(delay_s: float) -> tuple[Segment, ...]:
        find = spoken(*((start + delay_s, end + delay_s) for start, end in spans))
        listener = open_whisper(reciting(), find_speech=find, batch_size=batch_size)
        return listener.transcribe(np.concatenate([sounds.silence(delay_s), talk]))

    early, late = heard(0.0), heard(7.25)
    assert [s.text for s in early] == [SENTENCE, SENTENCE]
    assert [0 <= s.start_ms < s.end_ms <= 3_000 for s in early] == [True, False]
    assert 5_500 <= early[1].start_ms < early[1].end_ms <= 9_500
    times = [[(w.start_ms, w.end_ms) for s in said for w in s.words] for said in (early, late)]
    assert [(start + 7_250, end + 7_250) for start, end in times[0]] == times[1]


def test_real_speech_is_found_where_it_is(reciting: Reciter) -> None:
    """In silence, noise and music, only the recording of a voice is written down."""
    voice = sounds.real_speech()
    samples = np.concatenate([sounds.chords(8.0), voice, sounds.noise(9.0, level=0.02)])
    spans = speech_clips.find_speech(samples)
    # His first and last words are at 0.3 and 10.5 s; 0.4 s are added around them.
    assert spans[0][0] / RATE_HZ == pytest.approx(8.0, abs=0.35)
    assert spans[-1][1] / RATE_HZ == pytest.approx(8.0 + 10.9, abs=0.35)
    segments = open_whisper(reciting(language="en")).transcribe(samples)
    assert [s.text for s in segments] == [SENTENCE]
    assert all(7_500 <= w.start_ms < w.end_ms <= 19_500 for s in segments for w in s.words)


def test_a_word_in_a_long_silence_is_heard(reciting: Reciter) -> None:
    """The level that counts is the clip's, not that of the five minutes around it."""
    samples = sounds.silence(300.0)
    samples[: 2 * RATE_HZ] = sounds.noise(2.0, level=2e-3)
    assert not speech_guards.audible(samples)
    assert open_whisper(reciting(), find_speech=spoken((0.0, 2.0))).transcribe(samples) != ()


def test_quiet_speech_is_heard(reciting: Reciter) -> None:
    """A voice 40 dB below a normal level is still found."""
    voice = sounds.real_speech() * np.float32(0.01)
    assert open_whisper(reciting()).transcribe(voice) != ()


# --- progress, memory, files --------------------------------------------------------------------


def test_progress_is_the_share_of_the_sound(reciting: Reciter) -> None:
    """After each batch the share up to its last clip is reported."""
    find = spoken((0.0, 2.0), (4.0, 5.0), (8.0, 10.0))
    listener = open_whisper(reciting(), find_speech=find, batch_size=2)
    shares: list[float] = []
    listener.transcribe(sounds.noise(10.0), on_progress=shares.append)
    assert shares == [0.5, 1.0]


def test_progress_may_end_the_call(reciting: Reciter) -> None:
    """A worker that is to stop need not wait for the last batch."""

    class Stop(Exception):
        pass

    def stop(_: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        open_whisper(reciting(), find_speech=everything).transcribe(
            sounds.noise(2.0), on_progress=stop
        )


@pytest.mark.parametrize(("fits", "works"), [(2, True), (1, False)])
def test_half_a_batch_is_tried_once(
    fits: int, works: bool, reciting: Reciter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When memory runs out, half as many clips are tried, and then another worker."""
    find = spoken(*((start, start + 1.0) for start in (0.0, 3.0, 6.0, 9.0)))
    listener, sizes = open_whisper(reciting(), find_speech=find, batch_size=4), []

    def decode(samples: Samples, clips: Sequence[Clip], *, hotwords: str | None) -> list[Any]:
        sizes.append(len(clips))
        if len(clips) > fits:
            raise RuntimeError("CUDA failed with error out of memory")
        return []

    monkeypatch.setattr(listener._decoder, "decode", decode)
    if works:
        assert listener.transcribe(sounds.noise(12.0)) == ()
        assert sizes == [4, 2, 2]
    else:
        with pytest.raises(TransientError, match="stage_failed"):
            listener.transcribe(sounds.noise(12.0))


def test_a_decoder_that_fails_may_be_tried_again(
    reciting: Reciter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library raises is a stage that failed, for another attempt."""
    listener = open_whisper(reciting(), find_speech=everything)

    def decode(*_: object, **__: object) -> None:
        raise RuntimeError("cuBLAS failed")

    monkeypatch.setattr(listener._decoder, "decode", decode)
    with pytest.raises(TransientError, match="stage_failed"):
        listener.transcribe(sounds.noise(2.0))


@pytest.mark.parametrize("wrong", [np.zeros((2, 9), np.float32), np.zeros(9, np.int16)])
def test_other_samples_are_refused(wrong: Any, reciting: Reciter) -> None:
    """Stereo or integers would be heard as something else."""
    with pytest.raises(ValueError, match="float32 expected"):
        open_whisper(reciting()).transcribe(wrong)


def test_a_closed_model_gives_its_memory_back(reciting: Reciter) -> None:
    """Weights are unloaded."""
    listener = open_whisper(reciting())
    listener.close()
    assert not listener._decoder._model.model.model_is_loaded


def _without_tokenizer(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()


def _with_other_bands(directory: Path) -> None:
    settings = directory / "preprocessor_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"feature_size": 128}))


def _of_english_only(directory: Path) -> None:
    words = directory / "vocabulary.json"
    words.write_text(words.read_text().replace('""', '"empty"'))


def _cut_off(directory: Path) -> None:
    (directory / "model.bin").write_bytes((directory / "model.bin").read_bytes()[:5_000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_tokenizer, "lacks tokenizer.json"),
        (_with_other_bands, "takes 80 bands and preprocessor_config.json gives 128"),
        (_of_english_only, "knows English only"),
        (_cut_off, "cannot be loaded"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    damage: Callable[[Path], None], message: str, random_whisper: Path, tmp_path: Path
) -> None:
    """A model that would be fetched, deaf or half there is a configuration error that helps."""
    directory = tmp_path / "model"
    shutil.copytree(random_whisper, directory)
    damage(directory)
    with pytest.raises(ConfigError, match=message) as caught:
        open_whisper(directory)
    assert "run make models PROFILE=" in str(caught.value)


def test_the_cpu_profile_computes_in_int8(reciting: Reciter) -> None:
    """By default weights are quantised on a CPU."""
    listener = Whisper(reciting(), device=Device(kind="cpu"), name="tiny", find_speech=everything)
    assert listener._decoder._model.model.compute_type.startswith("int8")
    assert [s.text for s in listener.transcribe(sounds.noise(4.0))] == [SENTENCE]
