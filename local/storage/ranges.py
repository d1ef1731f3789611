"""The `Range` header of downloads (RFC 9110, section 14.2): one range of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


class UnsatisfiableRange(Exception):
    """The range lies outside of the content: 416."""


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of bytes, at least 1."""
        return self.last - self.first + 1


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """The one range asked for, cut to the content; None when the whole content is to be sent.

    A header that is malformed, in another unit or with several ranges is ignored, as the RFC
    allows and Cloud Storage does.

    Raises:
        UnsatisfiableRange: nothing of the content is in the range.
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    if not start:
        return _suffix(int(end), size_bytes)
    if end and int(end) < int(start):
        return None
    if int(start) >= size_bytes:
        raise UnsatisfiableRange
    last = min(int(end), size_bytes - 1) if end else size_bytes - 1
    return ByteRange(first=int(start), last=last)


def _suffix(length: int, size_bytes: int) -> ByteRange:
    if length == 0 or size_bytes == 0:
        raise UnsatisfiableRange
    return ByteRange(first=max(0, size_bytes - length), last=size_bytes - 1)
