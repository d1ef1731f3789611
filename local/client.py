"""A client of the public API: what any outside program would do, with nothing but HTTP.

It knows three addresses (API, sign-in, and the upload URLs it is given) and no secret.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import google_crc32c
import requests

#: Chunks of a resumable upload must be multiples of 256 KiB.
_CHUNK_BYTES = 8 * 1024 * 1024
_TIMEOUT_S = 60
_CONTENT_TYPES: Mapping[str, str] = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".3gp": "video/3gpp",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
}

#: Called with (bytes sent, bytes in all).
Progress = Callable[[int, int], None]


class ApiError(Exception):
    """The service refused: a problem document, or a storage error.

    Args:
        status: HTTP status.
        code: stable problem code, or the storage service's error code.
        message: what to do, for a person.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} [{code}, HTTP {status}]")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    """A subtitle file and its language, e.g. "ko"."""

    path: Path
    language: str


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the service is."""

    #: Front door, without /v1.
    api_url: str
    #: Base of the Identity Toolkit and Secure Token REST services.
    identity_url: str


class Client:
    """One signed-in user.

    Args:
        endpoints: where the service is.
        token: a Firebase ID token (see `sign_in`).
    """

    def __init__(self, endpoints: Endpoints, token: str) -> None:
        self.token = token
        self._base = endpoints.api_url + "/v1"
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {token}"

    def upload(
        self,
        video: Path,
        subtitles: Sequence[Subtitles] = (),
        *,
        on_progress: Progress | None = None,
    ) -> str:
        """Declare the video with its subtitle files, send all bytes, return the video id.

        Raises:
            ApiError: refused by the API or by storage.
            OSError: a file cannot be read.
        """
        answer = self.declare(
            {**_object(video), "filename": video.name, "resumable": True},
            subtitles=[{**_object(s.path), "language": s.language} for s in subtitles],
        )
        paths = [video, *(s.path for s in subtitles)]
        for declared, path in zip(answer["uploads"], paths, strict=True):
            self._send(declared, path, on_progress if path is video else None)
        return str(answer["video"]["id"])

    def declare(self, video: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Announce an upload; the answer has a signed URL for each object."""
        return self._call("POST", "/uploads", json={"video": video, **more})

    def video(self, video_id: str) -> dict[str, Any]:
        """The video resource."""
        return self._call("GET", f"/videos/{video_id}")

    def status(self, video_id: str) -> dict[str, Any]:
        """State of the video and progress of each stage."""
        return self._call("GET", f"/videos/{video_id}/status")

    def videos(self) -> list[dict[str, Any]]:
        """All videos, newest first."""
        return self._all("/videos", "videos")

    def scenes(self, video_id: str) -> list[dict[str, Any]]:
        """All scenes of a video, by time."""
        return self._all(f"/videos/{video_id}/scenes", "scenes")

    def search(self, query: str, **parameters: str | Sequence[str]) -> dict[str, Any]:
        """Ranked, explained hits.

        Args:
            query: as typed.
            parameters: of the search; a sequence is repeated, e.g. `video_id`.
        """
        return self._call("GET", "/search", params={"q": query, **parameters})

    def preview(self, scene_id: str) -> dict[str, Any]:
        """A short-lived URL that plays the video at the scene."""
        return self._call("GET", f"/scenes/{scene_id}/preview")

    def delete(self, video_id: str) -> None:
        """Delete the video."""
        self._call("DELETE", f"/videos/{video_id}")

    def request_export(self) -> str:
        """Ask for an archive of everything; returns the export's id."""
        return str(self._call("POST", "/exports", json={})["id"])

    def export(self, export_id: str) -> dict[str, Any]:
        """How far an export is; once it is ready, with a URL."""
        return self._call("GET", f"/exports/{export_id}")

    def delete_account(self) -> None:
        """Delete the account and everything in it."""
        self._call("DELETE", "/me", params={"confirm": "delete-everything"})

    def _all(self, path: str, items: str) -> list[dict[str, Any]]:
        """The items of every page of a list."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._call("GET", path, params={"page_token": token} if token else {})
            found += page[items]
            token = page.get("next_page_token") or ""
            if not token:
                return found

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        answer = self._http.request(
            method, self._base + path, timeout=_TIMEOUT_S, headers=headers, **options
        )
        if not answer.ok:
            raise _problem(answer)
        return dict(answer.json()) if answer.content else {}

    def _send(self, upload: dict[str, Any], path: Path, on_progress: Progress | None) -> None:
        size = path.stat().st_size
        with path.open("rb") as file:
            if upload["method"] == "PUT":
                _storage_call("PUT", upload["url"], upload["headers"], file.read())
                return
            start = _storage_call("POST", upload["url"], upload["headers"], b"")
            for end, _ in _send_chunks(start.headers["Location"], file, size):
                if on_progress:
                    on_progress(end, size)


def sign_in(endpoints: Endpoints, email: str, password: str) -> str:
    """Sign in, creating the account at first; returns an ID token.

    Raises:
        ApiError: the account exists with another password, or the service refused.
    """
    credentials = {"email": email, "password": password, "returnSecureToken": True}
    accounts = f"{endpoints.identity_url}/identitytoolkit.googleapis.com/v1/accounts"
    session = requests.Session()
    session.trust_env = False
    answer = session.post(
        f"{accounts}:signUp", params={"key": "local"}, json=credentials, timeout=_TIMEOUT_S
    )
    if answer.status_code == 400 and "EMAIL_EXISTS" in answer.text:
        answer = session.post(
            f"{accounts}:signInWithPassword",
            params={"key": "local"},
            json=credentials,
            timeout=_TIMEOUT_S,
        )
    if not answer.ok:
        message = answer.json().get("error", {}).get("message", answer.reason)
        raise ApiError(answer.status_code, "sign_in_failed", str(message))
    return str(answer.json()["idToken"])


def content_type(path: Path) -> str:
    """Type to declare for a file, by its name."""
    known = _CONTENT_TYPES.get(path.suffix.lower())
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _object(path: Path) -> dict[str, Any]:
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum.update(chunk)
    return {
        "content_type": content_type(path),
        "size_bytes": path.stat().st_size,
        "crc32c": base64.b64encode(checksum.digest()).decode(),
    }


def _send_chunks(session_url: str, file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Send the file to a resumable session; yields (sent, size) after each chunk."""
    sent = 0
    while sent < size:
        file.seek(sent)
        chunk = file.read(_CHUNK_BYTES)
        headers = {"Content-Range": f"bytes {sent}-{sent + len(chunk) - 1}/{size}"}
        answer = _storage_call("PUT", session_url, headers, chunk)
        sent = size if answer.status_code != 308 else _received_bytes(answer)
        yield sent, size


def _received_bytes(answer: requests.Response) -> int:
    received = answer.headers.get("Range", "")
    return int(received.rpartition("-")[2]) + 1 if received else 0


def _storage_call(
    method: str, url: str, headers: Mapping[str, str], body: bytes
) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, headers=headers, data=body, timeout=_TIMEOUT_S)
    if answer.status_code >= 400:
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0] or "storage_error"
        raise ApiError(answer.status_code, code, "Cloud Storage refused the upload.")
    return answer


def _problem(answer: requests.Response) -> ApiError:
    try:
        body = answer.json()
        return ApiError(answer.status_code, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError):
        return ApiError(answer.status_code, "unexpected_answer", answer.reason or "no reason given")
