"""Bytes on their way to disk, with their checksums, never as a whole in memory."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import google_crc32c

#: Only whole multiples of this survive a cut chunk of a resumable upload, as in Cloud Storage.
ALIGNMENT_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 1024 * 1024


class Digest:
    """CRC32C and MD5 of a stream."""

    def __init__(self) -> None:
        self._crc32c = google_crc32c.Checksum()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        self._crc32c.update(data)
        self._md5.update(data)

    def copy(self) -> Digest:
        """An independent digest in the same state."""
        twin = Digest()
        twin._crc32c = self._crc32c.copy()
        twin._md5 = self._md5.copy()
        return twin

    @property
    def crc32c(self) -> str:
        """Base64 of the big-endian checksum."""
        return base64.b64encode(self._crc32c.digest()).decode()

    @property
    def md5(self) -> str:
        """Base64 of the digest."""
        return base64.b64encode(self._md5.digest()).decode()


@dataclass(frozen=True, kw_only=True)
class Content:
    """A complete file with its checksums."""

    path: Path
    size_bytes: int
    #: Base64, big-endian.
    crc32c: str
    #: Base64.
    md5: str


class PartialContent:
    """A file that grows, and that can be cut back to its last aligned size.

    The file survives the death of this process, not of the machine: it is not synced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._digest = Digest()
        self._safe_bytes = 0
        self._safe_digest = Digest()
        self._file: BinaryIO | None = None

    @classmethod
    def recover(cls, path: Path) -> PartialContent:
        """Pick up what an earlier process left, cut to its last aligned size. Reads the file."""
        content = cls(path)
        if not path.exists():
            return content
        whole = path.stat().st_size // ALIGNMENT_BYTES * ALIGNMENT_BYTES
        with path.open("r+b") as file:
            file.truncate(whole)
            while data := file.read(_READ_BYTES):
                content._digest.update(data)
        content.size_bytes = whole
        content._mark()
        return content

    def write(self, data: bytes) -> None:
        """Append `data`."""
        boundary = (self.size_bytes + len(data)) // ALIGNMENT_BYTES * ALIGNMENT_BYTES
        split = max(0, boundary - self.size_bytes)
        if split:
            self._append(data[:split])
            self._mark()
        self._append(data[split:])

    def roll_back(self) -> None:
        """Forget what was written after the last aligned size."""
        self.close()
        if self.size_bytes == self._safe_bytes:
            return
        with self.path.open("r+b") as file:
            file.truncate(self._safe_bytes)
        self.size_bytes = self._safe_bytes
        self._digest = self._safe_digest.copy()

    @property
    def safe_bytes(self) -> int:
        """How much `roll_back` keeps."""
        return self._safe_bytes

    def finish(self) -> Content:
        """The complete content; nothing may be written afterwards."""
        if self._file is None and self.size_bytes == 0:
            self.path.touch()
        self.close()
        return Content(
            path=self.path,
            size_bytes=self.size_bytes,
            crc32c=self._digest.crc32c,
            md5=self._digest.md5,
        )

    def close(self) -> None:
        """Close the file between requests; writing opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Delete the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self, data: bytes) -> None:
        if not data:
            return
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    def _mark(self) -> None:
        self._safe_bytes = self.size_bytes
        self._safe_digest = self._digest.copy()
