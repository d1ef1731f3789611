"""The child process: gives up its rights, runs one function on one file, answers.

Started by `gpu_jobs.sandbox` as `python -m gpu_jobs.sandbox_child ANSWER_FD PROGRESS_FD`, with the
request on standard input.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import json
import math
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

import common.domain
from common import artifacts
from common.errors import HeimdexError
from gpu_jobs import sandbox_call
from gpu_jobs.confinement.process import confine


def main(answer_fd: int, progress_fd: int) -> int:
    """Run the request; the answer is an artifact or, refused, JSON with a code.

    Returns:
        One of the exit codes of `gpu_jobs.sandbox_call`.
    """
    try:
        request = artifacts.decode(sandbox_call.Request, sys.stdin.buffer.read())
        _confine(request)
        module, _, name = request.function.partition(":")
        function = getattr(importlib.import_module(module), name)
        arguments = _arguments(request, inspect.signature(function), progress_fd)
    except Exception:  # noqa: BLE001 - a main; the parent is told by the exit code
        traceback.print_exc()
        return sandbox_call.EXIT_UNPREPARED
    with os.fdopen(answer_fd, "wb") as answer:
        return _answer(answer, lambda: function(request.media, **arguments))


def _answer(answer: BinaryIO, call: Callable[[], object]) -> int:
    try:
        answer.write(artifacts.encode(call()))
        answer.flush()
    except Exception as error:  # noqa: BLE001 - a main; hostile bytes make anything raise anything
        traceback.print_exc()
        refusal = json.dumps({"code": _code(error), "detail": str(error)[:500]})
        answer.seek(0)
        answer.truncate()
        answer.write(refusal.encode())
        return sandbox_call.EXIT_REFUSED
    return sandbox_call.EXIT_DONE


def _confine(request: sandbox_call.Request) -> None:
    media = request.media
    budget_s = media.limits.wall_budget_s
    confine(
        readable=[media.path, *(file.path for file in media.subtitles)],
        packages=["common", "gpu_jobs", request.function.split(".")[0]],
        memory_bytes=media.limits.memory_bytes,
        # All processors for the whole time; the parent's clock is the tighter bound.
        cpu_s=math.ceil(budget_s * (os.cpu_count() or 1)) + 1,
        file_bytes=sandbox_call.MAX_ANSWER_BYTES,
        parent=request.parent,
    )


def _arguments(
    request: sandbox_call.Request, signature: inspect.Signature, progress_fd: int
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        argument.name: artifacts.decode(getattr(common.domain, argument.type), argument.data)
        for argument in request.arguments
    }
    if "progress" in signature.parameters:
        arguments["progress"] = lambda share: os.write(progress_fd, f"{share:.4f}\n".encode())
    # A call that cannot be made is our fault; found out later, the file would be blamed for it.
    signature.bind(request.media, **arguments)
    return arguments


def _code(error: Exception) -> str:
    if isinstance(error, HeimdexError):
        return error.code
    if isinstance(error, MemoryError):
        return "decode_budget_exceeded"
    if isinstance(error, OSError) and error.errno in (errno.EFBIG, errno.ENOMEM, errno.EMFILE):
        return "decode_budget_exceeded"
    return "decode_crashed"


if __name__ == "__main__":
    # No cleaning up of interpreter and libraries: after hostile bytes that can crash or hang.
    exit_code = main(int(sys.argv[1]), int(sys.argv[2]))
    sys.stderr.flush()
    os._exit(exit_code)
