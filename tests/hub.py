"""A model hub on this machine, in threads of the test: API, redirects to a store, and faults."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"

Fault = Literal[
    "corrupt", "cut", "cut_at_once", "busy", "ignore_range", "other_range", "short", "hold"
]

_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_STORED = re.compile(r"/store/([^/]+/[^/]+)/(.+)")
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    path: str
    range: str
    if_range: str


@dataclass(kw_only=True)
class StandIn:
    """What the hub holds and does."""

    endpoint: str = ""
    #: Contents by repository and path.
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revision: str = REVISION
    #: Faults of the next requests for a path, one each.
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    #: What the API says of a file's hash instead of the truth, by path.
    lies: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    #: Set when a held request has sent its first half, and to let it go on.
    half_sent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def stored(self, path: str) -> list[Asked]:
        """Requests that asked for the bytes of a file."""
        return [one for one in self.asked if one.path.startswith("/store/") and path in one.path]


@contextmanager
def hub() -> Iterator[StandIn]:
    """Run one until the end of the body."""
    state = StandIn()

    class Handler(_Handler):
        stand_in = state

    server = _Server(("127.0.0.1", 0), Handler)
    state.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    #: So that closing waits for the threads of all requests.
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer the API, redirect to the store, or send bytes."""
        path = unquote(urlsplit(self.path).path)
        self.stand_in.asked.append(
            Asked(
                path=path,
                range=self.headers.get("Range", ""),
                if_range=self.headers.get("If-Range", ""),
            )
        )
        if match := _API.fullmatch(path):
            self._describe(match[1])
        elif match := _RESOLVE.fullmatch(path):
            known = match[2] in ("main", self.stand_in.revision)
            content = self.stand_in.files.get(match[1], {}).get(match[3])
            if content is None or not known:
                self._send(404, b"Entry not found")
            else:
                self._send(302, b"", Location=f"/store/{match[1]}/{match[3]}")
        elif match := _STORED.fullmatch(path):
            self._bytes(match[2], self.stand_in.files[match[1]][match[2]])
        else:
            self._send(404, b"")

    def _describe(self, repository: str) -> None:
        files = self.stand_in.files.get(repository)
        if files is None:
            self._send(404, b"Repository not found")
            return
        siblings = [
            {
                "rfilename": path,
                "size": len(content),
                "lfs": {
                    "sha256": self.stand_in.lies.get(path, hashlib.sha256(content).hexdigest())
                },
            }
            for path, content in files.items()
        ]
        answer = {"id": repository, "sha": self.stand_in.revision, "siblings": siblings}
        self._send(200, json.dumps(answer).encode())

    def _bytes(self, path: str, content: bytes) -> None:
        faults = self.stand_in.faults.get(path, [])
        fault = faults.pop(0) if faults else None
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if fault == "busy":
            self._send(503, b"", **{"Retry-After": "7"})
            return
        start = self._start(len(content), tag) if fault != "ignore_range" else 0
        if start >= len(content) > 0:
            self._send(416, b"")
            return
        body = content[start:]
        if fault == "other_range":
            # As many bytes as asked for, from another place.
            start, body = start // 2, content[start // 2 :][: len(body)]
        if fault == "corrupt":
            body = bytes([body[0] ^ 0xFF]) + body[1:]
        declared = len(body) // 2 if fault == "short" else len(body)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(declared))
        self.send_header("ETag", tag)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(content)}"
            )
        self.end_headers()
        if fault == "cut_at_once":
            return
        if fault in ("cut", "hold"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if fault == "cut":
                return
            self.stand_in.half_sent.set()
            self.stand_in.go_on.wait()
            body = body[len(body) // 2 :]
        self.wfile.write(body[:declared])

    def _start(self, length: int, tag: str) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match is None or self.headers.get("If-Range", tag) != tag:
            return 0
        return min(int(match[1]), length)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
