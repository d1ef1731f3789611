"""Taking MP4 files apart and putting them together wrongly (ISO 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

_PARENTS: Final = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"udta", b"mvex", b"moof"}
    | {b"traf"}
)


@dataclass(kw_only=True)
class Box:
    """A box: either bytes or other boxes."""

    kind: bytes
    data: bytes = b""
    children: list[Box] = field(default_factory=list)

    def encode(self) -> bytes:
        """The box with its true length."""
        body = self.data + b"".join(child.encode() for child in self.children)
        return struct.pack(">I4s", 8 + len(body), self.kind) + body

    def all(self, kind: bytes) -> Iterator[Box]:
        """Every box of a kind below this one, in file order."""
        for child in self.children:
            if child.kind == kind:
                yield child
            yield from child.all(kind)

    def first(self, kind: bytes) -> Box:
        """The first box of a kind below this one."""
        return next(self.all(kind))

    def put(self, at: int, layout: str, *values: int) -> None:
        """Overwrite fields of the payload."""
        data = bytearray(self.data)
        struct.pack_into(layout, data, at, *values)
        self.data = bytes(data)


def parse(data: bytes) -> Box:
    """A whole file as one nameless box."""
    return Box(kind=b"", children=_children(data))


def file_bytes(root: Box) -> bytes:
    """The file again."""
    return b"".join(child.encode() for child in root.children)


def edited(data: bytes, edit: Callable[[Box], None]) -> bytes:
    """The file after an edit; put the index after the data, or offsets will be wrong."""
    root = parse(data)
    edit(root)
    return file_bytes(root)


def full(kind: bytes, layout: str, *values: int | bytes, flags: int = 0, version: int = 0) -> Box:
    """A box with version and flags before its fields."""
    head = struct.pack(">I", version << 24 | flags)
    return Box(kind=kind, data=head + struct.pack(layout, *values))


def _children(data: bytes) -> list[Box]:
    boxes, at = [], 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        payload, end = at + 8, at + length
        if length == 1:
            payload, end = at + 16, at + struct.unpack_from(">Q", data, at + 8)[0]
        elif length == 0:
            end = len(data)
        if end < payload:
            break
        body = data[payload:end]
        boxes.append(
            Box(kind=kind, children=_children(body))
            if kind in _PARENTS
            else Box(kind=kind, data=body)
        )
        at = end
    return boxes
