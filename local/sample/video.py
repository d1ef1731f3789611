"""Encode the sample: H.264 and AAC in MP4 with an English and a Korean subtitle track."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.subtitles.stream import SubtitleStream

from local.sample.pictures import HEIGHT_PX, PAN_PX, WIDTH_PX, render
from local.sample.script import SHOTS, Shot, span_ms

FRAMES_PER_SECOND = 24
SAMPLE_RATE_HZ = 44_100
_MS = Fraction(1, 1000)

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


def make_sample(path: Path) -> Path:
    """Write the sample video (68 s, 960x540, about 1 MB) and return its path.

    It is written beside `path` first and then renamed, so that a file that exists is whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream(
            "libx264", rate=FRAMES_PER_SECOND, options={"preset": "veryfast", "crf": "23"}
        )
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        english = _subtitle_stream(container, "eng")
        korean = _subtitle_stream(container, "kor")
        _mux_audio(container, audio)
        _mux_subtitles(container, english, [shot.english for shot in SHOTS])
        _mux_subtitles(container, korean, [shot.korean for shot in SHOTS])
        for frame in _frames():
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return partial.rename(path)


def _subtitle_stream(container: av.container.OutputContainer, language: str) -> SubtitleStream:
    stream = container.add_stream("mov_text")
    stream.codec_context.subtitle_header = _SUBTITLE_STYLE
    stream.metadata["language"] = language
    stream.time_base = _MS
    return stream


def _frames() -> Iterator[av.VideoFrame]:
    number = 0
    for shot in SHOTS:
        canvas = render(shot.picture)
        count = shot.duration_ms * FRAMES_PER_SECOND // 1000
        for index in range(count):
            offset = index * PAN_PX // count
            view = np.ascontiguousarray(canvas[:, offset : offset + WIDTH_PX])
            frame = av.VideoFrame.from_ndarray(view, format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, FRAMES_PER_SECOND)
            number += 1
            yield frame


def _mux_audio(container: av.container.OutputContainer, stream: av.AudioStream) -> None:
    position = 0
    for index, shot in enumerate(SHOTS):
        samples = _tone(shot, pitch_hz=220.0 * 2 ** (index / 12))
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = position
        position += samples.size
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _tone(shot: Shot, *, pitch_hz: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    time_s = np.arange(shot.duration_ms * SAMPLE_RATE_HZ // 1000) / SAMPLE_RATE_HZ
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * time_s)
    return (3000 * swell * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.int16)


def _mux_subtitles(
    container: av.container.OutputContainer, stream: SubtitleStream, lines: list[str]
) -> None:
    for index, line in enumerate(lines):
        start_ms, end_ms = span_ms(index)
        text = line.encode()
        # A mov_text sample is its length in two bytes, big-endian, and the text.
        packet = av.Packet(len(text).to_bytes(2, "big") + text)
        packet.stream = stream
        packet.time_base = _MS
        packet.pts = packet.dts = start_ms + 500
        packet.duration = min(end_ms - start_ms - 1_000, 4_500)
        container.mux(packet)
