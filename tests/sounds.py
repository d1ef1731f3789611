"""Sounds that are not speech, and real speech where it is at hand. 16 kHz mono float32."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

RATE_HZ = 16_000

Samples = npt.NDArray[np.float32]

_SPEECH = Path(__file__).parents[2] / "shared" / "data" / "speech" / "jfk.flac"


def silence(seconds: float) -> Samples:
    """Zeros."""
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def noise(seconds: float, *, level: float = 0.1, seed: int = 0) -> Samples:
    """White noise of that RMS."""
    values = np.random.default_rng(seed).normal(0, level, round(seconds * RATE_HZ))
    return values.clip(-1, 1).astype(np.float32)


def pink_noise(seconds: float, *, seed: int = 0) -> Samples:
    """Noise that falls by 3 dB per octave, as traffic and wind nearly do."""
    spectrum = np.fft.rfft(noise(seconds, seed=seed))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    return _scaled(np.fft.irfft(spectrum, round(seconds * RATE_HZ)), 0.5)


def hum(seconds: float) -> Samples:
    """60 Hz of the mains with overtones."""
    return _scaled(_tone(60, _time(seconds), overtones=7), 0.4)


def chords(seconds: float) -> Samples:
    """Plucked major chords, one a second."""
    time = _time(seconds) % 1.0
    roots = np.array([220.0, 174.6, 261.6, 196.0])[_time(seconds).astype(int) % 4]
    swell = np.exp(-1.5 * time) * np.minimum(time / 0.02, 1)
    return _scaled(swell * sum(_tone(roots * part, time) for part in (1, 1.25, 1.5, 2)), 0.6)


def melody(seconds: float) -> Samples:
    """A bowed scale with vibrato."""
    time = _time(seconds)
    pitches = np.array([440.0, 494, 523, 587, 659, 587, 523, 494])[(time * 2).astype(int) % 8]
    phase = np.cumsum(pitches * (1 + 0.01 * np.sin(2 * np.pi * 5 * time))) / RATE_HZ
    return _scaled(_tone(1.0, phase, overtones=7), 0.5)


def drums(seconds: float) -> Samples:
    """Bass drum and snare by turns."""
    time = _time(seconds)
    beat, hit = (time * 2).astype(int), time % 0.5
    bass = np.sin(2 * np.pi * 60 * hit)
    return _scaled(np.exp(-20 * hit) * np.where(beat % 2, noise(seconds, level=0.5), bass), 0.8)


def real_speech() -> Samples:
    """11 s of President Kennedy (public domain), spoken in four phrases; skips if not at hand."""
    if not _SPEECH.is_file():
        pytest.skip("no recording of speech is at hand")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(str(_SPEECH)) as container:
        parts = [
            part.to_ndarray().reshape(-1)
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    whole: Samples = np.divide(np.concatenate(parts), 32_768, dtype=np.float32)
    return whole


def as_flac(
    values: npt.NDArray[np.int16], *, rate_hz: int = RATE_HZ, layout: str = "mono"
) -> bytes:
    """A FLAC of these samples."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=rate_hz, layout=layout, format="s16")
        frame = av.AudioFrame.from_ndarray(values.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _time(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _tone(
    pitch_hz: float | npt.NDArray[np.float64], time: npt.NDArray[np.float64], overtones: int = 5
) -> npt.NDArray[np.float64]:
    parts = [np.sin(2 * np.pi * pitch_hz * time * part) / part for part in range(1, overtones + 1)]
    return np.asarray(np.sum(parts, axis=0), np.float64)


def _scaled(values: npt.NDArray[np.float64], peak: float) -> Samples:
    return np.asarray(values / np.abs(values).max() * peak, np.float32)
