"""A wire to Postgres that can be cut, between statements or between a commit and its answer."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 65_536
#: How pg8000 words it, and how Postgres says that it is done (it is parsed first, and that is
#: answered, too).
_COMMIT: Final = b"commit\x00"
_COMMITTED: Final = b"COMMIT\x00"


class Proxy:
    """Passes bytes on between clients and Postgres; use it as a context manager.

    Args:
        path: of its own Unix socket.
        target: path of Postgres's; asked for at each connection.
    """

    def __init__(self, path: Path, target: Callable[[], str]) -> None:
        self._path = path
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._refusals = 0
        self._swallow = False
        #: Connections that were cut as soon as they were made.
        self.refused = 0

    def __enter__(self) -> Proxy:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(self._path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection."""
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def refuse(self, times: int) -> None:
        """Cut the next connections as soon as they are made."""
        self._refusals = times

    def swallow_commit(self) -> None:
        """Let the next commit be carried out, and cut the connection instead of the answer."""
        self._swallow = True

    def reset(self) -> None:
        """No more faults."""
        self._refusals, self._swallow, self.refused = 0, False, 0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refusals > 0:
                    self._refusals -= 1
                    self.refused += 1
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server:
            try:
                server.connect(self._target())
            except OSError:
                return
            wire = _Wire(client, server, self._takes_commit)
            with self._lock:
                self._open |= {client, server}
            wire.run()
            with self._lock:
                self._open -= {client, server}

    def _takes_commit(self) -> bool:
        if not self._swallow:
            return False
        self._swallow = False
        return True


class _Wire:
    """One connection, a thread for each direction."""

    def __init__(
        self, client: socket.socket, server: socket.socket, takes_commit: Callable[[], bool]
    ) -> None:
        self._client, self._server = client, server
        self._takes_commit = takes_commit
        self._swallowed = False

    def run(self) -> None:
        back = threading.Thread(target=self._pump, args=(self._server, self._client), daemon=True)
        back.start()
        self._pump(self._client, self._server)
        back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                if source is self._client and _COMMIT in data.lower() and self._takes_commit():
                    self._swallowed = True
                elif source is self._server and self._swallowed and _COMMITTED in data:
                    break
                sink.sendall(data)
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
