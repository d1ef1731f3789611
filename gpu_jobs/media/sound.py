"""The first audio track as 16 kHz mono 16-bit FLAC whose first sample is at media time 0."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

#: What speech models take.
RATE_HZ: Final = 16_000

#: Smaller gaps and overlaps between packets are rounding, not silence.
_JITTER: Final = Fraction(60, 1000)
#: More undecodable packets than this share, and the track is called unreadable.
_MAX_BAD_SHARE: Final = 0.5

_Samples = npt.NDArray[np.int16]


class SoundExtract:
    """Takes the packets of an audio track in order; `finish` gives the FLAC.

    Gaps become silence and overlaps are dropped, so that a sample's position is its media time.

    Args:
        stream: the audio stream.
        offset: container time of media time 0, in seconds.
        max_ms: sound after this is left out.
    """

    def __init__(self, stream: Any, offset: Fraction, max_ms: int) -> None:
        self._stream = stream
        self._offset = offset
        self._max_samples = max_ms * RATE_HZ // 1000
        self._buffer = io.BytesIO()
        self._output = av.open(self._buffer, "w", format="flac")
        self._encoder = self._output.add_stream("flac", rate=RATE_HZ, layout="mono", format="s16")
        self._resampler = _resampler()
        self._written = 0
        #: Media time at which the next frame should start, in seconds.
        self._expected = Fraction(0)
        self._packets = 0
        self._bad_packets = 0

    def decode(self, packet: Any | None) -> None:
        """Decode one packet (None: flush the decoder); undecodable ones are counted."""
        self._packets += 1
        try:
            frames = self._stream.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self._bad_packets += 1
            return
        for frame in frames:
            self._place(frame)

    def finish(self) -> bytes:
        """Close the file.

        Returns:
            The FLAC, or nothing if the track could not be read.
        """
        self._drain()
        if self._written:
            self._output.mux(self._encoder.encode(None))
        self._output.close()
        readable = self._written and self._bad_packets <= self._packets * _MAX_BAD_SHARE
        return self._buffer.getvalue() if readable else b""

    @property
    def duration_ms(self) -> int:
        """Length of the sound so far, from media time 0."""
        return self._written * 1000 // RATE_HZ

    def _place(self, frame: Any) -> None:
        """Resample a frame to where its time says it belongs."""
        length = Fraction(frame.samples, frame.sample_rate)
        start = self._expected
        if frame.pts is not None and frame.time_base:
            start = frame.pts * frame.time_base - self._offset
        if start < self._expected - _JITTER:
            # Before media time 0, or said twice.
            return
        if start > self._expected + _JITTER:
            self._drain()
            self._write_silence(start)
        else:
            start = self._expected
        frame.pts = None
        self._resample(frame)
        self._expected = start + length

    def _resample(self, frame: Any) -> None:
        try:
            resampled = self._resampler.resample(frame)
        except ValueError:
            # The layout or rate changed in mid-stream: the resampler is bound to one.
            self._drain()
            resampled = self._resampler.resample(frame)
        for part in resampled:
            self._write(part.to_ndarray().reshape(-1))

    def _drain(self) -> None:
        """Take what the resampler still holds, and start a new one."""
        try:
            rest = self._resampler.resample(None)
        except (av.error.EOFError, ValueError):
            rest = []
        for part in rest:
            self._write(part.to_ndarray().reshape(-1))
        self._resampler = _resampler()

    def _write_silence(self, until: Fraction) -> None:
        missing = min(int(until * RATE_HZ), self._max_samples) - self._written
        if missing > 0:
            self._write(np.zeros(missing, np.int16))

    def _write(self, samples: _Samples) -> None:
        samples = samples[: max(self._max_samples - self._written, 0)]
        if not samples.size:
            return
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = self._written
        self._written += samples.size
        self._output.mux(self._encoder.encode(frame))


def _resampler() -> Any:
    return av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
