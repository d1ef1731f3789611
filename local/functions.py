"""Run each function in its own functions-framework process, as it is deployed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One function: its folder under functions/ is also its target."""

    name: str
    #: "http" or "cloudevent".
    signature: str
    port: int


class FunctionProcess:
    """A functions-framework process.

    Args:
        spec: which function, and where it listens.
        environment: the whole environment of the process.
        log: file that takes its output.
    """

    def __init__(self, spec: FunctionSpec, environment: Mapping[str, str], log: Path) -> None:
        self.spec = spec
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL of the function."""
        return f"http://127.0.0.1:{self.spec.port}"

    def start(self) -> None:
        """Start the process; `wait_ready` tells when it serves."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                cwd=REPOSITORY,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return once the process accepts connections.

        Raises:
            RuntimeError: it ended or did not listen in time; the message ends with its log.
        """
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.spec.port)) == 0:
                    return
            time.sleep(0.05)
        tail = self._log.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"function {self.spec.name} did not start; {self._log} ends:\n{tail}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a grace; also for the framework's own workers."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "functions_framework"),
            *("--source", f"functions/{self.spec.name}/main.py"),
            *("--target", self.spec.name),
            *("--signature-type", self.spec.signature),
            *("--host", "127.0.0.1", "--port", str(self.spec.port)),
        ]


def free_ports(count: int) -> list[int]:
    """Different loopback ports that were free a moment ago."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
