"""32–36: videos that point at other files, or carry something else within."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import Final

from tests.hostile import boxes, ebml
from tests.hostile.case import ACCEPTED, LIMITS, Case, Place
from tests.hostile.clips import clip

_REFERENCE: Final = "external_reference"
_CONTAINER: Final = "container_not_allowed"
_ATTACHED: Final = 500_000_000


def _avi_with_hidden_playlist(place: Place) -> None:
    """An AVI with a text stream whose GAB2 chunk is an HLS playlist, as shown in 2017."""
    playlist = f"#EXTM3U\n#EXTINF:5,\nfile://{place.canary}\n#EXT-X-ENDLIST\n".encode()
    title = "x".encode("utf-16-le") + b"\0\0"
    gab2 = b"GAB2\0" + struct.pack("<HI", 2, len(title)) + title
    gab2 += struct.pack("<HI", 4, len(playlist)) + playlist
    place.path.write_bytes(_with_text_stream(clip("avi"), gab2))


def _with_text_stream(avi: bytes, chunk: bytes) -> bytes:
    """The AVI with one more stream in its header list and one chunk of it first in `movi`."""
    number = avi.count(b"strh")
    header = struct.pack("<4s4sIHHIIIIIIII", b"txts", bytes(4), 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0)
    stream = _riff(b"LIST", b"strl" + _riff(b"strh", header + bytes(8)) + _riff(b"strf", b""))
    at = avi.index(b"LIST") + 8
    length = struct.unpack_from("<I", avi, at - 4)[0]
    head, rest = avi[at : at + length] + stream, avi[at + length :]
    movi = rest.index(b"movi") + 4
    piece = _riff(b"%02dtx" % number, chunk)
    total = struct.unpack_from("<I", rest, movi - 8)[0] + len(piece)
    rest = rest[: movi - 8] + struct.pack("<I", total) + b"movi" + piece + rest[movi:]
    body = avi[8:12] + _riff(b"LIST", head) + rest
    return _riff(b"RIFF", body)


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _elsewhere(place: Place) -> None:
    """A MOV whose samples lie in other files: one beside it, one behind a URL."""
    locations = (f"file://{place.canary}", f"http://{place.honeypot}/x.mov")

    def edit(root: boxes.Box) -> None:
        for dref in root.all(b"dref"):
            entries = b"".join(
                boxes.Box(kind=b"url ", data=bytes(4) + where.encode() + b"\0").encode()
                for where in locations
            )
            dref.data = struct.pack(">II", 0, len(locations)) + entries

    place.path.write_bytes(boxes.edited(clip("mov"), edit))


def _linked_segments(place: Place) -> None:
    """Ordered chapters that are to be played from another file in the folder."""

    def edit(segment: ebml.Element) -> None:
        info = segment.child(ebml.INFO)
        info.children += [
            ebml.element("73A4", b"\x01" * 16),
            ebml.element("3CB923", b"\x02" * 16),
            ebml.element("3C83AB", place.canary.name.encode()),
            ebml.element("3EB923", b"\x02" * 16),
            ebml.element("3E83BB", place.canary.name.encode()),
        ]
        chapter = ebml.element(
            "B6",
            ebml.element("73C4", b"\x01"),
            ebml.element("91", b"\x00"),
            ebml.element("92", (10**9).to_bytes(4, "big")),
            ebml.element("6E67", b"\x02" * 16),
        )
        edition = ebml.element("45B9", ebml.element("45DD", b"\x01"), chapter)
        segment.children.insert(1, ebml.element("1043A770", edition))

    place.path.write_bytes(ebml.edited(clip("mkv"), edit))


def _huge_attachment(place: Place) -> None:
    """A Matroska file that carries 500 MB along (a hole in the file, so nothing is written)."""
    _attach(place, declared=_ATTACHED, present=_ATTACHED)


def _lying_attachment(place: Place) -> None:
    """The same by its length, in a file that has nothing of the kind."""
    _attach(place, declared=_ATTACHED, present=0)


def _attach(place: Place, *, declared: int, present: int) -> None:
    data = clip("mkv")
    root = ebml.parse(data)
    segment = b"".join(child.encode() for child in root.child(ebml.SEGMENT).children)
    name = ebml.element("466E", b"font.ttf").encode()
    kind = ebml.element("4660", b"application/x-truetype-font").encode()
    uid = ebml.element("46AE", b"\x01").encode()
    content = bytes.fromhex("465C") + ebml.size(declared)
    inner = len(name + kind + uid + content) + declared
    attached = bytes.fromhex("61A7") + ebml.size(inner) + name + kind + uid + content
    head = ebml.ATTACHMENTS + ebml.size(len(attached) + declared) + attached
    total = len(segment) + len(head) + present
    with place.path.open("wb") as file:
        file.write(root.child(ebml.EBML).encode())
        file.write(ebml.SEGMENT + ebml.size(total) + head)
        file.seek(present, 1)
        file.write(segment)


def _compressed_header(place: Place) -> None:
    """64 MiB of header, deflated to 64 KiB, as QuickTime once allowed."""
    size = 64 << 20
    packed = zlib.compress(struct.pack(">I4s", size, b"moov") + bytes(size - 8), 9)
    compressed = boxes.Box(
        kind=b"cmov",
        children=[
            boxes.Box(kind=b"dcom", data=b"zlib"),
            boxes.Box(kind=b"cmvd", data=struct.pack(">I", size) + packed),
        ],
    )
    root = boxes.parse(clip("mov"))
    root.first(b"moov").children = [compressed]
    place.path.write_bytes(boxes.file_bytes(root))


CASES: Final = (
    Case(
        number=32,
        name="avi with a hidden playlist",
        make=_avi_with_hidden_playlist,
        expected=ACCEPTED,
        why="The allow-list keeps the second demuxer out; the pictures are as good as any.",
        suffix="avi",
    ),
    Case(number=33, name="samples elsewhere", make=_elsewhere, expected=_REFERENCE, suffix="mov"),
    Case(
        number=34,
        name="linked segments",
        make=_linked_segments,
        expected=ACCEPTED,
        why="FFmpeg follows no links between Matroska files: what the file itself holds is used.",
        suffix="mkv",
    ),
    Case(
        number=35,
        name="attachment of 500 MB",
        make=_huge_attachment,
        expected=ACCEPTED,
        suffix="mkv",
        # FFmpeg searches all of it for the next cluster: five seconds a reading.
        deep=True,
        limits=dataclasses.replace(LIMITS, wall_budget_s=300.0),
    ),
    Case(
        number=35,
        name="attachment that lies",
        make=_lying_attachment,
        expected=ACCEPTED,
        why="FFmpeg skips what is not there and finds all of the video.",
        suffix="mkv",
    ),
    Case(
        number=36,
        name="compressed header",
        make=_compressed_header,
        expected=_CONTAINER,
        why="Refused by its box, before anything is inflated.",
        suffix="mov",
    ),
)
