"""The Cloud Run Jobs stand-in through the official client, with real child processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.api_core.exceptions import (
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceUnavailable,
)
from google.cloud import run_v2
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport

from local.executions import CANNOT_START, JobSpec
from local.jobs import JobsServer

JOB = "projects/test-project/locations/asia-northeast3/jobs/heimdex-media"
#: Writes a line, then waits for a line in the fifo named by $GATE.
WAITS = "import os; print('up', flush=True); open(os.environ['GATE']).read()"
#: The same, but takes no notice of SIGTERM.
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


def spec(program: str, **environment: str) -> JobSpec:
    """A job that runs a Python program."""
    return JobSpec(command=(sys.executable, "-S", "-c", program), env=environment)


@contextmanager
def serving(tmp_path: Path, job: JobSpec, *, grace_s: float = 10.0) -> Iterator[JobsServer]:
    """A stand-in with one job."""
    jobs = {"heimdex-media": job}
    with JobsServer(
        jobs,
        tmp_path / "logs",
        project="test-project",
        region="asia-northeast3",
        grace_s=grace_s,
    ) as server:
        yield server


@contextmanager
def client(server: JobsServer) -> Iterator[run_v2.JobsClient]:
    """The official client."""
    with grpc.insecure_channel(server.endpoint) as channel:
        yield run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))


def run(server: JobsServer, times: int = 1) -> list[str]:
    """Start executions; returns their names as the client reads them."""
    with client(server) as jobs:
        return [jobs.run_job(name=JOB, timeout=10).metadata.name for _ in range(times)]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A named pipe that the programs wait at."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def open_gate(gate: Path) -> None:
    """Let one waiting program go on."""
    gate.write_text("go")


def states(server: JobsServer) -> list[str]:
    """States of all executions, oldest first."""
    return [execution.state for execution in server.executions("heimdex-media")]


def until_up(server: JobsServer, count: int) -> None:
    """Return when this many processes wrote their first line; fails after twenty seconds."""
    until = time.monotonic() + 20
    while sum(_is_up(e.log) for e in server.executions("heimdex-media")) < count:
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def _is_up(log: Path) -> bool:
    return log.is_file() and "up" in log.read_text()


def test_execution_runs_the_command(tmp_path: Path) -> None:
    """The process gets its environment and its output is kept, with the exit code."""
    program = "import os; print(os.environ['WHO'], os.environ['CLOUD_RUN_TASK_ATTEMPT'])"
    with serving(tmp_path, spec(program, WHO="민지", PYTHONUTF8="1")) as server:
        [name] = run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    assert name == f"{JOB}/executions/{execution.name}"
    assert (execution.state, execution.exit_codes) == ("succeeded", (0,))
    assert execution.log.read_text() == "민지 0\n"
    assert execution.started_s is not None
    assert execution.completed_s is not None
    assert execution.created_s <= execution.started_s <= execution.completed_s


def test_environment_is_only_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of this process's environment leaks, and it does not look deployed."""
    monkeypatch.setenv("CANARY", "1")
    program = "import os; print(sorted(k for k in os.environ if k.startswith(('C', 'K'))))"
    with serving(tmp_path, spec(program)) as server:
        run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    output = execution.log.read_text()
    assert "CANARY" not in output
    assert "CLOUD_RUN_JOB" not in output
    assert "CLOUD_RUN_EXECUTION" in output


def test_failing_execution_is_retried_once(tmp_path: Path) -> None:
    """A process that fails is started again with the next attempt number, then given up."""
    program = "import os, sys; sys.exit(3 + int(os.environ['CLOUD_RUN_TASK_ATTEMPT']))"
    with serving(tmp_path, spec(program)) as server:
        run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    assert (execution.state, execution.exit_codes) == ("failed", (3, 4))


def test_killed_process_is_retried(tmp_path: Path) -> None:
    """A process that died by a signal counts as failed, and its second attempt may succeed."""
    program = (
        "import os, signal\n"
        "if os.environ['CLOUD_RUN_TASK_ATTEMPT'] == '0': os.kill(os.getpid(), signal.SIGKILL)"
    )
    with serving(tmp_path, spec(program)) as server:
        run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    assert (execution.state, execution.exit_codes) == ("succeeded", (-signal.SIGKILL, 0))


def test_command_that_cannot_start_fails(tmp_path: Path) -> None:
    """A missing program is a failed execution with a line in its log."""
    job = JobSpec(command=("/nonexistent/program",), env={}, max_retries=0)
    with serving(tmp_path, job) as server:
        run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    assert (execution.state, execution.exit_codes) == ("failed", (CANNOT_START,))
    assert "cannot start" in execution.log.read_text()


def test_surplus_requests_join_the_queue(tmp_path: Path, gate: Path) -> None:
    """One runs, one is queued, and eight more requests join the queued one."""
    with serving(tmp_path, spec(WAITS, GATE=str(gate))) as server:
        names = run(server, times=10)
        assert len(set(names)) == 2
        assert len(set(names[1:])) == 1
        until_up(server, 1)
        assert states(server) == ["running", "queued"]
        open_gate(gate)
        until_up(server, 2)
        assert states(server) == ["succeeded", "running"]
        open_gate(gate)
        assert server.wait_idle(20)


def test_limit_of_running_executions_holds(tmp_path: Path, gate: Path) -> None:
    """With room for two, two run at once and the third waits."""
    job = replace(spec(WAITS, GATE=str(gate)), max_running=2)
    with serving(tmp_path, job, grace_s=5) as server:
        run(server, times=3)
        until_up(server, 2)
        assert sorted(states(server)) == ["queued", "running", "running"]
    assert states(server) == ["cancelled"] * 3


def test_stop_sends_sigterm_first(tmp_path: Path, gate: Path) -> None:
    """A process that handles SIGTERM ends in its own way, and is not started again."""
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(7)))\n"
        + WAITS
    )
    with serving(tmp_path, spec(program, GATE=str(gate))) as server:
        run(server)
        until_up(server, 1)
    [execution] = server.executions("heimdex-media")
    assert (execution.state, execution.exit_codes) == ("cancelled", (7,))
    assert execution.log.read_text() == "up\nbye\n"


def test_stop_kills_what_ignores_sigterm(tmp_path: Path, gate: Path) -> None:
    """After the grace the process is killed, and stop does not wait longer."""
    with serving(tmp_path, spec(STUBBORN, GATE=str(gate)), grace_s=0.3) as server:
        run(server)
        until_up(server, 1)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 5
    [execution] = server.executions("heimdex-media")
    assert execution.exit_codes == (-signal.SIGKILL,)


def test_children_end_with_their_parent(tmp_path: Path, gate: Path) -> None:
    """What a process leaves behind is killed with it, as when a container ends."""
    program = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)"
    )
    with serving(tmp_path, spec(program)) as server:
        run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    child = int(execution.log.read_text())
    until = time.monotonic() + 10
    while _is_alive(child):
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def _is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"


def test_timeout_ends_an_attempt(tmp_path: Path, gate: Path) -> None:
    """An attempt over its time is ended by SIGTERM and counts as failed."""
    job = replace(spec(WAITS, GATE=str(gate)), timeout_s=0.5, max_retries=0)
    with serving(tmp_path, job) as server:
        run(server)
        assert server.wait_idle(20)
        [execution] = server.executions("heimdex-media")
    assert (execution.state, execution.exit_codes) == ("failed", (-signal.SIGTERM,))


def test_unknown_job_is_not_found(tmp_path: Path) -> None:
    """Another name, project or region is NOT_FOUND."""
    with serving(tmp_path, spec("")) as server, client(server) as jobs:
        for name in (JOB + "x", JOB.replace("test-project", "other"), JOB.replace("3/", "1/")):
            with pytest.raises(NotFound):
                jobs.run_job(name=name, timeout=10)
    assert states(server) == []


def test_overrides_are_refused(tmp_path: Path) -> None:
    """The role that may only run jobs cannot change their arguments."""
    with serving(tmp_path, spec("")) as server, client(server) as jobs:
        request = run_v2.RunJobRequest(name=JOB)
        request.overrides.task_count = 2
        with pytest.raises(PermissionDenied):
            jobs.run_job(request=request, timeout=10)
    assert states(server) == []


def test_injected_errors(tmp_path: Path) -> None:
    """No quota: nothing starts. Ambiguous: the client sees an error and the process runs."""
    with serving(tmp_path, spec("")) as server, client(server) as jobs:
        server.faults.fail_next("RunJob", grpc.StatusCode.RESOURCE_EXHAUSTED)
        with pytest.raises(ResourceExhausted):
            jobs.run_job(name=JOB, timeout=10)
        assert states(server) == []
        server.faults.fail_next("RunJob", applied=True)
        with pytest.raises(ServiceUnavailable):
            jobs.run_job(name=JOB, timeout=10)
        assert server.wait_idle(20)
        assert states(server) == ["succeeded"]


def test_restart_keeps_the_port(tmp_path: Path) -> None:
    """After stop and start the same address runs jobs again, and no thread was left."""
    before = {t for t in threading.enumerate() if t.name.startswith(("job-", "rpc"))}
    with serving(tmp_path, spec("")) as server:
        endpoint = server.endpoint
        run(server)
        assert server.wait_idle(20)
        server.stop()
        server.start()
        assert server.endpoint == endpoint
        run(server)
        assert server.wait_idle(20)
    after = {t for t in threading.enumerate() if t.name.startswith(("job-", "rpc"))}
    assert after == before
