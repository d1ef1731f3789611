"""Taking Matroska files apart and putting them together wrongly (RFC 8794, RFC 9559)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

EBML: Final = bytes.fromhex("1A45DFA3")
SEGMENT: Final = bytes.fromhex("18538067")
SEEK_HEAD: Final = bytes.fromhex("114D9B74")
CUES: Final = bytes.fromhex("1C53BB6B")
INFO: Final = bytes.fromhex("1549A966")
TRACKS: Final = bytes.fromhex("1654AE6B")
CLUSTER: Final = bytes.fromhex("1F43B675")
ATTACHMENTS: Final = bytes.fromhex("1941A469")
CHAPTERS: Final = bytes.fromhex("1043A770")
_PARENTS: Final = frozenset({SEGMENT, INFO, TRACKS, b"\xae", b"\xe0"})


@dataclass(kw_only=True)
class Element:
    """An element: either bytes or other elements."""

    id: bytes
    data: bytes = b""
    children: list[Element] = field(default_factory=list)

    def encode(self) -> bytes:
        """The element with its true length."""
        body = self.data + b"".join(child.encode() for child in self.children)
        return self.id + size(len(body)) + body

    def child(self, id_: bytes) -> Element:
        """The first child with an id."""
        return next(child for child in self.children if child.id == id_)


def element(id_hex: str, *content: Element | bytes) -> Element:
    """An element of bytes or of other elements."""
    made = Element(id=bytes.fromhex(id_hex))
    for part in content:
        if isinstance(part, Element):
            made.children.append(part)
        else:
            made.data += part
    return made


def size(length: int) -> bytes:
    """A length as eight bytes."""
    return (length | 1 << 56).to_bytes(8, "big")


def parse(data: bytes) -> Element:
    """A whole file as one nameless element, without its index of positions."""
    root = Element(id=b"", children=children(data))
    segment = root.child(SEGMENT)
    segment.children = [c for c in segment.children if c.id not in (SEEK_HEAD, CUES)]
    return root


def edited(data: bytes, edit: Callable[[Element], None]) -> bytes:
    """The file after an edit of its segment."""
    root = parse(data)
    edit(root.child(SEGMENT))
    return b"".join(child.encode() for child in root.children)


def children(data: bytes) -> list[Element]:
    """The elements in a payload; those that hold others are taken apart too."""
    elements, at = [], 0
    while at < len(data):
        id_length = _width(data[at])
        id_, at = data[at : at + id_length], at + id_length
        length_width = _width(data[at])
        length = int.from_bytes(data[at : at + length_width], "big") & ~(1 << 7 * length_width)
        at += length_width
        body, at = data[at : at + length], at + length
        elements.append(
            Element(id=id_, children=children(body))
            if id_ in _PARENTS
            else Element(id=id_, data=body)
        )
    return elements


def _width(first: int) -> int:
    return 9 - first.bit_length()
