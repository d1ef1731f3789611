"""Functions that misbehave, run by the tests of the sandbox in its child process."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable

import av

from common.domain import Cue, Media
from common.errors import InputError


def connect(media: Media) -> Cue:
    """Try to reach a local port (named by the content type)."""
    with socket.create_connection(("127.0.0.1", int(media.content_type)), timeout=5) as reached:
        reached.sendall(b"hello")
    return _done("connected")


def start_program(media: Media) -> Cue:
    """Start another program."""
    subprocess.run(["/bin/true"], check=True)
    return _done("started")


def fork(media: Media) -> Cue:
    """Leave a process behind."""
    if os.fork() == 0:
        time.sleep(60)
    return _done("forked")


def start_thread(media: Media) -> Cue:
    """Start a thread, which is allowed."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    return _done("threaded")


def sleep_forever(media: Media, *, progress: Callable[[float], None]) -> Cue:
    """Report progress once and never return."""
    progress(0.5)
    threading.Event().wait()
    return _done("woke")


def fall_silent(media: Media) -> Cue:
    """Close everything and live on."""
    os.closerange(2, 64)
    threading.Event().wait()
    return _done("woke")


def burn(media: Media) -> Cue:
    """Use all of a processor."""
    while True:
        pass


def allocate(media: Media) -> Cue:
    """Ask for 10 GiB of memory."""
    blocks = []
    for _ in range(10 * 1024):
        blocks.append(bytearray(1024 * 1024))
    return _done(str(len(blocks)))


def write_file(media: Media) -> Cue:
    """Write 10 GiB into the working folder."""
    with open("big", "wb") as file:  # noqa: PTH123 - the plainest way to write
        for _ in range(10 * 1024):
            file.write(bytes(1024 * 1024))
    return _done("wrote")


def write_answer(media: Media) -> Cue:
    """Write 10 GiB into every descriptor that takes it, the answer among them."""
    block = bytes(4 * 1024 * 1024)
    for fd in range(3, 4096):  # wherever the parent happened to have room
        try:
            os.fstat(fd)
            for _ in range(2560):
                os.write(fd, block)
        except OSError as error:
            if error.errno == 27:  # EFBIG
                raise
    return _done("wrote")


def crash(media: Media) -> Cue:
    """Die by SIGSEGV."""
    ctypes.string_at(0)
    return _done("survived")


def end_parent(media: Media) -> Cue:
    """Signal the parent."""
    os.kill(os.getppid(), signal.SIGTERM)
    return _done("killed")


def lift_limit(media: Media) -> Cue:
    """Undo a resource limit."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (10_000, 10_000))
    return _done("lifted")


def read_sibling(media: Media) -> Cue:
    """Read a file beside the upload."""
    return _done((media.path.parent / "canary.txt").read_text())


def read_parent_environment(media: Media) -> Cue:
    """Read the parent's secrets."""
    with open(f"/proc/{os.getppid()}/environ", "rb") as file:  # noqa: PTH123
        return _done(repr(file.read()))


def show_environment(media: Media) -> Cue:
    """Tell what is seen of the environment and the working folder."""
    return _done(" ".join(sorted(os.environ)) + " " + str(os.listdir()))  # noqa: PTH208


def open_unguarded(media: Media) -> Cue:
    """Let FFmpeg pick the demuxer, as a careless reader would."""
    with av.open(str(media.path)) as opened:
        return _done(f"{len(list(opened.decode(video=0)))} frames")


def refuse(media: Media) -> Cue:
    """Refuse as a stage does."""
    raise InputError("not_video", "as told")


def refuse_oddly(media: Media) -> Cue:
    """Refuse with a code of another part of the system."""
    raise InputError("unauthenticated", "not a code of the media lane")


def wrong_type(media: Media) -> Media:
    """Answer with something else than promised."""
    return media


def echo(media: Media, *, cue: Cue) -> Cue:
    """Give the argument back."""
    return cue


def _done(text: str) -> Cue:
    return Cue(start_ms=0, end_ms=1, text=text)
