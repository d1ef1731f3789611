"""Runs a stage on hostile bytes in a child process that can do almost nothing else.

The child has an empty environment, an empty working folder, limits on memory, time and files, no
network, no programs to start and only its upload to read (`gpu_jobs.confinement`). What comes back
is an artifact or a code of a closed list, and both are checked: the parent trusts nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final, TypeVar

from common import artifacts, log
from common.domain import Media
from common.errors import ContractError, HeimdexError, InputError, TransientError
from gpu_jobs import sandbox_call
from gpu_jobs.sandbox_start import Process, Start, spawn

T = TypeVar("T")

#: The callback is called at least this often, so that it can stop the call by raising.
_TICK_S: Final = 1.0
_MAX_STDERR_BYTES: Final = 16 * 1024
#: Somebody else ended the child (the machine ran out of memory, an operator): try again.
_ENDED_FROM_OUTSIDE: Final = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
)


def call(
    function: str,
    *,
    media: Media,
    inputs: Mapping[str, object],
    result: type[T],
    on_progress: Callable[[float], None] | None = None,
    start: Start | None = None,
) -> T:
    """Call `function(media, **inputs)` in a limited child process.

    Args:
        function: "package.module:name"; takes the media and keyword arguments.
        media: the upload, with its limits on wall time and memory.
        inputs: keyword arguments; values are dataclasses of `common.domain`.
        result: class of the result, a dataclass that the artifact codec knows.
        on_progress: called with the share done, 0–1, and at least once a second with the last
            one. If it raises, the child is killed. The function reports it if it takes
            `progress`.
        start: how the child comes to be; by default as a new program.

    Raises:
        InputError: the code that the function answered with; `decode_budget_exceeded` if time or
            memory ran out, `decode_crashed` if the child died or its answer cannot be read.
        TransientError: `stage_failed` if the child could not be started or was killed by others.
    """
    request = sandbox_call.Request(
        function=function,
        media=media,
        arguments=tuple(_argument(name, value) for name, value in inputs.items()),
        parent=os.getpid(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="heimdex-") as scratch,
        tempfile.TemporaryFile() as question,
        tempfile.TemporaryFile() as answer,
    ):
        question.write(artifacts.encode(request))
        question.seek(0)
        child = _child(start or spawn, question, answer, scratch)
        try:
            in_time = _watch(child, media.limits.wall_budget_s, on_progress or (lambda _: None))
        finally:
            child.end()
        return _read_answer(child, answer, result, in_time=in_time)


def _argument(name: str, value: object) -> sandbox_call.Argument:
    return sandbox_call.Argument(name=name, type=type(value).__name__, data=artifacts.encode(value))


@dataclass(kw_only=True)
class _Child:
    process: Process
    #: Read end of the progress pipe.
    progress_fd: int
    stderr: bytearray = field(default_factory=bytearray)
    #: The last share reported, and the beginning of a line that is not complete.
    share: float = 0.0
    partial: bytes = b""

    def end(self) -> None:
        """Kill whatever is left of the group and reap the child."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.progress_fd)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def note_progress(self, data: bytes) -> None:
        """Take the last complete line; nonsense is ignored."""
        *lines, self.partial = (self.partial + data).split(b"\n")
        self.partial = self.partial[:64]
        for line in lines:
            with contextlib.suppress(ValueError):
                share = float(line[:64])
                if math.isfinite(share):
                    self.share = max(self.share, min(share, 1.0))


def _child(start: Start, question: BinaryIO, answer: BinaryIO, scratch: str) -> _Child:
    read_fd, write_fd = os.pipe()
    try:
        process = start(question, answer.fileno(), write_fd, scratch)
    except OSError as error:
        os.close(read_fd)
        raise TransientError("stage_failed", f"cannot start a child process: {error}") from error
    finally:
        os.close(write_fd)
    return _Child(process=process, progress_fd=read_fd)


def _watch(child: _Child, budget_s: float, on_progress: Callable[[float], None]) -> bool:
    """Follow the child until it ends; False when the budget is used up first."""
    deadline = time.monotonic() + budget_s
    stderr = child.process.stderr
    assert stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.progress_fd, selectors.EVENT_READ, child.note_progress)
        selector.register(stderr.fileno(), selectors.EVENT_READ, _collector(child))
        next_tick = time.monotonic() + _TICK_S
        while selector.get_map():
            wait_s = min(deadline, next_tick) - time.monotonic()
            before = child.share
            for key, _ in selector.select(max(wait_s, 0)):
                data = os.read(key.fd, 65536)
                key.data(data)
                if not data:
                    selector.unregister(key.fd)
            if time.monotonic() >= deadline:
                return False
            if child.share != before or time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_S
                on_progress(child.share)
    return _exited_before(child, deadline, on_progress)


def _collector(child: _Child) -> Callable[[bytes], None]:
    def collect(data: bytes) -> None:
        child.stderr.extend(data[: _MAX_STDERR_BYTES - len(child.stderr)])

    return collect


def _exited_before(child: _Child, deadline: float, on_progress: Callable[[float], None]) -> bool:
    """A child may close its pipes and live on; the call can still be stopped."""
    while True:
        left_s = deadline - time.monotonic()
        try:
            child.process.wait(min(max(left_s, 0), _TICK_S))
        except subprocess.TimeoutExpired:
            if left_s <= 0:
                return False
            on_progress(child.share)
        else:
            return True


def _read_answer(child: _Child, answer: BinaryIO, result: type[T], *, in_time: bool) -> T:
    code = child.process.returncode
    if in_time and code == sandbox_call.EXIT_DONE:
        return _decode(answer, result)
    error = _failure(child, answer, in_time=in_time)
    log.event(
        "sandbox.ended",
        severity="WARNING",
        code=error.code,
        exit_code=code,
        stderr=child.stderr.decode(errors="replace"),
    )
    raise error


def _failure(child: _Child, answer: BinaryIO, *, in_time: bool) -> HeimdexError:
    code = child.process.returncode
    if not in_time or code == -signal.SIGXCPU:
        return InputError("decode_budget_exceeded", "out of time")
    if code == -signal.SIGXFSZ:
        return InputError("decode_budget_exceeded", "answer too large")
    if -code in _ENDED_FROM_OUTSIDE:
        return TransientError("stage_failed", f"child killed by signal {-code}")
    if code == sandbox_call.EXIT_UNPREPARED:
        return TransientError("stage_failed", "child could not get ready")
    if code == sandbox_call.EXIT_REFUSED:
        return _refusal(answer)
    return InputError("decode_crashed", f"child ended with {code}")


def _refusal(answer: BinaryIO) -> InputError:
    answer.seek(0)
    try:
        told = json.loads(answer.read(sandbox_call.MAX_REFUSAL_BYTES))
        code, detail = str(told["code"]), str(told["detail"])
    except (ValueError, KeyError, TypeError):
        return InputError("decode_crashed", "unreadable refusal")
    if code not in sandbox_call.REFUSALS:
        return InputError("decode_crashed", "unknown code")
    return InputError(code, "".join(c for c in detail if c.isprintable())[:300])


def _decode(answer: BinaryIO, result: type[T]) -> T:
    if os.fstat(answer.fileno()).st_size > sandbox_call.MAX_ANSWER_BYTES:
        raise InputError("decode_budget_exceeded", "answer too large")
    answer.seek(0)
    try:
        return artifacts.decode(result, answer.read())
    except ContractError as error:
        raise InputError("decode_crashed", "unreadable answer") from error
