"""Ways to damage a file, blindly and where the format keeps its lengths."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Final

Mutation = Callable[[Random, bytearray], None]

#: Values that counters and lengths break at.
_ODD: Final = (0, 1, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Names of boxes of an MP4 and chunks of an AVI; their lengths lie before or behind.
_BOX: Final = re.compile(
    rb"ftyp|moov|mvhd|trak|tkhd|edts|elst|mdia|mdhd|hdlr|minf|dinf|dref|stbl|stsd|stts|ctts|stss"
    rb"|stsc|stsz|stco|co64|udta|meta|moof|mfhd|traf|tfhd|tfdt|trun|mdat|sidx|mfra|avcC|esds|colr"
)
_CHUNK: Final = re.compile(rb"RIFF|LIST|avih|strh|strf|strn|JUNK|idx1|indx|\d\d(?:dc|wb|tx|db)")
#: Ids of Matroska elements that hold something, with the length behind.
_ELEMENT: Final = re.compile(
    rb"\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x11\x4d\x9b\x74|\x15\x49\xa9\x66|\x16\x54\xae\x6b"
    rb"|\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b|\x63\xa2|\xae|\xe0|\xe1|\xa3|\xa0|\xb0|\xba|\x86",
    re.DOTALL,
)
#: Numbers, arrows and blank lines are what a subtitle file is made of.
_CLOCK: Final = re.compile(rb"\d\d:\d\d:\d\d[.,]\d\d\d|-->|\n\n|<[^>]*>")
_ODD_TEXT: Final = (
    b"99:99:99,999",
    b"-1:00:00,000",
    b"00:00:00.000 --> 00:00:00.000",
    b"-->-->-->",
    b"<" * 5000,
    b"&#xFFFFFFFF;&#0;&amp" * 50,
    b"{\\an8" * 500,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x00",
    b"\xed\xa0\x80",
    "\u202e\u2028\U0010ffff".encode(),
    b"9" * 5000,
    b"\r",
    b"a\xcc\x81" * 1000,
)


def mutant(seed_content: bytes, random: Random, *, is_text: bool) -> bytes:
    """One to four mutations of a file."""
    data = bytearray(seed_content)
    kinds = _TEXT if is_text else _BINARY
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        if data:
            random.choice(kinds)(random, data)
    return bytes(data)


def _flip(random: Random, data: bytearray) -> None:
    for _ in range(random.choice((1, 2, 8, 64))):
        at = _place(random, data)
        data[at] ^= 1 << random.randrange(8)


def _truncate(random: Random, data: bytearray) -> None:
    del data[random.randrange(len(data)) :]


def _cut_out(random: Random, data: bytearray) -> None:
    start, end = _span(random, data)
    del data[start:end]


def _duplicate(random: Random, data: bytearray) -> None:
    start, end = _span(random, data)
    at = random.randrange(len(data))
    data[at:at] = data[start:end] * random.choice((1, 1, 2, 16))


def _ones(random: Random, data: bytearray) -> None:
    start, end = _span(random, data)
    data[start:end] = b"\xff" * (end - start)


def _zeros(random: Random, data: bytearray) -> None:
    start, end = _span(random, data)
    data[start:end] = bytes(end - start)


def _noise(random: Random, data: bytearray) -> None:
    start, end = _span(random, data)
    data[start:end] = random.randbytes(end - start)


def _swap(random: Random, data: bytearray) -> None:
    (start, end), at = _span(random, data), random.randrange(len(data))
    piece = data[start:end]
    del data[start:end]
    data[at:at] = piece


def _length(random: Random, data: bytearray) -> None:
    """A length, or a field close behind the name, becomes an odd number."""
    names = [match.start() for match in _BOX.finditer(data)]
    chunks = [match.end() for match in _CHUNK.finditer(data)] if data[:4] == b"RIFF" else []
    if names and not chunks:
        at = random.choice(names) + random.choice((-4, -4, 4, 8, 12, 16, 20))
        _put(random, data, at, "big")
    elif chunks:
        _put(random, data, random.choice(chunks) + random.choice((0, 0, 4, 8)), "little")
    else:
        _element_length(random, data)


def _element_length(random: Random, data: bytearray) -> None:
    ends = [match.end() for match in _ELEMENT.finditer(data)]
    if not ends:
        return
    at = random.choice(ends)
    width = random.choice((1, 2, 4, 8))
    size = random.choice((0, 1, 2**6, 2**13, 2**27, 2**31, 2**55, (1 << 7 * width) - 1))
    value = (size & ((1 << 7 * width) - 1)) | 1 << 7 * width
    data[at : at + width] = value.to_bytes(width, "big")


def _put(random: Random, data: bytearray, at: int, order: str) -> None:
    if 0 <= at <= len(data) - 4:
        value = random.choice(_ODD)
        data[at : at + 4] = value.to_bytes(4, "little" if order == "little" else "big")


def _odd_text(random: Random, data: bytearray) -> None:
    places = [match.span() for match in _CLOCK.finditer(data)] or [(0, 0)]
    start, end = random.choice(places)
    data[start:end] = random.choice(_ODD_TEXT)


def _place(random: Random, data: bytearray) -> int:
    """Anywhere, or close to where the format has something to say."""
    structure = _CHUNK if data[:4] == b"RIFF" else _ELEMENT if data[:1] == b"\x1a" else _BOX
    places = [match.start() for match in structure.finditer(data)]
    if not places or random.random() < 0.4:
        return random.randrange(len(data))
    return min(random.choice(places) + random.randrange(48), len(data) - 1)


def _span(random: Random, data: bytearray) -> tuple[int, int]:
    start = _place(random, data)
    return start, min(len(data), start + random.choice((1, 4, 16, 64, 256, 4096)))


_BLIND: Final = (_flip, _flip, _truncate, _cut_out, _duplicate, _ones, _zeros, _noise, _swap)
_BINARY: Final[tuple[Mutation, ...]] = (*_BLIND, _length, _length, _length, _length)
_TEXT: Final[tuple[Mutation, ...]] = (*_BLIND, _odd_text, _odd_text, _odd_text)
