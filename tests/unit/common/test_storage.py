"""The object store adapter without a server: errors, laziness, what is signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google.api_core import exceptions as api_errors
from google.auth import credentials as google_credentials
from google.auth.exceptions import RefreshError, TransportError
from google.cloud.storage import Client
from google.oauth2.credentials import Credentials

from common.errors import ConfigError, HeimdexError, NotFoundError, PermanentError, TransientError
from common.storage import ObjectStore, Signers
from common.storage_errors import translated
from tests.conftest import settings


class FakeSigner(google_credentials.Signing):
    """Signs with a constant, or fails."""

    signer_email = "signer@heimdex-test.iam.gserviceaccount.com"
    signer = None

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def sign_bytes(self, message: bytes) -> bytes:
        if self._error is not None:
            raise self._error
        return b"\x00\xff"


@dataclass
class Counted:
    """Counts how often a signer is made."""

    make: Callable[[], google_credentials.Signing]
    times: int = 0

    def __call__(self) -> google_credentials.Signing:
        self.times += 1
        return self.make()


def store(
    upload: Callable[[], google_credentials.Signing] = FakeSigner,
    download: Callable[[], google_credentials.Signing] = FakeSigner,
) -> ObjectStore:
    """A store whose signers are fakes; it makes no requests."""
    client = Client(project="heimdex-test", credentials=Credentials("any-token"))
    return ObjectStore(client, signers=Signers(upload=upload, download=download))


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (api_errors.NotFound("x"), NotFoundError),
        (api_errors.BadRequest("x"), PermanentError),
        (api_errors.PreconditionFailed("x"), PermanentError),
        (api_errors.TooManyRequests("x"), TransientError),
        (api_errors.ServiceUnavailable("x"), TransientError),
        (api_errors.InternalServerError("x"), TransientError),
        (api_errors.Forbidden("x"), TransientError),
        (api_errors.Unauthorized("x"), TransientError),
        (api_errors.RetryError("x", cause=None), TransientError),
        (requests.ConnectionError("x"), TransientError),
        (requests.Timeout("x"), TransientError),
        (RefreshError("x"), TransientError),
        (ConnectionResetError("x"), TransientError),
    ],
)
def test_errors_are_translated(cause: Exception, expected: type[HeimdexError]) -> None:
    """Every error of the libraries becomes one of ours, keeping its cause and not its text."""
    with pytest.raises(expected) as caught, translated("bucket/name"):
        raise cause
    assert caught.value.__cause__ is cause
    assert caught.value.detail.startswith("bucket/name")


def test_bugs_are_not_hidden() -> None:
    """An error that is not the service's goes through as it is."""
    with pytest.raises(ZeroDivisionError), translated("bucket/name"):
        _ = 1 / 0


def test_signers_are_made_once_and_only_when_needed() -> None:
    """A process that signs no uploads makes no signer for them."""
    upload, download = Counted(FakeSigner), Counted(FakeSigner)
    signing = store(upload, download)
    assert (upload.times, download.times) == (0, 0)
    for _ in range(2):
        signing.sign_download("bucket", "a", content_type="video/mp4")
    assert (upload.times, download.times) == (0, 1)


def test_connect_needs_no_signers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without signers configured a store connects; only signing tells what is missing."""
    monkeypatch.setattr("google.auth.default", lambda **_: (Credentials("any-token"), None))
    connected = ObjectStore.connect(settings(storage_endpoint="http://127.0.0.1:1"))
    with pytest.raises(ConfigError, match="HEIMDEX_UPLOAD_SIGNER"):
        connected.sign_upload(
            "bucket", "a", content_type="video/mp4", size_bytes=1, resumable=False
        )


@pytest.mark.parametrize("error", [TransportError("x"), RefreshError("x"), requests.Timeout("x")])
def test_signer_that_does_not_answer(error: Exception) -> None:
    """When IAM does not sign, the caller may try again later."""
    with pytest.raises(TransientError):
        store(upload=lambda: FakeSigner(error)).sign_upload(
            "bucket", "a", content_type="video/mp4", size_bytes=1, resumable=False
        )


@pytest.mark.parametrize(("resumable", "method"), [(True, "POST"), (False, "PUT")])
def test_upload_is_bound_to_what_was_declared(resumable: bool, method: str) -> None:
    """Size, type, checksum, novelty and kind are headers that the signature covers."""
    signed = store().sign_upload(
        "bucket",
        "videos/1.mp4",
        content_type="video/mp4",
        size_bytes=7,
        resumable=resumable,
        expires_in_s=60,
        crc32c="AAAAAA==",
    )
    assert signed.method == method
    expected = {
        "content-type": "video/mp4",
        "x-goog-content-length-range": "7,7",
        "x-goog-if-generation-match": "0",
        "x-goog-hash": "crc32c=AAAAAA==",
    }
    if resumable:
        expected["x-goog-resumable"] = "start"
    assert signed.headers == expected
    url = urlsplit(signed.url)
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc) == ("https", "storage.googleapis.com")
    assert query["X-Goog-SignedHeaders"] == [";".join(sorted({*expected, "host"}))]
    assert query["X-Goog-Expires"] == ["60"]
    left = signed.expires_at - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


def test_download_is_inline_with_a_fixed_type() -> None:
    """Type and disposition are part of what is signed, whatever the file is called."""
    url = store().sign_download(
        "bucket", "a", content_type="video/mp4", filename='a"; x=\r\n한.mp4'
    )
    query = parse_qs(urlsplit(url).query)
    assert query["response-content-type"] == ["video/mp4"]
    expected = "inline; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%ED%95%9C.mp4"
    assert query["response-content-disposition"] == [expected]
    assert query["X-Goog-Expires"] == ["300"]


def test_an_empty_prefix_is_refused() -> None:
    """Nobody deletes a whole bucket by accident."""
    with pytest.raises(ValueError, match="whole bucket"):
        store().delete_prefix("bucket", "", effect="object.delete")
