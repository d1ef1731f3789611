"""Children as the harness sees them: started by the zygote, watched, paused, killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final, Literal

REPOSITORY: Final = Path(__file__).resolve().parents[2]
#: A hang is found by this; nothing in a run takes nearly as long.
PATIENCE_S: Final = 60.0

Event = Literal["stopped", "ended"]


class Child:
    """One forked process of ours."""

    def __init__(self) -> None:
        self.pid = 0
        #: Its folder for temporary files.
        self.scratch = Path()
        #: Negative: the signal that ended it; None while it lives.
        self.code: int | None = None
        self.started = threading.Event()
        self.events: queue.Queue[Event] = queue.Queue()

    def next_event(self, timeout_s: float = PATIENCE_S) -> Event:
        """Wait until it stops or ends.

        Raises:
            TimeoutError: it does neither.
        """
        try:
            return self.events.get(timeout=timeout_s)
        except queue.Empty:
            self.signal(signal.SIGKILL)
            raise TimeoutError(f"process {self.pid} neither stopped nor ended") from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        if self.code is None and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Zygote:
    """Starts children; use it as a context manager.

    Args:
        log: what the children print.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._ids = itertools.count(1)
        self._waiting: dict[int, Child] = {}
        self._known: dict[int, Child] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Zygote:
        self._line, theirs = socket.socketpair()
        with self._log.open("ab") as output, theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.zygote", str(theirs.fileno())],
                cwd=REPOSITORY,
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._reader = threading.Thread(target=self._read, name="zygote", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Without the shutdown the thread that reads keeps the socket open.
        self._line.shutdown(socket.SHUT_RDWR)
        self._process.wait(PATIENCE_S)
        self._reader.join()
        self._line.close()

    def start(self, order: dict[str, Any]) -> Child:
        """Fork a child that carries out an order (`tests.faults.child`)."""
        child, number = Child(), next(self._ids)
        with self._lock:
            self._waiting[number] = child
            self._line.sendall(json.dumps(order | {"id": number}).encode() + b"\n")
        if not child.started.wait(PATIENCE_S):
            raise TimeoutError("the zygote does not answer")
        return child

    def _read(self) -> None:
        with self._line.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                with self._lock:
                    self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        if told["event"] == "started":
            child = self._waiting.pop(told["id"])
            child.pid = told["pid"]
            self._known[child.pid] = child
            child.started.set()
        elif told["event"] == "stopped":
            self._known[told["pid"]].events.put("stopped")
        else:
            child = self._known.pop(told["pid"])
            child.code = told["code"]
            child.events.put("ended")


def _environment() -> dict[str, str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LD_LIBRARY_PATH", "LANG")
        if name in os.environ
    }
    return kept | {
        "PYTHONPATH": str(REPOSITORY),
        # A pool of threads would not survive the fork.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
