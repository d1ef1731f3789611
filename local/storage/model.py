"""The nouns of the store: objects, what an upload promises, and conditions on requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from local.storage.problems import (
    StorageProblem,
    bad_digest,
    invalid,
    precondition_failed,
    too_large,
    too_small,
)


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What an uploader says about an object; empty means unset."""

    content_type: str = ""
    content_encoding: str = ""
    content_disposition: str = ""
    content_language: str = ""
    cache_control: str = ""
    #: The user's own metadata, names without `x-goog-meta-`.
    custom: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One live object; versioning is off."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    size_bytes: int
    #: Base64, big-endian.
    crc32c: str
    #: Base64.
    md5: str
    #: Aware, UTC.
    created_at: datetime
    attributes: Attributes
    #: Name of the file with the bytes, in the content directory.
    file: str


@dataclass(frozen=True, kw_only=True)
class Preconditions:
    """if-match conditions; generation 0 means that there is no live object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, current: StoredObject | None) -> None:
        """Compare with the live object.

        Raises:
            StorageProblem: 412, or 304 for a not-match condition on the same generation.
        """
        generation = current.generation if current else 0
        metageneration = current.metageneration if current else 0
        if self.generation_match not in (None, generation):
            raise precondition_failed()
        if self.metageneration_match not in (None, metageneration):
            raise precondition_failed()
        if self.generation_not_match == generation:
            raise _not_modified()
        if self.metageneration_not_match == metageneration:
            raise _not_modified()


@dataclass(frozen=True, kw_only=True)
class LengthRange:
    """`x-goog-content-length-range`: bounds on the size of an upload, both included."""

    min_bytes: int
    max_bytes: int

    def check(self, size_bytes: int) -> None:
        """Refuse a size outside of the range.

        Raises:
            StorageProblem: 400 EntityTooLarge or EntityTooSmall.
        """
        if size_bytes > self.max_bytes:
            raise too_large()
        if size_bytes < self.min_bytes:
            raise too_small()


@dataclass(frozen=True, kw_only=True)
class Checksums:
    """What the uploader says the bytes hash to, base64; empty means unsaid."""

    crc32c: str = ""
    md5: str = ""

    def check(self, *, crc32c: str, md5: str) -> None:
        """Compare with what was computed.

        Raises:
            StorageProblem: 400 BadDigest.
        """
        if self.crc32c and self.crc32c != crc32c:
            raise bad_digest("CRC32C", self.crc32c, crc32c)
        if self.md5 and self.md5 != md5:
            raise bad_digest("MD5 hash", self.md5, md5)

    def merged(self, later: Checksums) -> Checksums:
        """These, completed by what a later request of the same upload says.

        Raises:
            StorageProblem: 400, they contradict each other.
        """
        for mine, other in ((self.crc32c, later.crc32c), (self.md5, later.md5)):
            if mine and other and mine != other:
                raise invalid("The checksums of the upload contradict each other.")
        return Checksums(crc32c=self.crc32c or later.crc32c, md5=self.md5 or later.md5)


@dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """Everything an upload promises before its first byte."""

    bucket: str
    name: str
    attributes: Attributes = field(default_factory=Attributes)
    preconditions: Preconditions = field(default_factory=Preconditions)
    length_range: LengthRange | None = None
    checksums: Checksums = field(default_factory=Checksums)
    #: Total size, when announced.
    size_bytes: int | None = None

    @property
    def max_bytes(self) -> int | None:
        """Where a stream of unknown length is cut off."""
        bounds = [self.length_range.max_bytes] if self.length_range else []
        if self.size_bytes is not None:
            bounds.append(self.size_bytes)
        return min(bounds, default=None)

    def check_size(self, size_bytes: int) -> None:
        """Refuse a total size that breaks a promise.

        Raises:
            StorageProblem: 400 EntityTooLarge or EntityTooSmall.
        """
        if self.length_range is not None:
            self.length_range.check(size_bytes)
        if self.size_bytes is not None:
            LengthRange(min_bytes=self.size_bytes, max_bytes=self.size_bytes).check(size_bytes)


def _not_modified() -> StorageProblem:
    return StorageProblem(304, "NotModified", "The object was not modified.", reason="notModified")
