"""58–70: pictures of unlikely sizes, and clocks that lie."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

from tests.hostile import boxes, ebml
from tests.hostile.case import ACCEPTED, Case, Maker, Place, raw
from tests.hostile.clips import clip

_TOO_LARGE: Final = "frame_too_large"
_HOURS_100_MS: Final = 100 * 3600 * 1000


def _flat(width: int, height: int, codec: str = "libx264", pixels: str = "yuv420p") -> Maker:
    """Two pictures of one colour, which compress to nothing."""

    def make(place: Place) -> None:
        with av.open(str(place.path), "w", format="matroska") as output:
            stream: Any = output.add_stream(codec, rate=5)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            for _ in range(2):
                output.mux(stream.encode(av.VideoFrame(width, height, pixels)))
            output.mux(stream.encode(None))

    return make


def _inflated(place: Place) -> None:
    """Motion JPEG of 64 × 64 that says 16384 × 16384 in every place where it says its size."""
    _flat(64, 64, "mjpeg", "yuvj420p")(place)
    data = place.path.read_bytes()
    # Start of frame: length, precision, height, width.
    frame = struct.pack(">HHBHH", 0xFFC0, 17, 8, 64, 64)
    assert frame in data
    data = data.replace(frame, struct.pack(">HHBHH", 0xFFC0, 17, 8, 16384, 16384))

    def edit(segment: ebml.Element) -> None:
        video = segment.child(ebml.TRACKS).child(b"\xae").child(b"\xe0")
        for side in (b"\xb0", b"\xba"):
            video.child(side).data = struct.pack(">H", 16384)

    place.path.write_bytes(ebml.edited(data, edit))


def _changing(place: Place) -> None:
    """Key frames of other sizes in the middle, up to beyond the limit."""
    sizes = ((160, 96), (320, 180), (64, 64), (1280, 720))
    _write_changing(place, sizes)


def _growing(place: Place) -> None:
    """A small picture, and in the middle one far beyond the limit."""
    _write_changing(place, ((160, 96), (8192, 4096)))


def _write_changing(place: Place, sizes: tuple[tuple[int, int], ...]) -> None:
    with av.open(str(place.path), "w", format="matroska") as output:
        stream: Any = output.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = *sizes[0], "yuvj420p"
        number = 0
        for width, height in sizes:
            encoder: Any = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 10)
            for _ in range(4):
                picture = np.full((height, width, 3), 40 + 20 * number % 200, np.uint8)
                for packet in encoder.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                    packet.stream, packet.pts, packet.dts = stream, number, number
                    packet.time_base = encoder.time_base
                    output.mux(packet)
                number += 1


def _lying_size(root: boxes.Box) -> None:
    """65535 × 65535 in both places where MP4 says it."""
    root.first(b"stsd").put(8 + 8 + 24, ">HH", 65535, 65535)
    header = root.first(b"tkhd")
    header.put(len(header.data) - 8, ">II", 65535 << 16, 65535 << 16)


def _timed(milliseconds: Callable[[int], int], *, count: int = 12) -> Maker:
    """Motion JPEG pictures whose timestamps are a function of their number."""

    def make(place: Place) -> None:
        with av.open(str(place.path), "w", format="matroska") as output:
            stream: Any = output.add_stream("mjpeg", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
            for number in range(count):
                picture = np.full((64, 64, 3), 40 + 20 * number % 200, np.uint8)
                output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        _retime(place, milliseconds)

    return make


def _retime(place: Place, milliseconds: Callable[[int], int]) -> None:
    """Give every block a cluster of its own with the time wanted; the muxer would not."""
    number = 0

    def edit(segment: ebml.Element) -> None:
        nonlocal number
        kept = [child for child in segment.children if child.id != ebml.CLUSTER]
        for cluster in segment.children:
            for block in ebml.children(cluster.data) if cluster.id == ebml.CLUSTER else ():
                if block.id != b"\xa3":
                    continue
                time = ebml.element("E7", milliseconds(number).to_bytes(8, "big"))
                # Track, then the time relative to the cluster.
                single = ebml.Element(id=b"\xa3", data=block.data[:1] + b"\0\0" + block.data[3:])
                kept.append(ebml.Element(id=ebml.CLUSTER, children=[time, single]))
                number += 1
        segment.children = kept

    place.path.write_bytes(ebml.edited(place.path.read_bytes(), edit))
    assert number > 1


def _slow(root: boxes.Box) -> None:
    """Every tick a thousand times as long, in all that says so."""
    root.first(b"mvhd").put(16, ">I", _HOURS_100_MS)
    for header in root.all(b"mdhd"):
        header.put(12, ">II", 1, 360_000)
    for times in root.all(b"stts"):
        count = struct.unpack_from(">I", times.data, 4)[0]
        for entry in range(count):
            times.put(8 + 8 * entry + 4, ">I", 12_000)


def _claims_100_hours(segment: ebml.Element) -> None:
    duration = segment.child(ebml.INFO).child(bytes.fromhex("4489"))
    duration.data = struct.pack(">d", float(_HOURS_100_MS))


def _no_rate(root: boxes.Box) -> None:
    """All pictures at the same moment: 0 ticks each."""
    times = root.first(b"stts")
    count = struct.unpack_from(">I", times.data, 4)[0]
    for entry in range(count):
        times.put(8 + 8 * entry + 4, ">I", 0)


CASES: Final = (
    Case(number=58, name="8192 x 8192", make=_flat(8192, 8192), expected=_TOO_LARGE, suffix="mkv"),
    Case(
        number=59,
        name="16384 x 16384",
        make=_inflated,
        expected="too_many_decode_errors",
        why="FFmpeg does not even report a size beyond all it can address.",
        suffix="mkv",
    ),
    Case(
        number=60,
        name="1 x 1",
        make=_flat(1, 1, "ffv1", "yuv444p"),
        expected=ACCEPTED,
        suffix="mkv",
    ),
    Case(
        number=61,
        name="2 x 16384",
        make=_flat(2, 16384),
        expected=ACCEPTED,
        suffix="mkv",
    ),
    Case(number=62, name="changing sizes", make=_changing, expected=ACCEPTED, suffix="mkv"),
    Case(
        number=62,
        name="size that grows beyond the limit",
        make=_growing,
        expected="too_many_decode_errors",
        why="The decoder refuses the large pictures itself, so the rest is lost.",
        suffix="mkv",
    ),
    Case(
        number=63,
        name="65535 x 65535 by the header",
        make=raw(lambda: boxes.edited(clip(), _lying_size)),
        expected=ACCEPTED,
        why="H.264 says its true size itself, and that is what is decoded.",
    ),
    Case(
        number=64,
        name="ten bits without subsampling",
        make=raw(lambda: clip("mkv", pixel_format="yuv444p10le")),
        expected=ACCEPTED,
        suffix="mkv",
    ),
    Case(
        number=65,
        name="100 hours",
        make=raw(lambda: boxes.edited(clip(), _slow)),
        expected="duration_too_long",
    ),
    Case(
        number=66,
        name="100 hours by the header",
        make=raw(lambda: ebml.edited(clip("mkv"), _claims_100_hours)),
        expected="duration_too_long",
        suffix="mkv",
    ),
    Case(
        number=67,
        name="1000 frames per second",
        make=_timed(lambda number: number, count=1000),
        expected="too_many_frames",
        suffix="mkv",
    ),
    Case(
        number=68,
        name="0 frames per second",
        make=raw(lambda: boxes.edited(clip(audio_codec="none"), _no_rate)),
        expected=ACCEPTED,
    ),
    Case(
        number=69,
        name="times that run backwards",
        make=_timed(lambda number: 2000 - 100 * number),
        expected=ACCEPTED,
        why="Pictures before the first one are never shown.",
        suffix="mkv",
    ),
    Case(
        number=70,
        name="gap of 10 hours",
        make=_timed(lambda number: 100 * number + (number > 6) * 36_000_000),
        expected="duration_too_long",
        suffix="mkv",
    ),
)
