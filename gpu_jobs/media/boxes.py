"""A look at the boxes of an MP4 or MOV file before FFmpeg opens it (ISO 14496-12).

FFmpeg decodes around encryption and missing indexes in ways that end in vague errors, and it can
follow references to other files. Both are plain to see in the box structure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from common.errors import InputError

#: No real file comes near; 20,000 nested boxes are an attack on the reader.
MAX_BOXES: Final = 20_000
MAX_DEPTH: Final = 8

_PARENTS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl"})
#: Sample entries of protected tracks (ISO 14496-12, 8.12; FairPlay's `drm?`).
_PROTECTED: Final = frozenset({b"encv", b"enca", b"encs", b"enct", b"drmi", b"drms", b"drmt"})
#: A reference movie or a compressed header: FFmpeg would open or inflate something unseen.
_REFERENCE_MOVIE: Final = b"rmra"
_COMPRESSED_HEADER: Final = b"cmov"


@dataclass(frozen=True, kw_only=True)
class _Box:
    kind: bytes
    #: Of the payload, after the header.
    start: int
    end: int
    depth: int


def check_boxes(path: Path, *, max_streams: int) -> None:
    """Refuse protected, referring, headless or overcrowded MP4 files.

    Raises:
        InputError: `encrypted`, `external_reference`, `truncated` (no index),
            `container_not_allowed` (compressed or absurdly nested header) or `too_many_streams`.
    """
    size = path.stat().st_size
    tracks, has_index = 0, False
    with path.open("rb") as file:
        for box in _walk(file, 0, size, 0, [0]):
            has_index |= box.kind == b"moov"
            tracks += box.kind == b"trak"
            if tracks > max_streams:
                raise InputError("too_many_streams", f"more than {max_streams} tracks")
            _check_box(file, box)
    if not has_index:
        raise InputError("truncated", "no moov box")


def _walk(file: BinaryIO, start: int, end: int, depth: int, seen: list[int]) -> Iterator[_Box]:
    """All boxes of interest in file order; stops quietly at the first malformed one."""
    while start + 8 <= end:
        seen[0] += 1
        if seen[0] > MAX_BOXES or depth > MAX_DEPTH:
            raise InputError("container_not_allowed", "too many nested boxes")
        file.seek(start)
        header = file.read(16)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header[:8])
        payload = start + 8
        if length == 1 and len(header) == 16:
            length, payload = struct.unpack(">Q", header[8:])[0], start + 16
        elif length == 0:
            length = end - start
        if length < payload - start:
            return
        box = _Box(kind=kind, start=payload, end=min(start + length, end), depth=depth)
        yield box
        if kind in _PARENTS:
            yield from _walk(file, box.start, box.end, depth + 1, seen)
        start += length


def _check_box(file: BinaryIO, box: _Box) -> None:
    if box.kind == _REFERENCE_MOVIE:
        raise InputError("external_reference", "reference movie")
    if box.kind == _COMPRESSED_HEADER:
        raise InputError("container_not_allowed", "compressed header")
    if box.kind == b"stsd" and any(kind in _PROTECTED for kind, _, _ in _entries(file, box)):
        raise InputError("encrypted", "protected sample entry")
    if box.kind == b"dref":
        for kind, flags, length in _entries(file, box):
            # Flag 1 says "in this file"; without it and with a location, it is elsewhere.
            if not flags & 1 and length > 16:
                raise InputError("external_reference", f"data reference {kind!r}")


def _entries(file: BinaryIO, box: _Box) -> Iterator[tuple[bytes, int, int]]:
    """(kind, flags, length) of the entries of an `stsd` or `dref` box."""
    position = box.start + 8
    while position + 12 <= box.end:
        file.seek(position)
        header = file.read(12)
        if len(header) < 12:
            return
        length, kind, flags = struct.unpack(">I4sI", header)
        if length < 8:
            return
        yield kind, flags & 0xFFFFFF, length
        position += length
