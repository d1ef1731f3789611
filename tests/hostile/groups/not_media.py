"""1–14: files that are no video, whatever they are called. FFmpeg never sees them."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np

from tests.hostile.case import Case, raw, text

_NOT_VIDEO: Final = "not_video"


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("holiday.mp4", bytes(1 << 20))
    return buffer.getvalue()


def _gzip_bomb() -> bytes:
    """100 MiB of zeros in 100 KiB."""
    return gzip.compress(bytes(100 << 20), 9)


def _elf() -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 3, 62, 1) + bytes(4096)


def _picture(suffix: str) -> bytes:
    picture = np.full((64, 64, 3), 90, np.uint8)
    return cv2.imencode(suffix, picture)[1].tobytes()


def _gif() -> bytes:
    return _written("gif", "gif", pixel_format="rgb8")


def _song() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.mp3"
        with av.open(str(path), "w", format="mp3") as output:
            stream: Any = output.add_stream("libmp3lame", rate=44_100, layout="mono")
            samples = np.zeros((1, 1152), np.int16)
            for _ in range(20):
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate = 44_100
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path.read_bytes()


def _written(container: str, codec: str, *, pixel_format: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixel_format
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame(64, 64, pixel_format)))
        output.mux(stream.encode(None))
    return buffer.getvalue()


CASES: Final = (
    Case(number=1, name="empty", make=raw(lambda: b""), expected="empty_file"),
    Case(number=2, name="one byte", make=raw(lambda: b"\x00"), expected=_NOT_VIDEO),
    Case(number=3, name="zeros", make=raw(lambda: bytes(1 << 20)), expected=_NOT_VIDEO),
    Case(
        number=4,
        name="random bytes",
        make=raw(lambda: random.Random(4).randbytes(1 << 20)),
        expected=_NOT_VIDEO,
    ),
    Case(
        number=5,
        name="web page",
        make=text("<!doctype html><html><video src='http://{honeypot}/x.mp4'></video></html>"),
        expected=_NOT_VIDEO,
    ),
    Case(
        number=6, name="json", make=text('{"url": "http://{honeypot}/x.mp4"}'), expected=_NOT_VIDEO
    ),
    Case(number=7, name="zip", make=raw(_zip), expected=_NOT_VIDEO),
    Case(number=8, name="gzip bomb", make=raw(_gzip_bomb), expected=_NOT_VIDEO),
    Case(number=9, name="program", make=raw(_elf), expected=_NOT_VIDEO),
    Case(
        number=10,
        name="pdf",
        make=text("%PDF-1.7\n1 0 obj\n<</S/URI/URI(http://{honeypot}/)>>\nendobj\n%%EOF\n"),
        expected=_NOT_VIDEO,
    ),
    Case(
        number=11,
        name="svg",
        make=text(
            "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'>"
            "<image href='file://{canary}'/><image href='http://{honeypot}/x'/></svg>"
        ),
        expected=_NOT_VIDEO,
    ),
    Case(number=12, name="jpeg", make=raw(lambda: _picture(".jpg")), expected=_NOT_VIDEO),
    Case(number=13, name="gif", make=raw(_gif), expected=_NOT_VIDEO),
    Case(
        number=14,
        name="mp3",
        make=raw(_song),
        expected="no_video_stream",
        why="A song is recognised by its first bytes, and this says better what is wrong.",
    ),
)
