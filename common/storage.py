"""Cloud Storage through the official client: objects in and out, and signed URLs.

Every write carries a generation precondition, so that the library may repeat it safely after an
answer was lost. Downloads are checked against the object's CRC32C here, because the library skips
that check for a download it had to resume.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import google.auth
import google_crc32c
from google.api_core import exceptions as api_errors
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY

from common.config import Settings
from common.effects import effect as durable
from common.errors import PermanentError, TransientError
from common.signing import (
    GOOGLE_ENDPOINT,
    SCOPES,
    SignedUpload,
    Signers,
    UrlSigner,
    impersonated,
)
from common.storage_errors import hang_up, translated

__all__ = ["ObjectExistsError", "ObjectInfo", "ObjectStore", "SignedUpload", "Signers"]

#: Seconds to connect and to wait for more bytes.
_TIMEOUT: Final = (5.0, 60.0)
#: How long the library repeats a failed request before it gives up.
_RETRY_FOR_S: Final = 30.0
#: Overwriting races with other writers are settled by trying again this often.
_OVERWRITE_ATTEMPTS: Final = 5


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """One live object."""

    bucket: str
    name: str
    #: Strictly increases with every overwrite.
    generation: int
    size_bytes: int
    content_type: str
    #: Base64 of the big-endian checksum.
    crc32c: str
    #: When this generation was stored; aware.
    created_at: datetime


class ObjectExistsError(PermanentError):
    """`write(if_absent=True)` found other bytes under the name."""

    def __init__(self, existing: ObjectInfo) -> None:
        super().__init__("wrong_state", f"{existing.bucket}/{existing.name} exists and differs")
        self.existing = existing


class ObjectStore:
    """Objects of all buckets that the process may use.

    Args:
        client: has the credentials and the endpoint for everything but signing.
        signers: make the credentials that sign URLs.
        public_endpoint: scheme and host of signed URLs, as clients reach them.
        retry_for_s: how long failed requests are repeated.

    All methods raise `TransientError` when Cloud Storage (or the signer) does not answer, answers
    429 or 5xx, or refuses the credentials; and `NotFoundError` for a missing object or bucket
    unless they say otherwise.
    """

    def __init__(
        self,
        client: Client,
        *,
        signers: Signers,
        public_endpoint: str = GOOGLE_ENDPOINT,
        retry_for_s: float = _RETRY_FOR_S,
    ) -> None:
        self._client = client
        urls = UrlSigner(client, signers, public_endpoint)
        #: See `UrlSigner.sign_upload`.
        self.sign_upload = urls.sign_upload
        #: See `UrlSigner.sign_download`.
        self.sign_download = urls.sign_download
        # The library's own rules, which it offers in no other way.
        worth_repeating = DEFAULT_RETRY._predicate
        self._retry = Retry(predicate=worth_repeating, timeout=retry_for_s, on_error=hang_up)

    @classmethod
    def connect(cls, settings: Settings) -> ObjectStore:
        """Connect with the process's own identity; signers are impersonated when first used."""
        with translated("credentials"):
            credentials, _ = google.auth.default(scopes=SCOPES)
        options = ClientOptions(api_endpoint=settings.storage_endpoint or None)
        return cls(
            Client(project=settings.project, credentials=credentials, client_options=options),
            signers=Signers(
                upload=lambda: impersonated(credentials, settings.upload_signer),
                download=lambda: impersonated(credentials, settings.download_signer),
            ),
            public_endpoint=settings.storage_endpoint or GOOGLE_ENDPOINT,
        )

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def stat(self, bucket: str, name: str) -> ObjectInfo | None:
        """What is stored under the name now; None if nothing is."""
        with translated(f"{bucket}/{name}"):
            blob = self._client.bucket(bucket).get_blob(name, timeout=_TIMEOUT, retry=self._retry)
        return _info(blob) if blob is not None else None

    def read(
        self,
        bucket: str,
        name: str,
        *,
        generation: int | None = None,
        first_bytes: int | None = None,
    ) -> bytes:
        """The content, or its first `first_bytes` (≥ 1) bytes, in memory: for small objects."""
        blob = self._client.bucket(bucket).blob(name, generation=generation)
        end = None if first_bytes is None else first_bytes - 1
        with translated(f"{bucket}/{name}"):
            try:
                data: bytes = blob.download_as_bytes(
                    start=None if end is None else 0,
                    end=end,
                    raw_download=True,
                    checksum="crc32c" if end is None else None,
                    timeout=_TIMEOUT,
                    retry=self._retry,
                )
            except api_errors.RequestRangeNotSatisfiable as error:
                hang_up(error)
                return b""  # An empty object has no first byte.
        if end is None:
            _check(blob, google_crc32c.Checksum(data))
        return data

    def download(
        self, bucket: str, name: str, path: Path, *, generation: int | None = None
    ) -> None:
        """Stream the content to `path`, which appears only when it is complete and checked.

        Raises:
            TransientError: also when the bytes do not have the object's checksum.
        """
        blob = self._client.bucket(bucket).blob(name, generation=generation)
        partial = path.with_name(path.name + ".part")
        try:
            with partial.open("wb") as file, translated(f"{bucket}/{name}"):
                checked = _CheckedFile(file)
                self._client.download_blob_to_file(
                    blob,
                    checked,
                    raw_download=True,
                    checksum="crc32c",
                    timeout=_TIMEOUT,
                    retry=self._retry,
                )
            _check(blob, checked.checksum)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose names start with `prefix`, by name."""
        with translated(f"{bucket}/{prefix}"):
            for blob in self._client.list_blobs(
                bucket, prefix=prefix, timeout=_TIMEOUT, retry=self._retry
            ):
                yield _info(blob)

    def page(self, bucket: str, prefix: str, *, start: str, limit: int) -> tuple[ObjectInfo, ...]:
        """At most `limit` (1–1,000) objects whose names start with `prefix`, from `start` on."""
        with translated(f"{bucket}/{prefix}"):
            blobs = self._client.list_blobs(
                bucket,
                prefix=prefix,
                start_offset=start or None,
                max_results=limit,
                timeout=_TIMEOUT,
                retry=self._retry,
            )
            return tuple(_info(blob) for blob in blobs)

    def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        *,
        content_type: str,
        effect: str,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store `data` under the name.

        Args:
            bucket: must exist.
            name: of the object.
            data: the whole content.
            content_type: MIME type.
            effect: name of the durable effect.
            if_absent: never replace; an existing object with the same bytes is as good as ours.

        Raises:
            ObjectExistsError: `if_absent`, and there are other bytes under the name.
        """
        for _ in range(_OVERWRITE_ATTEMPTS):
            current = None if if_absent else self.stat(bucket, name)
            generation = current.generation if current else 0
            stored = self._put(bucket, name, data, content_type, effect, generation)
            if stored is not None:
                return stored
            # Either another writer was faster, or the answer to our own success was lost.
            found = self.stat(bucket, name)
            if found is not None and _is(found, data):
                return found
            if found is not None and if_absent:
                raise ObjectExistsError(found)
        raise TransientError(detail=f"{bucket}/{name}: too many concurrent writers")

    def upload(
        self, bucket: str, name: str, path: Path, *, content_type: str, effect: str
    ) -> ObjectInfo:
        """Store the content of a file, streamed, unless something is under the name already.

        Args:
            bucket: must exist.
            name: of the object; it should tell its content, for what is there is not looked at.
            path: of the file.
            content_type: MIME type.
            effect: name of the durable effect.

        Returns:
            What is under the name now.
        """
        blob = self._client.bucket(bucket).blob(name)
        with durable(effect), translated(f"{bucket}/{name}"):
            try:
                blob.upload_from_filename(
                    path,
                    content_type=content_type,
                    if_generation_match=0,
                    checksum="crc32c",
                    timeout=_TIMEOUT,
                    retry=self._retry,
                )
            except api_errors.PreconditionFailed:
                found = self.stat(bucket, name)
                if found is None:
                    raise
                return found
        return _info(blob)

    def delete(self, bucket: str, name: str, *, effect: str) -> None:
        """Make sure that nothing is stored under the name; it may be missing already."""
        with durable(effect), translated(f"{bucket}/{name}"):
            try:
                self._client.bucket(bucket).delete_blob(name, timeout=_TIMEOUT, retry=self._retry)
            except api_errors.NotFound:
                return

    def delete_prefix(self, bucket: str, prefix: str, *, effect: str) -> int:
        """Delete all objects whose names start with `prefix` (≥ 1 character).

        Returns:
            How many there were.
        """
        if not prefix:
            raise ValueError("an empty prefix would delete the whole bucket")
        names = [info.name for info in self.list(bucket, prefix)]
        for name in names:
            self.delete(bucket, name, effect=effect)
        return len(names)

    def _put(
        self, bucket: str, name: str, data: bytes, content_type: str, effect: str, generation: int
    ) -> ObjectInfo | None:
        """Store over exactly `generation` (0: nothing); None if something else is there."""
        blob = self._client.bucket(bucket).blob(name)
        with durable(effect), translated(f"{bucket}/{name}"):
            try:
                blob.upload_from_string(
                    data,
                    content_type=content_type,
                    if_generation_match=generation,
                    checksum="crc32c",
                    timeout=_TIMEOUT,
                    retry=self._retry,
                )
            except api_errors.PreconditionFailed:
                return None
        return _info(blob)


class _CheckedFile:
    """A file that sums up what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.checksum = google_crc32c.Checksum()

    def write(self, data: bytes) -> int:
        """Append `data`."""
        self.checksum.update(data)
        return self._file.write(data)


def _check(blob: Blob, checksum: google_crc32c.Checksum) -> None:
    computed = base64.b64encode(checksum.digest()).decode()
    if blob.crc32c != computed:
        raise TransientError(
            detail=f"{blob.bucket.name}/{blob.name}: crc32c {computed}, expected {blob.crc32c}"
        )


def _is(info: ObjectInfo, data: bytes) -> bool:
    crc32c = base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
    return info.size_bytes == len(data) and info.crc32c == crc32c


def _info(blob: Blob) -> ObjectInfo:
    return ObjectInfo(
        bucket=blob.bucket.name,
        name=blob.name,
        generation=int(blob.generation),
        size_bytes=int(blob.size),
        content_type=blob.content_type or "",
        crc32c=blob.crc32c,
        created_at=blob.time_created,
    )
