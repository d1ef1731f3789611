"""The one way a file is opened: forced demuxer, allow-listed decoders, bounded counts.

`protocol_whitelist` and `timeout` alone do not contain FFmpeg; the forced demuxer does, and the
limited child process around it (`gpu_jobs.sandbox`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from common.domain import MediaLimits
from common.errors import InputError
from gpu_jobs.media.sniff import Container

_VIDEO: Final = """
h264 hevc vp8 vp9 libvpx libvpx-vp9 av1 libdav1d mpeg4 mpeg1video mpeg2video mpegvideo msmpeg4v1
msmpeg4v2 msmpeg4 h263 h263p mjpeg prores dnxhd theora dvvideo ffv1
"""
_AUDIO: Final = """
aac aac_latm mp3 mp3float mp2 mp2float mp1 mp1float ac3 eac3 opus libopus vorbis libvorbis flac
alac amrnb amrwb libopencore_amrnb libopencore_amrwb adpcm_ms adpcm_ima_wav adpcm_ima_qt pcm_u8
pcm_s8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le
pcm_f64be pcm_alaw pcm_mulaw
"""
#: Decoders for pictures and sound, by FFmpeg's decoder name. Rare ones are refused: they are where
#: the memory errors are (MagicYUV: CVE-2026-8461).
VIDEO_DECODERS: Final = frozenset(_VIDEO.split())
AUDIO_DECODERS: Final = frozenset(_AUDIO.split())
#: Text subtitles; their packets are read by `gpu_jobs.media.subtitles`, not by FFmpeg's decoders.
TEXT_CODECS: Final = frozenset({"mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text"})

_PROBE_BYTES: Final = 5_000_000
_ANALYSE_US: Final = 5_000_000
#: FFmpeg gains nothing from more, and each thread holds frames and a stack.
_MAX_THREADS: Final = 8


@contextmanager
def open_media(path: Path, container: Container, limits: MediaLimits) -> Iterator[Any]:
    """Open an upload whose container is known (`gpu_jobs.media.sniff`).

    Yields:
        An `av.container.InputContainer`; its streams are not yet checked.

    Raises:
        InputError: `too_many_streams`.
        av.error.FFmpegError: whatever FFmpeg finds wrong (see `gpu_jobs.media.failures`).
    """
    options = {
        "format_whitelist": container.value,
        "protocol_whitelist": "file",
        "codec_whitelist": ",".join(sorted(VIDEO_DECODERS | AUDIO_DECODERS | TEXT_CODECS)),
        # One more than allowed, so that "too many" can be told from "just enough".
        "max_streams": str(limits.max_streams + 1),
        "max_pixels": str(limits.max_pixels),
        "probesize": str(_PROBE_BYTES),
        "analyzeduration": str(_ANALYSE_US),
    }
    if container is Container.MP4:
        options |= {"enable_drefs": "0", "use_absolute_path": "0"}
    with av.open(
        str(path), "r", format=container.value, options=options, metadata_errors="replace"
    ) as media:
        if len(media.streams) > limits.max_streams:
            raise InputError("too_many_streams", f"more than {limits.max_streams} tracks")
        yield media


def packets(media: Any, *streams: Any) -> Iterator[Any]:
    """The packets of some streams (of all, if none are named) as far as they can be read.

    Errors of whoever decodes them are not mistaken for the end.

    Raises:
        av.error.MemoryError: a count in the file is beyond all memory.
    """
    demuxed = media.demux(*streams)
    while True:
        try:
            packet = next(demuxed, None)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            return
        if packet is None:
            return
        yield packet


def video_stream(media: Any) -> Any:
    """The video track to use: the first that is not a cover picture.

    Raises:
        InputError: `no_video_stream` or `codec_not_allowed`.
    """
    stream = next((s for s in media.streams if is_moving_picture(s)), None)
    if stream is None:
        raise InputError("no_video_stream", f"{len(media.streams)} tracks, none with pictures")
    if decoder_name(stream) not in VIDEO_DECODERS:
        raise InputError("codec_not_allowed", f"video codec {decoder_name(stream) or 'unknown'}")
    return stream


def is_moving_picture(stream: Any) -> bool:
    """Whether a stream is video and not cover art or a thumbnail track."""
    unwanted = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return stream.type == "video" and not stream.disposition & unwanted


def audio_stream(media: Any) -> Any | None:
    """The first audio track, or None."""
    return next((s for s in media.streams if s.type == "audio"), None)


def text_streams(media: Any) -> list[Any]:
    """The text subtitle tracks."""
    return [s for s in media.streams if s.type == "subtitle" and codec_name(s) in TEXT_CODECS]


def decoder_name(stream: Any) -> str:
    """FFmpeg's name of the decoder of a stream ("libdav1d"), or "" if it has none."""
    # A codec that FFmpeg does not know has no codec context at all.
    return str(stream.codec_context.name) if stream.codec_context is not None else ""


def codec_name(stream: Any) -> str:
    """The codec's own name ("av1"), or "" if it is unknown."""
    return str(stream.codec_context.codec.canonical_name) if decoder_name(stream) else ""


def prepare_video(stream: Any, limits: MediaLimits, *, threads: int = 0) -> None:
    """Set a video stream up for decoding; `threads` 0 means one per processor."""
    context = stream.codec_context
    stream.thread_type = "AUTO"
    context.thread_count = threads or min(os.cpu_count() or 1, _MAX_THREADS)
    context.options = {"max_pixels": str(limits.max_pixels)}


def start_offset(media: Any) -> Fraction:
    """Container time that a player shows as 0, in seconds.

    A negative start is decoder preroll (Opus, AAC priming), which is not played.
    """
    return Fraction(max(media.start_time or 0, 0), av.time_base)


def clockwise_rotation(frame: Any) -> int:
    """Degrees to turn a decoded frame clockwise for showing: 0, 90, 180 or 270."""
    # FFmpeg reports counterclockwise degrees, and INT_MIN for a matrix that is no rotation.
    degrees = int(frame.rotation)
    return round(-degrees / 90) * 90 % 360 if abs(degrees) <= 360 else 0


def display_size(
    width_px: int, height_px: int, aspect: Fraction | None, rotation_deg: int
) -> tuple[int, int]:
    """Width and height as shown: square pixels, rotation applied."""
    # Beyond these bounds the pixel aspect ratio is damaged rather than anamorphic.
    if aspect and Fraction(1, 4) <= aspect <= 4:
        width_px = max(1, round(width_px * aspect))
    return (height_px, width_px) if rotation_deg in (90, 270) else (width_px, height_px)
