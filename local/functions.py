"""Run each function in its own functions-framework process, as it is deployed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0

#: The framework's server takes a socket that listens already as systemd hands it over: as file 3,
#: to the process named. So no other program can take the port between choosing and using it.
#: Source: systemd.io, "sd_listen_fds"; docs.gunicorn.org, "Systemd".
_HAND_OVER = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&0 </dev/null'


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One function: its folder under functions/ is also its target."""

    name: str
    #: "http" or "cloudevent".
    signature: str
    #: Started as it is deployed: out of this folder, by environment variables alone.
    bundle: Path | None = None
    python: str = sys.executable


class FunctionProcess:
    """A functions-framework process.

    Its port is taken at once: what connects before it serves, waits.

    Args:
        spec: which function.
        log: file that takes its output.
    """

    def __init__(self, spec: FunctionSpec, log: Path) -> None:
        self.spec = spec
        self._log = log
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = int(self._listening.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL of the function."""
        return f"http://127.0.0.1:{self._port}"

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process; `wait_ready` tells when it serves.

        Args:
            environment: the whole environment of the process.
        """
        # From here on only the process listens: without it, connections are refused.
        with self._listening, self._log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _HAND_OVER, "sh", *self._command()],
                cwd=self.spec.bundle or REPOSITORY,
                env={**environment, "PORT": str(self._port)},
                stdin=self._listening.fileno(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return once the process answers.

        Raises:
            RuntimeError: it ended or did not answer in time; the message ends with its log.
        """
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                return self._ask(deadline - time.monotonic())
            time.sleep(0.05)
        tail = self._log.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"function {self.spec.name} did not start; {self._log} ends:\n{tail}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a grace; also for the framework's own workers."""
        self._listening.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _ask(self, timeout_s: float) -> None:
        """Get an answer, whatever it is; the framework gives this one without the function."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        try:
            connection.request("GET", "/robots.txt")
            connection.getresponse()
        finally:
            connection.close()

    def _command(self) -> list[str]:
        framework = [self.spec.python, "-m", "functions_framework"]
        if self.spec.bundle is not None:
            return framework
        return [
            *framework,
            *("--source", f"functions/{self.spec.name}/main.py"),
            *("--target", self.spec.name),
            *("--signature-type", self.spec.signature),
        ]
