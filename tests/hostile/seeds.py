"""Small good files of every kind that is accepted, which the fuzzer starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from tests.hostile.clips import clip
from tests.media import SubtitleSpec, subtitle_text

_CUES: Final = ((0, 150, "hello"), (150, 290, "빨간 차 <i>밤에</i>"), (200, 280, "x &amp; y"))
_FRAGMENTS: Final = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)
_FAST: Final = (("deadline", "realtime"), ("cpu-used", "8"))
_LONG_CUES: Final = tuple((i * 400, i * 400 + 300, f"line {i}\nand more") for i in range(60))


def _subtitles(codec: str) -> tuple[SubtitleSpec, ...]:
    return (SubtitleSpec(language="kor", codec=codec, cues=_CUES),)


def _seed(suffix: str, **spec: object) -> Callable[[], bytes]:
    return lambda: clip(suffix, **({"shots_ms": (150, 150)} | spec))


def _script(kind: str) -> Callable[[], bytes]:
    text = subtitle_text((*_CUES, *_LONG_CUES), kind=kind)
    return lambda: text.encode()


#: Name → bytes; the suffix of the name is the file's.
SEEDS: Final[Mapping[str, Callable[[], bytes]]] = MappingProxyType(
    {
        "h264.mp4": _seed("mp4", subtitles=_subtitles("mov_text")),
        "faststart.mp4": _seed("mp4", container_options=(("movflags", "faststart"),)),
        "fragmented.mp4": _seed("mp4", container_options=_FRAGMENTS),
        "prores.mov": _seed("mov", video_codec="prores", pixel_format="yuv422p10le"),
        "rotated.mov": _seed("mov", rotation_deg=90),
        "vp9.webm": _seed("webm", video_codec="libvpx-vp9", options=_FAST),
        "vp8.webm": _seed("webm", subtitles=_subtitles("webvtt")),
        "h264.mkv": _seed("mkv", subtitles=_subtitles("subrip")),
        "hevc.mkv": _seed(
            "mkv", video_codec="libx265", options=(("x265-params", "log-level=none"),)
        ),
        "av1.mkv": _seed("mkv", video_codec="libsvtav1", options=(("preset", "11"),)),
        "mpeg4.avi": _seed("avi"),
        "mjpeg.avi": _seed("avi", video_codec="mjpeg", pixel_format="yuvj420p"),
        "cues.srt": _script("srt"),
        "cues.vtt": _script("vtt"),
    }
)


@cache
def content(name: str) -> bytes:
    """The bytes of a seed."""
    return SEEDS[name]()
