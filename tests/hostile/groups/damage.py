"""37–57: files that are cut off, and containers whose counts and times lie."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from tests.hostile import boxes
from tests.hostile.case import ACCEPTED, Case, Maker, raw
from tests.hostile.clips import clip, faststart, fragmented

_TRUNCATED: Final = "truncated"
_STREAMS: Final = "too_many_streams"
_MANY: Final = 2**31 - 1


def _cut(share: float, whole: Callable[[], bytes]) -> Maker:
    return raw(lambda: whole()[: int(len(whole()) * share)])


def _without(kind: bytes, whole: Callable[[], bytes]) -> Maker:
    def edit(root: boxes.Box) -> None:
        root.children = [child for child in root.children if child.kind != kind]

    return raw(lambda: boxes.edited(whole(), edit))


def _header_only() -> bytes:
    return boxes.edited(clip(), lambda root: root.children.__delitem__(slice(1, None)))


def _index_alone() -> bytes:
    """Everything is described and nothing is there."""
    return boxes.edited(faststart(), lambda root: setattr(root, "children", root.children[:2]))


def _data_length(length: int) -> bytes:
    """The index first, then samples in a box of that length."""
    data = bytearray(faststart())
    at = data.index(b"mdat") - 4
    if length >> 32:
        # A 64-bit length needs eight bytes more; a filler before it gives them up.
        free = data.index(b"free") - 4
        assert at - free == 8
        struct.pack_into(">I4sQ", data, free, 1, b"mdat", length)
    else:
        struct.pack_into(">I", data, at, length)
    return bytes(data)


def _table(kind: bytes, layout: str, *values: int) -> Maker:
    """The first table of that kind says that it has 2³¹ - 1 entries."""

    def edit(root: boxes.Box) -> None:
        for table in root.all(kind):
            table.data = bytes(4) + struct.pack(layout, *values)

    return raw(lambda: boxes.edited(clip(), edit))


def _nested() -> bytes:
    inner = b""
    for _ in range(20_000):
        inner = struct.pack(">I4s", len(inner) + 8, b"moov") + inner
    return boxes.Box(kind=b"ftyp", data=b"isom\0\0\2\0isom").encode() + inner


def _side_by_side() -> bytes:
    """As many, but beside each other."""
    return clip() + boxes.Box(kind=b"moov").encode() * 20_000


def _long_movie(root: boxes.Box) -> None:
    root.first(b"mvhd").put(16, ">I", 2**31)
    for header in root.all(b"mdhd"):
        header.put(16, ">I", 2**31)


def _negative_edit(root: boxes.Box) -> None:
    for edits in root.all(b"elst"):
        # Version, one entry: length, media time, rate.
        edits.data = struct.pack(">IIIiI", 0, 1, 1000, -(2**31), 1 << 16)


def _no_timescale(root: boxes.Box) -> None:
    root.first(b"mvhd").put(12, ">I", 0)
    for header in root.all(b"mdhd"):
        header.put(12, ">I", 0)


def _tracks(count: int) -> Maker:
    """The audio track, so many times."""

    def edit(root: boxes.Box) -> None:
        movie = root.first(b"moov")
        last = [child for child in movie.children if child.kind == b"trak"][-1]
        movie.children += [last] * (count - 2)

    return raw(lambda: boxes.edited(clip(), edit))


def _sound(*, cover: bool) -> Maker:
    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "song.mp4"
            write_sound(path, cover=cover)
            return path.read_bytes()

    return raw(make)


def write_sound(path: Path, *, cover: bool) -> None:
    """A second of silence, perhaps with a cover picture."""
    with av.open(str(path), "w", format="mp4") as output:
        sound: Any = output.add_stream("aac", rate=44_100, layout="mono")
        picture: Any = None
        if cover:
            picture = output.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        for start in range(0, 44_100, 1024):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 44_100, start
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
        if picture is not None:
            output.mux(picture.encode(av.VideoFrame(64, 64, "yuvj420p")))
            output.mux(picture.encode(None))


CASES: Final = (
    Case(number=37, name="cut at 1 percent", make=_cut(0.01, clip), expected=_TRUNCATED),
    Case(number=38, name="cut in half", make=_cut(0.5, faststart), expected=_TRUNCATED),
    Case(
        number=38,
        name="matroska cut in half",
        make=_cut(0.5, lambda: clip("mkv")),
        expected=_TRUNCATED,
        suffix="mkv",
    ),
    Case(
        number=39,
        name="cut at 99 percent",
        make=_cut(0.99, faststart),
        expected=ACCEPTED,
        why="A lost last packet is no reason to lose the video; below 95 percent it is.",
    ),
    Case(number=40, name="no index", make=_without(b"moov", clip), expected=_TRUNCATED),
    Case(number=41, name="cut before the index", make=_cut(0.8, clip), expected=_TRUNCATED),
    Case(
        number=42,
        name="fragments without their start",
        make=_without(b"moov", fragmented),
        expected=_TRUNCATED,
    ),
    Case(number=43, name="header alone", make=raw(_header_only), expected=_TRUNCATED),
    Case(number=43, name="index alone", make=raw(_index_alone), expected=_TRUNCATED),
    Case(
        number=44,
        name="data of length 0",
        make=raw(lambda: _data_length(0)),
        expected=ACCEPTED,
        why="A length of 0 means up to the end, which is how streams are written.",
    ),
    Case(
        number=44,
        name="data of length 2^63",
        make=raw(lambda: _data_length(2**63)),
        expected=ACCEPTED,
        why="The index says where the samples are, and they are all there.",
    ),
    Case(
        number=45,
        name="sizes without end",
        make=_table(b"stsz", ">III", 0, _MANY, 9),
        expected=_TRUNCATED,
    ),
    Case(
        number=45,
        name="equal sizes without end",
        make=_table(b"stsz", ">II", 1, _MANY),
        expected=_TRUNCATED,
    ),
    Case(
        number=46,
        name="times without end",
        make=_table(b"stts", ">III", _MANY, 1, 1),
        expected="decode_budget_exceeded",
        why="FFmpeg asks for all the memory at once and is refused; no retry can help.",
    ),
    Case(
        number=46,
        name="one time for 2^31 samples",
        make=_table(b"stts", ">III", 1, _MANY, 1),
        expected=_TRUNCATED,
    ),
    Case(
        number=47,
        name="chunks without end",
        make=_table(b"stsc", ">IIII", _MANY, 1, 1, 1),
        expected=_TRUNCATED,
    ),
    Case(
        number=48,
        name="offsets without end",
        make=_table(b"stco", ">II", _MANY, 48),
        expected=_TRUNCATED,
    ),
    Case(
        number=49,
        name="20000 nested indexes",
        make=raw(_nested),
        expected="container_not_allowed",
        why="The structure is absurd wherever the file ends; counted before FFmpeg opens it.",
    ),
    Case(
        number=49,
        name="20000 indexes in a row",
        make=raw(_side_by_side),
        expected="container_not_allowed",
        why="As when they are nested.",
    ),
    Case(
        number=50,
        name="movie of 2^31 ticks",
        make=raw(lambda: boxes.edited(clip(), _long_movie)),
        expected=ACCEPTED,
        why="Only the header is wrong: the packets are counted, and they say one second.",
    ),
    Case(
        number=51,
        name="negative edit list",
        make=raw(lambda: boxes.edited(clip(), _negative_edit)),
        expected="too_many_decode_errors",
        why="No picture lies within the edit, so there is nothing to show.",
    ),
    Case(
        number=52,
        name="timescale of 0",
        make=raw(lambda: boxes.edited(clip(), _no_timescale)),
        expected="duration_too_long",
        why="FFmpeg then counts in whole seconds: a thousand times as long.",
    ),
    Case(number=53, name="17 tracks", make=_tracks(17), expected=_STREAMS),
    Case(number=54, name="999 tracks", make=_tracks(999), expected=_STREAMS),
    Case(number=55, name="5000 tracks", make=_tracks(5000), expected=_STREAMS),
    Case(
        number=56,
        name="64 audio tracks",
        make=raw(lambda: clip("mkv", shots_ms=(200,), audio_tracks=64)),
        expected=_STREAMS,
        suffix="mkv",
    ),
    Case(number=57, name="no video", make=_sound(cover=False), expected="no_video_stream"),
    Case(number=57, name="cover art alone", make=_sound(cover=True), expected="no_video_stream"),
)
