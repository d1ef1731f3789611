"""Executions of jobs as child processes: started, limited, retried, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]

#: Exit status that shells give a command that cannot be started.
CANNOT_START = 127


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What an execution of a job runs."""

    command: tuple[str, ...]
    #: The whole environment of the process, but for what Cloud Run itself adds.
    env: Mapping[str, str]
    directory: Path | None = None
    #: Executions at once; more are queued, as when a quota is used up.
    max_running: int = 1
    #: Queued executions; a request beyond them joins the last one. Nothing is lost by that: an
    #: execution is an anonymous puller, and one that has not started will see all there is.
    max_queued: int = 1
    #: Further attempts after one that fails. (Cloud Run's own default is 3.)
    max_retries: int = 1
    #: An attempt that takes longer is ended and counts as failed.
    timeout_s: float = 3_000.0


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution as it stands. Times are seconds since 1970."""

    name: str
    job: str
    state: State
    #: Output of all attempts, standard output and error together.
    log: Path
    created_s: float
    started_s: float | None = None
    completed_s: float | None = None
    #: Of each attempt that ended; negative: the signal that ended it.
    exit_codes: tuple[int, ...] = ()


@dataclass
class _Lane:
    """A job's executions that are not over."""

    spec: JobSpec
    running: int = 0
    queue: deque[str] = field(default_factory=deque)


class Executions:
    """Starts and watches child processes, one thread for each that runs.

    Args:
        jobs: by short name.
        log_dir: made when missing; a file per execution.
        grace_s: between SIGTERM and SIGKILL. Source: cloud.google.com/run/docs/container-contract,
            10 s.
    """

    def __init__(
        self, jobs: Mapping[str, JobSpec], log_dir: Path, *, grace_s: float = 10.0
    ) -> None:
        self._lanes = {name: _Lane(spec=spec) for name, spec in jobs.items()}
        self._log_dir = log_dir
        self._grace_s = grace_s
        self._changed = threading.Condition()
        self._known: dict[str, Execution] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._threads: set[threading.Thread] = set()
        self._closing = False

    def request(self, job: str) -> Execution:
        """Start an execution, or queue it, or join the last one queued.

        Raises:
            KeyError: no such job.
        """
        with self._changed:
            lane = self._lanes[job]
            if lane.running >= lane.spec.max_running and len(lane.queue) >= lane.spec.max_queued:
                return self._known[lane.queue[-1]]
            name = self._create(job).name
            if lane.running < lane.spec.max_running:
                # Runs from here on, not from when its thread gets a turn: else the next request
                # would find it queued, and join it.
                lane.running += 1
                self._update(name, state="running", started_s=time.time())
                thread = threading.Thread(target=self._work, args=(lane, name), name=f"job-{job}")
                self._threads.add(thread)
                thread.start()
            else:
                lane.queue.append(name)
            return self._known[name]

    def of(self, job: str) -> list[Execution]:
        """All executions of a job so far, oldest first."""
        with self._changed:
            return [e for e in self._known.values() if e.job == job]

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs or is queued; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout_s)

    def stop(self) -> None:
        """Cancel what is queued, SIGTERM what runs, SIGKILL it after the grace; waits for all."""
        with self._changed:
            self._closing = True
            for lane in self._lanes.values():
                while lane.queue:
                    self._update(lane.queue.popleft(), state="cancelled", completed_s=time.time())
            for process in self._processes.values():
                process.terminate()
            ended = self._changed.wait_for(self._is_idle, self._grace_s)
            if not ended:
                for process in self._processes.values():
                    _kill_group(process)
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _is_idle(self) -> bool:
        return not any(lane.running or lane.queue for lane in self._lanes.values())

    def _create(self, job: str) -> Execution:
        name = f"{job}-{uuid4().hex[:8]}"
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._known[name] = Execution(
            name=name,
            job=job,
            state="queued",
            log=self._log_dir / f"{name}.log",
            created_s=time.time(),
        )
        return self._known[name]

    def _update(self, name: str, **changes: object) -> None:
        self._known[name] = replace(self._known[name], **changes)  # type: ignore[arg-type]  # by name
        self._changed.notify_all()

    def _work(self, lane: _Lane, name: str | None) -> None:
        """Run an execution, then what is queued of the job until nothing is left."""
        while name is not None:
            state = self._attempts(lane.spec, name)
            with self._changed:
                self._update(name, state=state, completed_s=time.time())
            name = self._next(lane)

    def _next(self, lane: _Lane) -> str | None:
        with self._changed:
            if lane.queue:
                name = lane.queue.popleft()
                self._update(name, state="running", started_s=time.time())
                return name
            lane.running -= 1
            self._threads.discard(threading.current_thread())
            self._changed.notify_all()
            return None

    def _attempts(self, spec: JobSpec, name: str) -> State:
        for attempt in range(spec.max_retries + 1):
            code = self._attempt(spec, name, attempt)
            if code is None:
                return "cancelled"
            with self._changed:
                self._update(name, exit_codes=(*self._known[name].exit_codes, code))
                if self._closing:
                    return "succeeded" if code == 0 else "cancelled"
            if code == 0:
                return "succeeded"
        return "failed"

    def _attempt(self, spec: JobSpec, name: str, attempt: int) -> int | None:
        """The exit code of one process, or None when the stand-in is closing."""
        log = self._known[name].log
        with log.open("ab") as output:
            with self._changed:
                if self._closing:
                    return None
                try:
                    process = _start(spec, name, attempt, output.fileno())
                except OSError as error:
                    output.write(f"cannot start {spec.command[0]}: {error}\n".encode())
                    return CANNOT_START
                self._processes[name] = process
            code = self._wait(process, spec.timeout_s)
            # A container's other processes end with its first one.
            _kill_group(process)
            with self._changed:
                del self._processes[name]
        return code

    def _wait(self, process: subprocess.Popen[bytes], timeout_s: float) -> int:
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.terminate()
        try:
            return process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            _kill_group(process)
        return process.wait()


def _start(spec: JobSpec, name: str, attempt: int, output: int) -> subprocess.Popen[bytes]:
    # Not CLOUD_RUN_JOB: with it a process takes itself for deployed and refuses crash points.
    added = {
        "CLOUD_RUN_EXECUTION": name,
        "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
        "CLOUD_RUN_TASK_INDEX": "0",
        "CLOUD_RUN_TASK_COUNT": "1",
    }
    return subprocess.Popen(
        spec.command,
        env={**spec.env, **added},
        cwd=spec.directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
