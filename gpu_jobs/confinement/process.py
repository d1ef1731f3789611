"""Everything that is taken from the child before it sees a hostile byte, in order."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gpu_jobs.confinement import landlock, seccomp

_PR_SET_PDEATHSIG: Final = 1
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_MAX_OPEN_FILES: Final = 64

#: Folders and files of the system that Python and its libraries read.
_SYSTEM: Final = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/dev/null",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self",
    "/sys/devices/system/cpu",
)


def confine(
    *,
    readable: Iterable[Path],
    packages: Iterable[str],
    memory_bytes: int,
    cpu_s: int,
    file_bytes: int,
    parent: int,
) -> None:
    """Give up rights and resources for good.

    Args:
        readable: the files this process is about, beside its own program.
        packages: top-level packages of the project that may be imported.
        memory_bytes: address space.
        cpu_s: processor time over all threads.
        file_bytes: size of any file written.
        parent: process id of the parent; this process dies with it.

    Raises:
        OSError: a limit that this platform has could not be set.
        RuntimeError: there is more than one thread, or the parent is already gone.
    """
    _limit(memory_bytes=memory_bytes, cpu_s=cpu_s, file_bytes=file_bytes)
    if platform.system() != "Linux":
        return
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("more than one thread: the others would stay unconfined")
    _leave_namespaces()
    _die_with(parent)
    project = Path(__file__).resolve().parents[2]
    landlock.restrict(
        readable=[*_program(project, packages), *readable],
        listable=[project],
    )
    if seccomp.is_supported():
        seccomp.install()


def _limit(*, memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    limits = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 5),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES, _MAX_OPEN_FILES),
    ]
    if platform.system() == "Linux":
        limits.append((resource.RLIMIT_AS, memory_bytes, memory_bytes))
    else:
        # Elsewhere the address space cannot be limited, and threads are not counted as processes;
        # on Linux they are, and the system call filter forbids processes instead.
        limits.append((resource.RLIMIT_NPROC, 0, 0))
    for kind, soft, hard in limits:
        _, present = resource.getrlimit(kind)
        if present != resource.RLIM_INFINITY:
            soft, hard = min(soft, present), min(hard, present)
        resource.setrlimit(kind, (soft, hard))


def _leave_namespaces() -> None:
    """A network of its own (with nothing in it) where the kernel lets us."""
    libc = ctypes.CDLL(None, use_errno=True)
    # A user namespace also strips root of its capabilities over the machine.
    for flags in (_NEW_USER | _NEW_NETWORK | _NEW_IPC, _NEW_NETWORK | _NEW_IPC):
        if libc.unshare(flags) == 0:
            return


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise RuntimeError("the parent is gone")


def _program(project: Path, packages: Iterable[str]) -> list[Path]:
    """Where Python, its libraries and the project's own code lie."""
    roots = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, _SYSTEM)]
    # The project's folder itself may hold state with secrets in it, so only its packages.
    libraries = [Path(entry) for entry in sys.path if entry]
    roots += [path for path in libraries if path.resolve() != project]
    return roots + [project / package for package in packages]
