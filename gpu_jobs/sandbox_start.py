"""How the limited child comes to be: a program of its own with next to no environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, BinaryIO, Final, Protocol

_PROJECT: Final = Path(__file__).resolve().parents[1]
#: What some builds of Python need in order to start at all.
_INHERITED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")


class Process(Protocol):
    """The part of `subprocess.Popen` that following a child takes."""

    @property
    def pid(self) -> int:
        """Also the id of the child's process group."""

    @property
    def returncode(self) -> int:
        """Once it has ended: its exit status, or minus the signal that ended it."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """What the child complains about."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raises `subprocess.TimeoutExpired`."""


class Start(Protocol):
    """Starts the program of `gpu_jobs.sandbox_child`."""

    def __call__(
        self, question: BinaryIO, answer_fd: int, progress_fd: int, scratch: str
    ) -> Process:
        """Start it in a session of its own.

        Args:
            question: its standard input.
            answer_fd: the one file that it may write.
            progress_fd: where it reports.
            scratch: its working folder, empty.

        Raises:
            OSError: it cannot be started.
        """


def spawn(
    question: BinaryIO, answer_fd: int, progress_fd: int, scratch: str
) -> subprocess.Popen[bytes]:
    """Start the child as a new program."""
    return subprocess.Popen(
        [sys.executable, "-m", "gpu_jobs.sandbox_child", str(answer_fd), str(progress_fd)],
        stdin=question,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(answer_fd, progress_fd),
        cwd=scratch,
        env=environment(scratch),
        start_new_session=True,
    )


def environment(scratch: str) -> dict[str, str]:
    """All that the child sees of an environment."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        "PYTHONPATH": str(_PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        # Each pool of threads or memory counts against the address space.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
