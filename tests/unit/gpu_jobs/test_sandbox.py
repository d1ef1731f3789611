"""The limited child process."""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.domain import Cue, Media, MediaLimits, Probe
from common.errors import InputError, TransientError
from gpu_jobs import sandbox
from tests.media import write_clip

PROJECT = Path(__file__).resolve().parents[3]
LINUX = platform.system() == "Linux"
linux_only = pytest.mark.skipif(not LINUX, reason="seccomp and /proc are Linux")


def has_landlock() -> bool:
    """Whether this kernel can fence off files."""
    return LINUX and ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1


def children() -> set[int]:
    """Processes started by this one that still exist, zombies included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


@pytest.fixture(autouse=True)
def leaves_no_process() -> Iterator[None]:
    """Every test asserts that the sandbox left no process behind."""
    before = children()
    yield
    assert children() <= before


def media(path: Path, *, content_type: str = "", **limits: float) -> Media:
    """An upload (created empty if missing) with the limits given."""
    path.touch()
    return Media(
        path=path,
        size_bytes=path.stat().st_size,
        content_type=content_type,
        limits=MediaLimits(**limits),  # type: ignore[arg-type]
    )


def call(name: str, subject: Media) -> str:
    """Run one of the hostile stages; its text."""
    function = f"tests.unit.gpu_jobs.hostile_stages:{name}"
    return sandbox.call(function, media=subject, inputs={}, result=Cue).text


def code(name: str, subject: Media) -> str:
    """Run one of the hostile stages; the code it ends with."""
    with pytest.raises(InputError) as raised:
        call(name, subject)
    return raised.value.code


def test_a_value_crosses_there_and_back(tmp_path: Path) -> None:
    """Inputs and results survive the way through the artifact codec."""
    cue = Cue(start_ms=1, end_ms=2, text="빨간 차")
    result = sandbox.call(
        "tests.unit.gpu_jobs.hostile_stages:echo",
        media=media(tmp_path / "m"),
        inputs={"cue": cue},
        result=Cue,
    )
    assert result == cue


def test_a_real_file_is_probed(tmp_path: Path) -> None:
    """The confinement leaves enough for PyAV to read an upload."""
    path = tmp_path / "clip.mp4"
    write_clip(path, shots_ms=(500, 500))
    subject = media(path, content_type="video/mp4")
    result = sandbox.call(
        "gpu_jobs.stages.upload_validate:run", media=subject, inputs={}, result=Probe
    )
    assert result.duration_ms == 1000


def test_an_answered_code_is_raised(tmp_path: Path) -> None:
    """A refusal of the stage reaches the caller with its code and detail."""
    with pytest.raises(InputError, match="not_video: not_video: as told") as raised:
        call("refuse", media(tmp_path / "m"))
    assert raised.value.code == "not_video"


@pytest.mark.parametrize("name", ["refuse_oddly", "wrong_type", "crash"])
def test_an_answer_out_of_order_is_a_crash(tmp_path: Path, name: str) -> None:
    """Codes of other lanes, results of another type and signals are all decode_crashed."""
    assert code(name, media(tmp_path / "m")) == "decode_crashed"


@linux_only
def test_the_network_is_out_of_reach(tmp_path: Path) -> None:
    """A child that connects to a listening port of this machine fails, and nobody arrives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        assert code("connect", media(tmp_path / "m", content_type=str(port))) == "decode_crashed"
        with pytest.raises(BlockingIOError):
            server.accept()


@linux_only
@pytest.mark.parametrize(
    "name", ["start_program", "fork", "end_parent", "lift_limit", "write_file"]
)
def test_forbidden_calls_fail(tmp_path: Path, name: str) -> None:
    """Programs, processes, signals to others, new limits and new files are refused."""
    assert code(name, media(tmp_path / "m")) == "decode_crashed"


def test_threads_are_allowed(tmp_path: Path) -> None:
    """FFmpeg needs its threads."""
    assert call("start_thread", media(tmp_path / "m")) == "threaded"


@linux_only
@pytest.mark.parametrize("name", ["allocate", "write_answer"])
def test_memory_and_answers_are_bounded(tmp_path: Path, name: str) -> None:
    """10 GiB, in memory or on disk, is too much."""
    subject = media(tmp_path / "m", memory_bytes=1 << 30)
    assert code(name, subject) == "decode_budget_exceeded"


def test_a_child_over_its_time_is_killed(tmp_path: Path) -> None:
    """The parent ends a child that only burns time at the wall budget."""
    started = time.monotonic()
    assert code("burn", media(tmp_path / "m", wall_budget_s=1.0)) == "decode_budget_exceeded"
    assert time.monotonic() - started < 5


def test_progress_arrives_and_can_stop_the_call(tmp_path: Path) -> None:
    """Shares are passed on, and raising in the callback ends the child at once."""

    class StopError(Exception):
        pass

    def stop(share: float) -> None:
        if share == 0.5:
            raise StopError

    with pytest.raises(StopError):
        sandbox.call(
            "tests.unit.gpu_jobs.hostile_stages:sleep_forever",
            media=media(tmp_path / "m"),
            inputs={},
            result=Cue,
            on_progress=stop,
        )


def test_a_silent_child_can_be_stopped(tmp_path: Path) -> None:
    """A child that closed its pipes cannot keep the caller from noticing that it must stop."""

    class StopError(Exception):
        pass

    calls: list[float] = []

    def stop(share: float) -> None:
        calls.append(share)
        if len(calls) == 2:
            raise StopError

    with pytest.raises(StopError):
        sandbox.call(
            "tests.unit.gpu_jobs.hostile_stages:fall_silent",
            media=media(tmp_path / "m", wall_budget_s=60.0),
            inputs={},
            result=Cue,
            on_progress=stop,
        )


def test_the_environment_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the parent's environment is seen, and the working folder is empty."""
    monkeypatch.setenv("HEIMDEX_SECRET", "s")
    shown = call("show_environment", media(tmp_path / "m"))
    assert "HEIMDEX" not in shown
    assert shown.endswith("[]")


@pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")
@pytest.mark.parametrize("name", ["read_sibling", "read_parent_environment"])
def test_other_files_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A file beside the upload and the parent's environment are out of reach."""
    (tmp_path / "canary.txt").write_text("canary")
    assert code(name, media(tmp_path / "m")) == "decode_crashed"


@pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")
def test_a_script_cannot_pull_in_its_sibling(tmp_path: Path) -> None:
    """Even with FFmpeg's own probing, a concat script named .mp4 reaches no other file."""
    write_clip(tmp_path / "canary.mkv", shots_ms=(200,), audio_codec="none")
    script = tmp_path / "script.mp4"
    script.write_text("ffconcat version 1.0\nfile canary.mkv\n")
    assert code("open_unguarded", media(script)) == "decode_crashed"
    assert call("open_unguarded", media(tmp_path / "canary.mkv")) == "6 frames"


@pytest.mark.parametrize("name", ["no_such_function", "echo"])
def test_a_call_that_cannot_be_made_is_not_the_files_fault(tmp_path: Path, name: str) -> None:
    """A missing function or argument is a fault of ours, to be tried again."""
    with pytest.raises(TransientError) as raised:
        call(name, media(tmp_path / "m"))
    assert raised.value.code == "stage_failed"


DRIVER = """
import sys
from pathlib import Path
from common.domain import Cue, Media
from gpu_jobs import sandbox
sandbox.call(
    "tests.unit.gpu_jobs.hostile_stages:sleep_forever",
    media=Media(path=Path(sys.argv[1]), size_bytes=0, content_type=""),
    inputs={}, result=Cue,
    on_progress=lambda share: share == 0.5 and print("running", flush=True),
)
"""


def start_driver(tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    """A worker in the middle of a call, and the process id of its child."""
    (tmp_path / "m").touch()
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "m")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "running\n"
    return driver, int(Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text())


@linux_only
def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """A worker killed by SIGKILL in the middle of a call leaves no child behind."""
    driver, child = start_driver(tmp_path)
    descriptor = os.pidfd_open(child)
    driver.kill()
    driver.communicate()
    ended, _, _ = select.select([descriptor], [], [], 10)
    os.close(descriptor)
    assert ended


@linux_only
def test_a_child_killed_by_others_is_tried_again(tmp_path: Path) -> None:
    """When the machine kills the child, the file is not blamed."""
    driver, child = start_driver(tmp_path)
    os.kill(child, signal.SIGKILL)
    _, told = driver.communicate(timeout=10)
    assert driver.returncode != 0
    assert "TransientError: stage_failed" in told
