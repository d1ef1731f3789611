"""Files from a model hub over HTTP: what is published, and downloads that go on where they stopped.

Speaks the two requests of the Hugging Face hub that its mirrors answer too:
`{endpoint}/api/models/{repository}` and `{endpoint}/{repository}/resolve/{revision}/{path}`.
Source: huggingface.co/docs/hub/api.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import requests
import urllib3

DEFAULT_ENDPOINT: Final = "https://huggingface.co"

_CONNECT_S: Final = 10.0
#: Longest silence in the middle of a file.
_READ_S: Final = 60.0
#: Tries in a row that bring nothing new.
_ATTEMPTS: Final = 5
_LONGEST_PAUSE_S: Final = 30.0
_BLOCK_BYTES: Final = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_BREAKS: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class FetchError(Exception):
    """A model could not be fetched; the text says what failed and what to do."""


class _BrokenOffError(Exception):
    """What another try may mend."""

    def __init__(self, reason: str, *, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a hub says of a repository at one revision."""

    revision: str
    #: SHA-256 of the large files, by path.
    sha256: Mapping[str, str]
    #: Length of the files, by path.
    size_bytes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Location:
    """One file on a hub."""

    repository: str
    #: 40 hex digits, or a branch.
    revision: str
    path: str


class Hub:
    """One hub or mirror. Close it, or use it as a context."""

    def __init__(
        self, endpoint: str = DEFAULT_ENDPOINT, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Args are the address, and how to wait for some seconds."""
        self.endpoint = endpoint.rstrip("/")
        self._pause = pause
        self._session = requests.Session()
        # A hub may compress small files on the way; lengths and offsets count what is stored.
        self._session.headers["Accept-Encoding"] = "identity"

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def published(self, repository: str, revision: str = "") -> Published:
        """What is published at a revision, by default the newest.

        Raises:
            FetchError: the hub does not know it, does not answer, or answers nonsense.
        """
        tail = f"/revision/{quote(revision)}" if revision else ""
        url = f"{self.endpoint}/api/models/{quote(repository)}{tail}"
        answer = self._patiently(lambda: self._json(url), url, reached=lambda: 0)
        try:
            siblings = answer.get("siblings") or []
            return Published(
                revision=str(answer["sha"]),
                sha256={
                    one["rfilename"]: one["lfs"]["sha256"] for one in siblings if one.get("lfs")
                },
                size_bytes={
                    one["rfilename"]: int(one["size"]) for one in siblings if one.get("size")
                },
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FetchError(
                f"{url} did not answer as a model hub does. Check HF_ENDPOINT"
            ) from error

    def download(
        self,
        location: Location,
        part: Path,
        *,
        size_bytes: int = 0,
        immutable: bool = False,
        on_size: Callable[[int, int], None] = lambda done, total: None,
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Download one file, going on where an earlier try stopped.

        Args:
            location: of the file.
            part: where the bytes go; what is there already is kept if it can be.
            size_bytes: how long the file must be, or 0.
            immutable: the caller knows its hash, so that bytes of an earlier try may be kept
                without asking the hub whether the file is still the same.
            on_size: is told how much is there and the whole length (0 if unknown), per try.
            on_bytes: is told how many bytes came.

        Raises:
            FetchError: the hub refuses, offers another length, or breaks off again and again.
        """
        url = self._url(location)
        transfer = _Transfer(
            self._session, url, part, size_bytes, immutable, on_size=on_size, on_bytes=on_bytes
        )
        self._patiently(transfer.run, url, reached=lambda: _length(part))

    def _url(self, location: Location) -> str:
        return (
            f"{self.endpoint}/{quote(location.repository)}/resolve/"
            f"{quote(location.revision, safe='')}/{quote(location.path)}"
        )

    def _json(self, url: str) -> Any:
        with self._session.get(
            url, params={"blobs": "true"}, timeout=(_CONNECT_S, _READ_S)
        ) as answer:
            _refuse(answer, url)
            try:
                return answer.json()
            except requests.exceptions.JSONDecodeError:
                return None

    def _patiently(self, work: Callable[[], Any], url: str, *, reached: Callable[[], int]) -> Any:
        """Repeat what breaks off, until it stops making progress."""
        failures, furthest = 0, reached()
        while True:
            try:
                return work()
            except (_BrokenOffError, *_BREAKS) as error:
                now = reached()
                failures = 1 if now > furthest else failures + 1
                furthest = max(furthest, now)
                if failures >= _ATTEMPTS:
                    raise FetchError(
                        f"{url} failed {failures} times in a row ({_reason(error)}). Check the "
                        "network and HF_ENDPOINT; run the same command again to go on"
                    ) from error
                wait_s = error.wait_s if isinstance(error, _BrokenOffError) else 0.0
                self._pause(min(wait_s or 2.0 ** (failures - 1), _LONGEST_PAUSE_S))
            except requests.RequestException as error:
                raise FetchError(f"{url} cannot be fetched ({_reason(error)})") from error


class _Transfer:
    """One file's way from a hub to the disk; each run is one request."""

    def __init__(
        self,
        session: requests.Session,
        url: str,
        part: Path,
        size_bytes: int,
        immutable: bool,
        *,
        on_size: Callable[[int, int], None],
        on_bytes: Callable[[int], None],
    ) -> None:
        self._session = session
        self._url = url
        self._part = part
        self._tag = part.with_name(part.name + ".etag")
        self._size_bytes = size_bytes
        self._immutable = immutable
        self._on_size = on_size
        self._on_bytes = on_bytes

    def run(self) -> None:
        """Fetch what is missing.

        Raises:
            FetchError: the hub refuses or offers another length.
            _BrokenOffError: it ended too early, or must be started again.
        """
        have = self._usable()
        if have and have == self._size_bytes:
            self._on_size(have, have)
            return
        with self._session.get(
            self._url, headers=self._range(have), stream=True, timeout=(_CONNECT_S, _READ_S)
        ) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self._forget()
                raise _BrokenOffError("the hub has fewer bytes than were kept")
            _refuse(answer, self._url)
            have, total = self._place(answer, have)
            self._on_size(have, total)
            with self._part.open("ab" if have else "wb") as sink:
                for block in _blocks(answer):
                    sink.write(block)
                    self._on_bytes(len(block))
        length = _length(self._part)
        if total and length != total:
            if length > total:
                self._forget()
            raise _BrokenOffError(f"{length} of {total} bytes came")
        self._tag.unlink(missing_ok=True)

    def _usable(self) -> int:
        """How many bytes of an earlier try can be kept."""
        have = _length(self._part)
        known = self._immutable or self._tag.is_file()
        if have and (not known or (self._size_bytes and have > self._size_bytes)):
            self._forget()
            return 0
        return have

    def _range(self, have: int) -> dict[str, str]:
        if not have:
            return {}
        headers = {"Range": f"bytes={have}-"}
        if self._tag.is_file():
            headers["If-Range"] = self._tag.read_text()
        return headers

    def _place(self, answer: requests.Response, have: int) -> tuple[int, int]:
        """From which byte on the answer is, and how long the whole file is (0 if unknown)."""
        if answer.status_code == requests.codes.partial_content:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != have:
                self._forget()
                raise _BrokenOffError("the hub sent other bytes than asked for")
            total = 0 if match[2] == "*" else int(match[2])
        else:
            have = 0
            total = int(answer.headers.get("Content-Length") or 0)
            tag = answer.headers.get("ETag", "")
            # A weak tag does not promise the same bytes (RFC 9110, 13.1.5).
            if tag and not tag.startswith("W/"):
                self._tag.write_text(tag)
            else:
                self._tag.unlink(missing_ok=True)
        if self._size_bytes and total and total != self._size_bytes:
            raise FetchError(
                f"{self._url} is {total} bytes long, the registry pins {self._size_bytes}: it is "
                "not the pinned file. Check HF_ENDPOINT; if upstream replaced it, pin another "
                "revision on purpose"
            )
        return have, total or self._size_bytes

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)


def _refuse(answer: requests.Response, url: str) -> None:
    """Turn a bad status into an error, for good or for another try."""
    status = answer.status_code
    if status == requests.codes.too_many_requests or status >= requests.codes.server_error:
        wait = answer.headers.get("Retry-After", "")
        wait_s = float(wait) if wait.isdigit() else 0.0
        raise _BrokenOffError(f"the hub answers {status}", wait_s=wait_s)
    if status in (requests.codes.unauthorized, requests.codes.forbidden, requests.codes.not_found):
        raise FetchError(
            f"{url} answers {status}: no such file or repository there, or it is not public. Check "
            "HF_ENDPOINT and the registry"
        )
    if status not in (requests.codes.ok, requests.codes.partial_content):
        raise FetchError(f"{url} answers {status}. Check HF_ENDPOINT")


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    """Bytes as they come: `iter_content` loses what it has of a block when a connection breaks."""
    try:
        while block := answer.raw.read1(_BLOCK_BYTES):
            yield block
    except urllib3.exceptions.HTTPError as error:
        raise _BrokenOffError(_reason(error)) from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
