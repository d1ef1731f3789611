"""A system call filter for the child that decodes: no network, no programs, no writing by path.

Refused calls answer EPERM, so libraries that only try something harmless carry on. The filter is
classic BPF, built here and handed to the kernel (`man 2 seccomp`); it cannot be taken off again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL_PROCESS: Final = 0x80000000

#: BPF operations: load a word of the call's data, compare, test bits, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
#: Offsets in `struct seccomp_data`; arguments are 64-bit little-endian words.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_CLONE_THREAD: Final = 0x10000
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
#: x86-64 numbers of the x32 ABI start here; they would pass by the table.
_X32: Final = 0x40000000

#: Name, x86-64 number, AArch64 number ("-": does not exist).
#: Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h
_DENIED: Final = """
socket 41 198       socketpair 53 199   connect 42 203      bind 49 200         listen 50 201
accept 43 202       accept4 288 242     sendto 44 206       sendmsg 46 211      sendmmsg 307 269
fork 57 -           vfork 58 -          execve 59 221       execveat 322 281    ptrace 101 117
process_vm_readv 310 270    process_vm_writev 311 271       kcmp 312 272        setsid 112 157
setpgid 109 154     tkill 200 130       rt_sigqueueinfo 129 138     rt_tgsigqueueinfo 297 240
pidfd_send_signal 424 424   pidfd_open 434 434      pidfd_getfd 438 438     setrlimit 160 164
mount 165 40        umount2 166 39      pivot_root 155 41   chroot 161 51       unshare 272 97
setns 308 268       open_tree 428 428   move_mount 429 429  fsopen 430 430      fsconfig 431 431
fsmount 432 432     fspick 433 433      mount_setattr 442 442       bpf 321 280
perf_event_open 298 241     keyctl 250 219      add_key 248 217     request_key 249 218
init_module 175 105 finit_module 313 273    delete_module 176 106   kexec_load 246 104
kexec_file_load 320 294     reboot 169 142      swapon 167 224      swapoff 168 225
userfaultfd 323 282 io_uring_setup 425 425      io_uring_enter 426 426
io_uring_register 427 427   open_by_handle_at 304 265   name_to_handle_at 303 264
memfd_create 319 279        memfd_secret 447 447        shmget 29 194       msgget 68 186
semget 64 190       mq_open 240 180     creat 85 -          mkdir 83 -          mkdirat 258 34
mknod 133 -         mknodat 259 33      unlink 87 -         unlinkat 263 35     rmdir 84 -
rename 82 -         renameat 264 38     renameat2 316 276   link 86 -           linkat 265 37
symlink 88 -        symlinkat 266 36    truncate 76 45      chmod 90 -          fchmodat 268 53
chown 92 -          lchown 94 -         fchownat 260 54     utimensat 280 88    setxattr 188 5
lsetxattr 189 6     settimeofday 164 170
"""


@dataclass(frozen=True, kw_only=True)
class _Machine:
    """What differs between processor architectures."""

    #: AUDIT_ARCH_… of <linux/audit.h>.
    audit: int
    #: Column in `_DENIED`.
    column: int
    clone: int
    open: int | None
    openat: int
    kill: int
    tgkill: int
    prlimit64: int


_MACHINES: Final = {
    "x86_64": _Machine(
        audit=0xC000003E,
        column=0,
        clone=56,
        open=2,
        openat=257,
        kill=62,
        tgkill=234,
        prlimit64=302,
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        column=1,
        clone=220,
        open=None,
        openat=56,
        kill=129,
        tgkill=131,
        prlimit64=261,
    ),
}
#: Their arguments are behind a pointer where a filter cannot look; told "no such call", the C
#: library falls back to the older ones. The same number everywhere.
_CLONE3, _OPENAT2 = 435, 437


def is_supported() -> bool:
    """Whether this kernel and processor can be given the filter."""
    return platform.system() == "Linux" and platform.machine() in _MACHINES


def install() -> None:
    """Filter this process's system calls for good. Call while it has a single thread.

    Raises:
        OSError: the kernel refused.
    """
    program = build(_MACHINES[platform.machine()], os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: unsigned short len, then a pointer at its natural alignment.
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({arguments[0]})")


def build(machine: _Machine, pid: int) -> bytes:
    """The filter as BPF instructions of 8 bytes each.

    Args:
        machine: the architecture.
        pid: the process itself, which alone may be sent signals (`abort` does).
    """
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, machine.audit, 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER),
    ]
    if machine.column == 0:
        code += [_step(_AT_LEAST, _X32, 0, 1), _refuse()]
    for number in _denied(machine.column):
        code += _when(number, [_refuse()])
    for number in (_CLONE3, _OPENAT2):
        code += _when(number, [_refuse(errno.ENOSYS)])
    code += _when(machine.clone, _unless_bits(0, _CLONE_THREAD, present=True))
    if machine.open is not None:
        code += _when(machine.open, _unless_bits(1, _WRITING, present=False))
    code += _when(machine.openat, _unless_bits(2, _WRITING, present=False))
    for number in (machine.kill, machine.tgkill):
        code += _when(number, _unless_equal(0, pid))
    # Reading limits is fine; a new limit (third argument not null) is not.
    code += _when(machine.prlimit64, _unless_equal(2, 0))
    return b"".join([*code, _allow()])


def _denied(column: int) -> list[int]:
    words = _DENIED.split()
    numbers = (words[at + 1 + column] for at in range(0, len(words), 3))
    return [int(number) for number in numbers if number != "-"]


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, if_true, if_false, value)


def _allow() -> bytes:
    return _step(_RETURN, _ALLOW)


def _refuse(error: int = errno.EPERM) -> bytes:
    return _step(_RETURN, _ERRNO | error)


def _when(number: int, body: list[bytes]) -> list[bytes]:
    """Run `body`, which always returns, for one system call."""
    return [_step(_EQUAL, number, 0, len(body)), *body]


def _unless_bits(argument: int, bits: int, *, present: bool) -> list[bytes]:
    """Allow if any of `bits` is set in an argument (or, if not `present`, if none is)."""
    return [
        _step(_LOAD, _ARGUMENTS + 8 * argument),
        _step(_ANY_BIT, bits, *((1, 0) if present else (0, 1))),
        _refuse(),
        _allow(),
    ]


def _unless_equal(argument: int, value: int) -> list[bytes]:
    """Allow if a whole 64-bit argument has this (small) value."""
    low = _ARGUMENTS + 8 * argument
    return [
        _step(_LOAD, low),
        _step(_EQUAL, value, 0, 2),
        _step(_LOAD, low + 4),
        _step(_EQUAL, 0, 1, 0),
        _refuse(),
        _allow(),
    ]
