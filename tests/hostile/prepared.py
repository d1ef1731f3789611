"""The sandbox's child without its start-up time: a fork of a process that has loaded everything.

What the child gives up, runs and answers is the production code (`gpu_jobs.sandbox_child.main`);
only the half second of starting Python and loading FFmpeg is saved, which thousands of mutants
could not afford. Fork from a process that has nothing else to do.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, BinaryIO

from gpu_jobs import sandbox_child, sandbox_start

# What the child would load; it finds them loaded.
from gpu_jobs.media import one_pass, probe  # noqa: F401


class Forked:
    """A forked child, as the sandbox sees it."""

    def __init__(self, pid: int, stderr: IO[bytes]) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode = 0
        self._descriptor = os.pidfd_open(pid)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""
        if self._descriptor < 0:
            return self.returncode
        readable, _, _ = select.select([self._descriptor], [], [], timeout)
        if not readable:
            raise subprocess.TimeoutExpired("fork", timeout or 0)
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self._descriptor)
        self._descriptor = -1
        self.returncode = os.waitstatus_to_exitcode(status)
        ended.append(Ended(returncode=self.returncode, usage=usage))
        return self.returncode


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A child that has ended."""

    returncode: int
    usage: resource.struct_rusage


#: Children that have ended; whoever measures empties it.
ended: list[Ended] = []


def fork(question: BinaryIO, answer_fd: int, progress_fd: int, scratch: str) -> Forked:
    """`gpu_jobs.sandbox_start.Start`."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_fd)
        return Forked(pid, os.fdopen(read_fd, "rb"))
    try:
        _become(question, write_fd, {answer_fd, progress_fd}, scratch)
        code = sandbox_child.main(answer_fd, progress_fd)
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - the parent's code must not run in the child
        code = 1
    os._exit(code)


def _become(question: BinaryIO, stderr_fd: int, kept: set[int], scratch: str) -> None:
    """As `subprocess.Popen` would have it: descriptors, session, environment, folder."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(question.fileno(), 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(stderr_fd, 2)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers
        fd = int(name)
        if fd > 2 and fd not in kept:
            try:
                os.close(fd)
            except OSError:  # the listing's own
                continue
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - for life
    os.environ.clear()
    os.environ.update(sandbox_start.environment(scratch))
    os.chdir(scratch)
