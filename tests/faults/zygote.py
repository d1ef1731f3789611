"""The process that children are forked from: everything is imported, nothing is connected.

A fresh interpreter takes seconds to import Google's clients; a fork takes milliseconds. Run as
`python -m tests.faults.zygote FD`; it reads a JSON line per child to start from the socket and
writes a JSON line for each that started, stopped (SIGSTOP) or ended. It has one thread and never
opens a connection, so a fork copies no lock and no socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, Final

from tests.faults import child

_CHUNK_BYTES: Final = 65_536


class _Nursery:
    """Forks children and tells of them, until the other end of the socket is closed."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._children: set[int] = set()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def run(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._line:
                        data = self._line.recv(_CHUNK_BYTES)
                        if not data:
                            return self._end()
                        *orders, pending = (pending + data).split(b"\n")
                        for order in orders:
                            self._fork(json.loads(order))
                    else:
                        os.read(self._woken, _CHUNK_BYTES)
                        self._reap()

    def _fork(self, order: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            self._line.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(child.main(order))
        self._children.add(pid)
        self._tell(id=order["id"], pid=pid, event="started")

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
                if pid == 0:
                    return
                if os.WIFSTOPPED(status):
                    self._tell(pid=pid, event="stopped")
                else:
                    self._children.discard(pid)
                    self._tell(pid=pid, event="ended", code=os.waitstatus_to_exitcode(status))

    def _tell(self, **fields: object) -> None:
        self._line.sendall(json.dumps(fields).encode() + b"\n")

    def _end(self) -> None:
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as own:
        _Nursery(own).run()
