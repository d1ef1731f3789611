"""Signed URLs (V4): let clients upload or watch one object without credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from google.auth import credentials as google_credentials
from google.auth import impersonated_credentials
from google.cloud.storage import Client

from common.errors import ConfigError
from common.storage_errors import translated

GOOGLE_ENDPOINT: Final = "https://storage.googleapis.com"

#: What the process and its signers may do is narrowed by IAM, not by scopes.
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
#: Credentials of an impersonated signer live this long; Google's limit without extra policy.
_SIGNER_LIFETIME_S: Final = 3_600


@dataclass(frozen=True, kw_only=True)
class SignedUpload:
    """All that a client needs to upload one object without credentials."""

    url: str
    #: `PUT` with the bytes; or `POST` without a body, then PUT to the `Location` of the answer.
    method: str
    #: To be sent exactly; the signature covers them.
    headers: Mapping[str, str]
    #: Aware, UTC. A resumable upload must be started, not completed, before.
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Signers:
    """Makers of the credentials that sign; called at the first signature, if ever."""

    upload: Callable[[], google_credentials.Signing]
    download: Callable[[], google_credentials.Signing]


class UrlSigner:
    """Signs URLs with credentials that are made at the first signature.

    Args:
        client: makes no request here; it only names buckets.
        signers: make the credentials.
        endpoint: scheme and host of the URLs, as clients reach them.
    """

    def __init__(self, client: Client, signers: Signers, endpoint: str) -> None:
        self._client = client
        self._upload = cache(signers.upload)
        self._download = cache(signers.download)
        self._endpoint = endpoint

    def sign_upload(
        self,
        bucket: str,
        name: str,
        *,
        content_type: str,
        size_bytes: int,
        resumable: bool,
        expires_in_s: int = 600,
        crc32c: str | None = None,
    ) -> SignedUpload:
        """Let whoever has the URL create this one object, with exactly this size and type.

        Args:
            bucket: of the object.
            name: must not exist at the time of the upload.
            content_type: exact MIME type.
            size_bytes: exact size.
            resumable: POST that opens a session, instead of a single PUT.
            expires_in_s: 1 to 604,800.
            crc32c: base64 of the big-endian checksum, if the bytes must have it.
        """
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        headers = {
            "content-type": content_type,
            "x-goog-content-length-range": f"{size_bytes},{size_bytes}",
            "x-goog-if-generation-match": "0",
            **({"x-goog-resumable": "start"} if resumable else {}),
            **({"x-goog-hash": f"crc32c={crc32c}"} if crc32c else {}),
        }
        method = "POST" if resumable else "PUT"
        url = self._sign(
            bucket,
            name,
            self._upload,
            method=method,
            expiration=timedelta(seconds=expires_in_s),
            headers=dict(headers),
        )
        return SignedUpload(url=url, method=method, headers=headers, expires_at=expires_at)

    def sign_download(
        self,
        bucket: str,
        name: str,
        *,
        content_type: str,
        expires_in_s: int = 300,
        filename: str | None = None,
    ) -> str:
        """A URL that shows the object in a browser, as `content_type` and never as anything else.

        Args:
            bucket: of the object.
            name: of the object.
            content_type: what the answer claims to be; fixed by the signature.
            expires_in_s: 1 to 604,800.
            filename: suggested when the viewer saves it.
        """
        disposition = "inline"
        if filename is not None:
            disposition += f"; filename*=UTF-8''{quote(filename, safe='')}"
        return self._sign(
            bucket,
            name,
            self._download,
            method="GET",
            expiration=timedelta(seconds=expires_in_s),
            response_type=content_type,
            response_disposition=disposition,
        )

    def _sign(
        self,
        bucket: str,
        name: str,
        signer: Callable[[], google_credentials.Signing],
        **options: Any,
    ) -> str:
        blob = self._client.bucket(bucket).blob(name)
        with translated(f"signing for {bucket}/{name}"):
            url: str = blob.generate_signed_url(
                version="v4",
                credentials=signer(),
                api_access_endpoint=self._endpoint,
                **options,
            )
        return url


def impersonated(source: google_credentials.Credentials, email: str) -> google_credentials.Signing:
    """Credentials that sign as `email` through IAM's signBlob, authorised by `source`.

    Raises:
        ConfigError: there is no email.
    """
    if not email:
        raise ConfigError("HEIMDEX_UPLOAD_SIGNER and HEIMDEX_DOWNLOAD_SIGNER are needed to sign")
    signer: google_credentials.Signing = impersonated_credentials.Credentials(
        source_credentials=source,
        target_principal=email,
        target_scopes=SCOPES,
        lifetime=_SIGNER_LIFETIME_S,
    )
    return signer
