"""Landlock: the child may read its own program and the one upload, and nothing else.

Unlike a system call filter it sees paths (`man 7 landlock`). Kernels without it are left as they
are: this is a second fence behind the demuxer's and the filter's.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
#: Rights on files that each version of the interface knows; all are taken away.
_FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_NET_RIGHTS: Final = 0b11  # bind and connect TCP, from version 4
_SCOPES: Final = 0b11  # abstract sockets and signals, from version 6


def restrict(*, readable: Iterable[Path], listable: Iterable[Path]) -> bool:
    """Take every right on files away but reading these. Call while there is a single thread.

    Args:
        readable: files, and folders with all below them; missing ones are skipped.
        listable: folders whose entries may be listed but not read.

    Returns:
        Whether the kernel does it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < 1:
        return False
    attributes = struct.pack("=Q", _FILE_RIGHTS[min(version, 3)])
    attributes += struct.pack("=Q", _NET_RIGHTS) if version >= 4 else b""
    attributes += struct.pack("=Q", _SCOPES) if version >= 6 else b""
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    for path in readable:
        _allow(libc, ruleset, path, _READ_FILE, _READ_FILE | _READ_DIR | _EXECUTE)
    for path in listable:
        _allow(libc, ruleset, path, 0, _READ_DIR)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    failed = bool(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return not failed


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, on_file: int, on_folder: int) -> None:
    rights = on_folder if path.is_dir() else on_file
    if not rights or not path.exists():
        return
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, descriptor)
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(descriptor)
