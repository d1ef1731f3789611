"""HEIF stills with HEVC in them (.heic, as phones write them): one item, or a grid of tiles.

FFmpeg can take such a file apart, but tells its callers nothing of the grid; so the boxes are read
here (ISO 14496-12, 23008-12) and only the coded tiles go to FFmpeg's HEVC decoder. Every number in
the file is checked against what is there before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from common.errors import InputError

Picture = npt.NDArray[np.uint8]
#: (hvcC, coded picture) -> (height, width, 3) RGB.
DecodeTile = Callable[[bytes, bytes], Picture]

_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
#: A 50-megapixel phone has some hundred.
_MAX_TILES: Final = 1_024
_MAX_BOXES: Final = 10_000


def is_heif(head: bytes) -> bool:
    """Whether a file's first bytes are those of an HEIF picture, by its major or other brands."""
    if head[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(head[:4], "big"), len(head))
    return bool(_BRANDS & {head[at : at + 4] for at in (8, *range(16, size - 3, 4))})


def decode(data: bytes, *, max_pixels: int, decode_tile: DecodeTile) -> Picture:
    """Decode the primary picture, turned as it is to be shown.

    Args:
        data: the whole file.
        max_pixels: of the whole picture.
        decode_tile: the HEVC decoder.

    Returns:
        (height, width, 3) RGB.

    Raises:
        InputError: `photo_unreadable`; or `photo_too_large`.
    """
    try:
        meta = _read_meta(data)
        item = meta.primary
        picture = _decode_item(data, meta, item, max_pixels, decode_tile)
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise InputError("photo_unreadable", f"heif: {type(error).__name__}") from error
    for kind, value in meta.properties.get(item, ()):
        if kind == b"irot":
            picture = np.rot90(picture, value[0] & 3)
        elif kind == b"imir":
            picture = picture[:, ::-1] if value[0] & 1 else picture[::-1]
    return np.ascontiguousarray(picture)


@dataclass(kw_only=True)
class _Meta:
    """What the `meta` box says."""

    primary: int = 0
    #: Item -> its type.
    kinds: dict[int, bytes] = field(default_factory=dict)
    #: Item -> where its bytes are: (in `idat` instead of the file, offset, length).
    extents: dict[int, list[tuple[bool, int, int]]] = field(default_factory=dict)
    #: Derived item -> the items it is made of, in order.
    made_of: dict[int, list[int]] = field(default_factory=dict)
    #: Item -> its properties, in order.
    properties: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    idat: bytes = b""


def _decode_item(
    data: bytes, meta: _Meta, item: int, max_pixels: int, decode_tile: DecodeTile
) -> Picture:
    kind = meta.kinds[item]
    if kind == b"hvc1":
        return _decode_tile(data, meta, item, max_pixels, decode_tile)
    if kind != b"grid":
        raise InputError("photo_unreadable", f"heif: item of type {kind!r}")
    rows, columns, width, height = _grid(_bytes_of(data, meta, item))
    tiles = meta.made_of[item]
    _check_pixels(width, height, max_pixels)
    if len(tiles) != rows * columns or len(tiles) > _MAX_TILES:
        raise ValueError(f"{len(tiles)} tiles of {rows} x {columns}")
    first = _decode_tile(data, meta, tiles[0], max_pixels, decode_tile)
    tile_height, tile_width = first.shape[:2]
    if tile_height * rows < height or tile_width * columns < width:
        raise ValueError("the tiles do not cover the picture")
    whole: Picture = np.zeros((height, width, 3), np.uint8)
    for place, tile in enumerate(tiles):
        part = first if place == 0 else _decode_tile(data, meta, tile, max_pixels, decode_tile)
        if part.shape != first.shape:
            raise ValueError("tiles of different sizes")
        top, left = place // columns * tile_height, place % columns * tile_width
        room = whole[top : top + tile_height, left : left + tile_width]
        room[:] = part[: room.shape[0], : room.shape[1]]
    return whole


def _decode_tile(
    data: bytes, meta: _Meta, item: int, max_pixels: int, decode_tile: DecodeTile
) -> Picture:
    properties = dict(meta.properties[item])
    if (size := properties.get(b"ispe")) is not None:
        width, height = struct.unpack_from(">II", size, 4)
        _check_pixels(width, height, max_pixels)
    return decode_tile(properties[b"hvcC"], _bytes_of(data, meta, item))


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise ValueError("an empty picture")
    if width * height > max_pixels:
        raise InputError("photo_too_large", f"{width} x {height} pixels")


def _grid(value: bytes) -> tuple[int, int, int, int]:
    """Rows, columns, width and height of a grid."""
    layout = ">II" if value[1] & 1 else ">HH"
    width, height = struct.unpack_from(layout, value, 4)
    return value[2] + 1, value[3] + 1, width, height


def _bytes_of(data: bytes, meta: _Meta, item: int) -> bytes:
    parts = []
    for in_idat, offset, length in meta.extents[item]:
        source = meta.idat if in_idat else data
        if offset + length > len(source):
            raise ValueError("an item reaches over the end")
        parts.append(source[offset : offset + length] if length else source[offset:])
    return b"".join(parts)


def _read_meta(data: bytes) -> _Meta:
    boxes = dict(reversed([*_boxes(data)]))
    inner = dict(reversed([*_boxes(boxes[b"meta"][4:])]))
    meta = _Meta(idat=inner.get(b"idat", b""))
    pitm = inner[b"pitm"]
    meta.primary = int.from_bytes(pitm[4:8] if pitm[0] else pitm[4:6], "big")
    meta.kinds = _kinds(inner[b"iinf"])
    meta.extents = _extents(inner[b"iloc"])
    meta.made_of = _references(inner[b"iref"]) if b"iref" in inner else {}
    meta.properties = _properties(dict(_boxes(inner[b"iprp"])))
    return meta


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the boxes that lie one after the other."""
    at = count = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if size == 0 else at + size
        count += 1
        if end < start or end > len(data) or count > _MAX_BOXES:
            raise ValueError(f"box {kind!r} does not fit")
        # What holds the coded pictures is read in place.
        yield kind, b"" if kind == b"mdat" else data[start:end]
        at = end


def _kinds(iinf: bytes) -> dict[int, bytes]:
    kinds = {}
    for kind, entry in _boxes(iinf[8 if iinf[0] else 6 :]):
        if kind == b"infe" and entry[0] in (2, 3):
            wide = entry[0] == 3
            item = int.from_bytes(entry[4:8] if wide else entry[4:6], "big")
            at = 10 if wide else 8
            kinds[item] = entry[at : at + 4]
    return kinds


class _Fields:
    """Reads big-endian numbers of changing width one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def take(self, width: int) -> int:
        if self.at + width > len(self._data):
            raise ValueError("a list is cut off")
        value = int.from_bytes(self._data[self.at : self.at + width], "big")
        self.at += width
        return value


def _extents(iloc: bytes) -> dict[int, list[tuple[bool, int, int]]]:
    version = iloc[0]
    fields = _Fields(iloc, 4)
    sizes, more = fields.take(1), fields.take(1)
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    found: dict[int, list[tuple[bool, int, int]]] = {}
    for _ in range(fields.take(4 if version == 2 else 2)):
        item = fields.take(4 if version == 2 else 2)
        method = fields.take(2) & 15 if version else 0
        if method > 1:
            raise ValueError(f"construction method {method}")
        fields.take(2)
        base = fields.take(base_size)
        found[item] = []
        for _ in range(fields.take(2)):
            fields.take(index_size)
            offset, length = fields.take(offset_size), fields.take(length_size)
            found[item].append((method == 1, base + offset, length))
    return found


def _references(iref: bytes) -> dict[int, list[int]]:
    width = 4 if iref[0] else 2
    found = {}
    for kind, entry in _boxes(iref[4:]):
        if kind == b"dimg":
            fields = _Fields(entry, 0)
            item = fields.take(width)
            found[item] = [fields.take(width) for _ in range(fields.take(2))]
    return found


def _properties(iprp: Mapping[bytes, bytes]) -> dict[int, list[tuple[bytes, bytes]]]:
    known: Sequence[tuple[bytes, bytes]] = [*_boxes(iprp[b"ipco"])]
    ipma = iprp[b"ipma"]
    wide_items, wide_places = bool(ipma[0]), bool(ipma[3] & 1)
    fields = _Fields(ipma, 4)
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    for _ in range(fields.take(4)):
        item = fields.take(4 if wide_items else 2)
        of_item = found.setdefault(item, [])
        for _ in range(fields.take(1)):
            place = fields.take(2) & 0x7FFF if wide_places else fields.take(1) & 0x7F
            if place:
                of_item.append(known[place - 1])
    return found
