"""Encode drawn takes: H.264 and AAC in MP4 with subtitle tracks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.subtitles.stream import SubtitleStream

SAMPLE_RATE_HZ = 44_100
_MS = Fraction(1, 1000)
#: With several threads, or with macroblock-tree rate control, one film was encoded in different
#: ways (seen with the x264 in PyAV 18.1's wheel).
_PICTURE_OPTIONS = {"preset": "veryfast", "crf": "23", "x264-params": "mbtree=0"}

#: mov_text takes its default style from an ASS header; the FFmpeg encoder insists on one.
_SUBTITLE_STYLE = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, "
    b"Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, "
    b"Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0\r\n"
    b"\r\n[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, "
    b"Text\r\n"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """What stands between two cuts."""

    duration_ms: int
    #: (height, at least the film's width, 3) RGB; what is wider is panned over.
    canvas: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A subtitle."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Film:
    """A video to encode."""

    width_px: int
    frames_per_second: int
    takes: Sequence[Take]
    #: By ISO 639-2 language, e.g. "kor"; each ordered by time.
    subtitles: Mapping[str, Sequence[Line]]


def write_film(path: Path, film: Film) -> Path:
    """Encode the film and return its path.

    It is written beside `path` first and then renamed, so that a file that exists is whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream(
            "libx264", rate=film.frames_per_second, options=_PICTURE_OPTIONS
        )
        video.width, video.height = film.width_px, film.takes[0].canvas.shape[0]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        tracks = {name: _subtitle_stream(container, name) for name in film.subtitles}
        _mux_audio(container, audio, [take.duration_ms for take in film.takes])
        for name, track in tracks.items():
            _mux_subtitles(container, track, film.subtitles[name])
        for frame in _frames(film):
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return partial.rename(path)


def starts_ms(durations_ms: Sequence[int]) -> list[int]:
    """When each of several takes starts."""
    return [0, *accumulate(durations_ms)][:-1]


def _subtitle_stream(container: av.container.OutputContainer, language: str) -> SubtitleStream:
    stream = container.add_stream("mov_text")
    stream.codec_context.subtitle_header = _SUBTITLE_STYLE
    stream.metadata["language"] = language
    stream.time_base = _MS
    return stream


def _frames(film: Film) -> Iterator[av.VideoFrame]:
    number = 0
    for take in film.takes:
        count = take.duration_ms * film.frames_per_second // 1000
        pan_px = take.canvas.shape[1] - film.width_px
        for index in range(count):
            offset = index * pan_px // count
            view = np.ascontiguousarray(take.canvas[:, offset : offset + film.width_px])
            frame = av.VideoFrame.from_ndarray(view, format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, film.frames_per_second)
            number += 1
            yield frame


def _mux_audio(
    container: av.container.OutputContainer, stream: av.AudioStream, durations_ms: list[int]
) -> None:
    position = 0
    for index, duration_ms in enumerate(durations_ms):
        samples = _tone(duration_ms, pitch_hz=220.0 * 2 ** (index / 12))
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = position
        position += samples.size
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _tone(duration_ms: int, *, pitch_hz: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    time_s = np.arange(duration_ms * SAMPLE_RATE_HZ // 1000) / SAMPLE_RATE_HZ
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * time_s)
    return (3000 * swell * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.int16)


def _mux_subtitles(
    container: av.container.OutputContainer, stream: SubtitleStream, lines: Sequence[Line]
) -> None:
    for line in lines:
        text = line.text.encode()
        # A mov_text sample is its length in two bytes, big-endian, and the text.
        packet = av.Packet(len(text).to_bytes(2, "big") + text)
        packet.stream = stream
        packet.time_base = _MS
        packet.pts = packet.dts = line.start_ms
        packet.duration = line.end_ms - line.start_ms
        container.mux(packet)
