"""Google's own Pub/Sub emulator, where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

_SCRIPT = "platform/pubsub-emulator/bin/cloud-pubsub-emulator"
_READY = "Server started, listening on"


def find() -> Path | None:
    """The emulator's start script, or None when it or Java is missing."""
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        return None
    roots = [Path("/usr/lib/google-cloud-sdk"), Path.home() / "google-cloud-sdk"]
    if os.environ.get("CLOUDSDK_ROOT_DIR"):
        roots.insert(0, Path(os.environ["CLOUDSDK_ROOT_DIR"]))
    if gcloud := shutil.which("gcloud"):
        roots.insert(0, Path(gcloud).resolve().parents[1])
    return next((root / _SCRIPT for root in roots if (root / _SCRIPT).is_file()), None)


class Emulator:
    """The emulator as a child process.

    Args:
        script: as `find` returned it.
    """

    def __init__(self, script: Path) -> None:
        self._script = script
        self._ready = threading.Event()
        self.endpoint = ""

    def start(self) -> None:
        """Start and wait until it serves. Raises RuntimeError when it does not within 60 s."""
        self.endpoint = f"127.0.0.1:{_free_port()}"
        host, port = self.endpoint.split(":")
        self._process = subprocess.Popen(
            [str(self._script), f"--host={host}", f"--port={port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(60):
            self.stop()
            raise RuntimeError("the emulator did not start")

    def stop(self) -> None:
        """End the process."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if _READY in line:
                self._ready.set()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
