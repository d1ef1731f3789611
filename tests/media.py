"""Tiny real videos for tests, drawn and encoded on the spot with PyAV.

Every clip is a list of shots of known length, so a test knows its cuts to the millisecond.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

#: PCM in AVI, because the delay of an MP3 encoder moves the first picture there.
_AUDIO_CODECS = {"webm": "libopus", "avi": "pcm_s16le", "matroska": "libopus"}
_VIDEO_CODECS = {"webm": "libvpx", "avi": "mpeg4"}
_FORMATS = {"mkv": "matroska", "m4v": "mp4"}


@dataclass(frozen=True, kw_only=True)
class SubtitleSpec:
    """A subtitle track to write into a clip."""

    #: ISO 639-2, as containers have it.
    language: str
    #: "mov_text", "subrip" or "webvtt".
    codec: str
    #: (start_ms, end_ms, text)
    cues: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """What a clip looks and sounds like."""

    #: Length of each shot.
    shots_ms: tuple[int, ...] = (2000, 2000)
    fps: int = 30
    width_px: int = 320
    height_px: int = 180
    #: Exact presentation times instead of `fps`: a variable frame rate.
    times_ms: tuple[int, ...] | None = None
    #: Encoder, or "" for the container's usual one.
    video_codec: str = ""
    pixel_format: str = "yuv420p"
    #: Encoder, "" for the container's usual one, or "none" for a silent file.
    audio_codec: str = ""
    audio_ms: int | None = None
    audio_start_ms: int = 0
    audio_tracks: int = 1
    subtitles: tuple[SubtitleSpec, ...] = ()
    #: Clockwise rotation stored in the track header (MP4/MOV only).
    rotation_deg: int = 0
    options: tuple[tuple[str, str], ...] = ()
    #: Of the container, e.g. ("movflags", "faststart").
    container_options: tuple[tuple[str, str], ...] = ()
    seed: int = 7
    #: Of the container, e.g. ("title", "x").
    metadata: tuple[tuple[str, str], ...] = ()
    #: RGB of every picture, instead of drawn ones.
    colour: tuple[int, int, int] | None = None

    @property
    def cuts_ms(self) -> tuple[int, ...]:
        """Where one shot ends and the next begins."""
        return tuple(int(end) for end in np.cumsum(self.shots_ms)[:-1])

    @property
    def duration_ms(self) -> int:
        return sum(self.shots_ms)


def write_clip(path: Path, spec: ClipSpec | None = None, **changes: Any) -> ClipSpec:
    """Write a clip; the container follows from the suffix of `path`."""
    spec = spec or ClipSpec(**changes)
    container = _FORMATS.get(path.suffix[1:], path.suffix[1:])
    options = dict(spec.container_options)
    with (
        _own_priority(),
        av.open(str(path), "w", format=container, options=options) as output,
    ):
        output.metadata.update(dict(spec.metadata))
        _write_streams(output, container, spec)
    if spec.rotation_deg:
        rotate_track_header(path, spec.rotation_deg, spec)
    return spec


@contextmanager
def _own_priority() -> Iterator[None]:
    """Undo what SVT-AV1 does as root: it makes its caller a real-time process, for good."""
    yield
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def paint(spec: ClipSpec, time_ms: float) -> Picture:
    """The RGB picture at a time: per shot a coloured texture, slowly panning."""
    if spec.colour is not None:
        return np.full((spec.height_px, spec.width_px, 3), spec.colour, np.uint8)
    ends = np.cumsum(spec.shots_ms)
    shot = min(int(np.searchsorted(ends, time_ms, side="right")), len(ends) - 1)
    canvas = _canvas(spec, shot)
    # There and back again: a jump would be a cut.
    travelled = int((time_ms - (ends[shot] - spec.shots_ms[shot])) / 1000 * 8) % 64
    shift = min(travelled, 64 - travelled)
    return np.ascontiguousarray(canvas[: spec.height_px, shift : shift + spec.width_px])


_canvases: dict[tuple[int, int, int, int], Picture] = {}


def _canvas(spec: ClipSpec, shot: int) -> Picture:
    key = (spec.seed, shot, spec.width_px, spec.height_px)
    if key not in _canvases:
        random = np.random.default_rng([spec.seed, shot])
        # Every other shot is dark, so neighbours always differ in light as well as in colour.
        low, high = ((0, 110), (130, 255))[shot % 2]
        rough = random.integers(low, high, (12, 20, 3)).astype(np.uint8)
        rough[:, :, shot % 3] //= 3
        size = (spec.width_px + 32, spec.height_px)
        _canvases[key] = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return _canvases[key]


def frame_times_ms(spec: ClipSpec) -> tuple[float, ...]:
    """Presentation times of the frames that are written."""
    if spec.times_ms is not None:
        return tuple(float(t) for t in spec.times_ms)
    return tuple(i * 1000 / spec.fps for i in range(round(spec.duration_ms * spec.fps / 1000)))


def _write_streams(output: Any, container: str, spec: ClipSpec) -> None:
    video = _video_stream(output, container, spec)
    sounds = [_audio_stream(output, container, spec) for _ in range(_audio_tracks(spec))]
    texts = [(track, _text_stream(output, track)) for track in spec.subtitles]
    output.start_encoding()
    for track, stream in texts:
        for packet in _text_packets(track, stream):
            output.mux(packet)
    for sound in sounds:
        for frame in _audio_frames(spec, sound):
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    for frame in _video_frames(spec, video.codec_context.time_base):
        output.mux(video.encode(frame))
    output.mux(video.encode(None))


def _audio_tracks(spec: ClipSpec) -> int:
    return 0 if spec.audio_codec == "none" else spec.audio_tracks


def _video_stream(output: Any, container: str, spec: ClipSpec) -> Any:
    codec = spec.video_codec or _VIDEO_CODECS.get(container, "libx264")
    options = dict(spec.options)
    if codec == "libx264":
        options = {"preset": "ultrafast", "g": "30", **options}
    elif codec == "libvpx":
        options = {"deadline": "realtime", "cpu-used": "8", "b": "1M", **options}
    elif codec == "mpeg4":
        # AVI has no timestamps to reorder frames by.
        options = {"bf": "0", **options}
    stream = output.add_stream(codec, rate=spec.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = spec.width_px, spec.height_px, spec.pixel_format
    if spec.times_ms is not None:
        stream.codec_context.time_base = Fraction(1, 1000)
    else:
        stream.codec_context.time_base = Fraction(1, spec.fps)
    return stream


def _video_frames(spec: ClipSpec, time_base: Fraction) -> Iterator[Any]:
    for time_ms in frame_times_ms(spec):
        frame = av.VideoFrame.from_ndarray(paint(spec, time_ms), format="rgb24")
        frame.time_base = time_base
        frame.pts = round(Fraction(time_ms) / 1000 / time_base)
        yield frame


def _audio_stream(output: Any, container: str, spec: ClipSpec) -> Any:
    codec = spec.audio_codec or _AUDIO_CODECS.get(container, "aac")
    rate = 48_000 if codec == "libopus" else 44_100
    stream = output.add_stream(codec, rate=rate)
    stream.layout = "stereo"
    return stream


def _audio_frames(spec: ClipSpec, stream: Any) -> Iterator[Any]:
    rate = stream.codec_context.sample_rate
    total = (spec.audio_ms or spec.duration_ms) * rate // 1000
    step = 1024
    first = spec.audio_start_ms * rate // 1000
    for start in range(0, total, step):
        seconds = np.arange(start, min(start + step, total)) / rate
        wave = (np.sin(2 * np.pi * 440 * seconds) * 9000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, first + start, Fraction(1, rate)
        yield frame


def _text_stream(output: Any, track: SubtitleSpec) -> Any:
    stream = output.add_mux_stream(track.codec)
    stream.metadata["language"] = track.language
    stream.time_base = Fraction(1, 1000)
    return stream


def _text_packets(track: SubtitleSpec, stream: Any) -> Iterator[Any]:
    for start_ms, end_ms, text in track.cues:
        data = text.encode()
        if track.codec == "mov_text":
            data = struct.pack(">H", len(data)) + data
        packet = av.Packet(data)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = start_ms
        packet.duration = end_ms - start_ms
        yield packet


def rotate_track_header(path: Path, clockwise_deg: int, spec: ClipSpec) -> None:
    """Rewrite the display matrix of the first track header, as a phone would."""
    data = bytearray(path.read_bytes())
    # 'tkhd' version 0: the matrix starts 40 bytes after the type (ISO 14496-12, 8.3.2).
    at = data.index(b"tkhd") + 4 + 40
    one, w, h = 1 << 16, spec.width_px << 16, spec.height_px << 16
    matrix = {
        90: (0, one, 0, -one, 0, 0, h, 0, 1 << 30),
        180: (-one, 0, 0, 0, -one, 0, w, h, 1 << 30),
        270: (0, -one, 0, one, 0, 0, 0, w, 1 << 30),
    }[clockwise_deg]
    struct.pack_into(">9i", data, at, *matrix)
    path.write_bytes(data)


def subtitle_text(cues: Sequence[tuple[int, int, str]], *, kind: str) -> str:
    """The cues as the text of an .srt or .vtt file."""
    mark = "," if kind == "srt" else "."
    blocks = [
        f"{i}\n{_clock(start, mark)} --> {_clock(end, mark)}\n{text}\n"
        for i, (start, end, text) in enumerate(cues, 1)
    ]
    return ("WEBVTT\n\n" if kind == "vtt" else "") + "\n".join(blocks)


def _clock(time_ms: int, mark: str) -> str:
    seconds, ms = divmod(time_ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{ms:03}"
