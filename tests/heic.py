"""HEIC files for tests: coded by x265, put into boxes by hand (ISO 23008-12)."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]


def encode(picture: Picture, *, quarters: int = 0) -> bytes:
    """One coded picture, turned anticlockwise by quarters when shown."""
    height, width = picture.shape[:2]
    configuration, coded = _hevc(picture)
    turn = [_box(b"irot", bytes([quarters]))] if quarters else []
    properties = [configuration, _size(width, height), *turn]
    places = {1: [1, 2, *([3] if turn else [])]}
    return _file({1: (b"hvc1", coded)}, {}, properties, places, primary=1)


def encode_grid(picture: Picture, *, tile_px: int, quarters: int = 0) -> bytes:
    """A grid of coded tiles, the last ones filled up."""
    height, width = picture.shape[:2]
    rows, columns = -(-height // tile_px), -(-width // tile_px)
    padded = np.zeros((rows * tile_px, columns * tile_px, 3), np.uint8)
    padded[:height, :width] = picture
    items: dict[int, tuple[bytes, bytes]] = {}
    configuration = b""
    for place in range(rows * columns):
        top, left = place // columns * tile_px, place % columns * tile_px
        tile = padded[top : top + tile_px, left : left + tile_px]
        configuration, coded = _hevc(np.ascontiguousarray(tile))
        items[place + 1] = (b"hvc1", coded)
    grid = len(items) + 1
    items[grid] = (b"grid", struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height))
    turn = [_box(b"irot", bytes([quarters]))] if quarters else []
    properties = [configuration, _size(tile_px, tile_px), _size(width, height), *turn]
    places = {item: [1, 2] for item in items} | {grid: [3, *([4] if turn else [])]}
    tiles = [item for item in items if item != grid]
    return _file(items, {grid: tiles}, properties, places, primary=grid)


def _file(
    items: dict[int, tuple[bytes, bytes]],
    made_of: dict[int, list[int]],
    properties: list[bytes],
    places: dict[int, list[int]],
    *,
    primary: int,
) -> bytes:
    head = _box(b"ftyp", b"heic" + struct.pack(">I", 0) + b"mif1heic")
    # Lengths do not depend on the offsets, so the second try has the right ones.
    meta = _meta(items, made_of, properties, places, primary, start=0)
    start = len(head) + len(meta) + 8
    meta = _meta(items, made_of, properties, places, primary, start=start)
    return head + meta + _box(b"mdat", b"".join(data for _, data in items.values()))


def _meta(
    items: dict[int, tuple[bytes, bytes]],
    made_of: dict[int, list[int]],
    properties: list[bytes],
    places: dict[int, list[int]],
    primary: int,
    *,
    start: int,
) -> bytes:
    entries = b"".join(
        _box(b"infe", struct.pack(">IHH4sB", 2 << 24, item, 0, kind, 0))
        for item, (kind, _) in items.items()
    )
    located, at = b"", start
    for item, (_, data) in items.items():
        located += struct.pack(">HHHII", item, 0, 1, at, len(data))
        at += len(data)
    linked = b"".join(
        struct.pack(">HB", item, len(of_item)) + bytes(of_item) for item, of_item in places.items()
    )
    parts = [
        _box(b"hdlr", struct.pack(">II4s12sB", 0, 0, b"pict", b"", 0)),
        _box(b"pitm", struct.pack(">IH", 0, primary)),
        _box(b"iinf", struct.pack(">IH", 0, len(items)) + entries),
        _box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(items)) + located),
    ]
    if made_of:
        references = b"".join(
            _box(b"dimg", struct.pack(f">HH{len(tiles)}H", item, len(tiles), *tiles))
            for item, tiles in made_of.items()
        )
        parts.append(_box(b"iref", struct.pack(">I", 0) + references))
    associations = struct.pack(">II", 0, len(places)) + linked
    known = _box(b"ipco", b"".join(properties)) + _box(b"ipma", associations)
    parts.append(_box(b"iprp", known))
    return _box(b"meta", struct.pack(">I", 0) + b"".join(parts))


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _size(width: int, height: int) -> bytes:
    return _box(b"ispe", struct.pack(">III", 0, width, height))


def _hevc(picture: Picture) -> tuple[bytes, bytes]:
    """(hvcC box, length-prefixed units) of one key frame."""
    height, width = picture.shape[:2]
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 1)
    context.options = {"x265-params": "log-level=none:crf=10:keyint=1:repeat-headers=1"}
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    packets = [*context.encode(frame), *context.encode(None)]
    units = _units(b"".join(bytes(packet) for packet in packets))
    headers = [unit for unit in units if unit[0] >> 1 & 63 in (32, 33, 34)]
    coded = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    return _configuration(headers), b"".join(struct.pack(">I", len(u)) + u for u in coded)


def _units(stream: bytes) -> list[bytes]:
    """The units of a stream with start codes."""
    parts = stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def _configuration(headers: list[bytes]) -> bytes:
    arrays = b"".join(
        struct.pack(">BHH", 0x80 | unit[0] >> 1 & 63, 1, len(unit)) + unit for unit in headers
    )
    # Profile Main; what a decoder needs is in the headers.
    fixed = struct.pack(">BBIHIBHBBBBHBB", 1, 1, 0x60000000, 0, 0, 93, 0xF000, 0xFC, 0xFD, 0xF8,
                        0xF8, 0, 0x0F, len(headers))  # fmt: skip
    return _box(b"hvcC", fixed + arrays)
