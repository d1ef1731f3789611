"""What the API's handlers work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.config import Settings


class SignedUpload(Protocol):
    """A URL to which one object may be uploaded once."""

    @property
    def url(self) -> str:
        """Where to send it; a secret."""

    @property
    def method(self) -> str:
        """POST starts a resumable session, PUT sends the bytes."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Exactly what has to be sent along: the signature covers it."""

    @property
    def expires_at(self) -> datetime:
        """When it stops working."""


class Signer(Protocol):
    """Makes signed URLs (`common.storage.ObjectStore`)."""

    def sign_upload(
        self,
        bucket: str,
        name: str,
        *,
        content_type: str,
        size_bytes: int,
        resumable: bool,
        expires_in_s: int,
        crc32c: str | None,
    ) -> SignedUpload:
        """A URL for exactly this object."""

    def sign_download(self, bucket: str, name: str, *, content_type: str, expires_in_s: int) -> str:
        """A URL that shows the object in place."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """The adapters and settings of the function."""

    settings: Settings
    signer: Signer
