"""The job runner against the Cloud Run Jobs stand-in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from common import effects
from common.config import Settings
from common.errors import ConfigError, TransientError
from common.jobs import JobRunner
from local.executions import JobSpec
from local.jobs import JobsServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JobsServer]:
    """A stand-in with the gpu lane's job only."""
    job = JobSpec(command=(sys.executable, "-S", "-c", "print('ran')"), env={})
    with JobsServer(
        {"heimdex-gpu": job}, tmp_path, project="test-project", region="asia-northeast3"
    ) as found:
        yield found


@pytest.fixture
def runner(server: JobsServer) -> Iterator[JobRunner]:
    """A runner pointed at the stand-in."""
    settings = Settings(
        project="test-project",
        region="asia-northeast3",
        uploads_bucket="uploads",
        artifacts_bucket="artifacts",
        run_endpoint=server.endpoint,
    )
    with JobRunner.connect(settings, timeout_s=5) as found:
        yield found


def test_execution_starts(runner: JobRunner, server: JobsServer) -> None:
    """One call is one execution, and it really runs."""
    runner.run("gpu", effect="test.run_job")
    assert server.wait_idle(20)
    [execution] = server.executions("heimdex-gpu")
    assert execution.log.read_text() == "ran\n"


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
    ],
)
def test_busy_service_is_transient(
    runner: JobRunner, server: JobsServer, status: grpc.StatusCode
) -> None:
    """Quota and outages are to be tried again later, and nothing was repeated meanwhile."""
    server.faults.fail_next("RunJob", status)
    with pytest.raises(TransientError) as raised:
        runner.run("gpu", effect="test.run_job")
    assert "heimdex-gpu" in raised.value.detail
    assert server.executions("heimdex-gpu") == []


def test_ambiguous_answer_is_transient(runner: JobRunner, server: JobsServer) -> None:
    """An execution may have started behind an error; the caller cannot know."""
    server.faults.fail_next("RunJob", applied=True)
    with pytest.raises(TransientError):
        runner.run("gpu", effect="test.run_job")
    assert server.wait_idle(20)
    assert len(server.executions("heimdex-gpu")) == 1


@pytest.mark.parametrize(
    "status", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED]
)
def test_missing_rights_are_configuration(
    runner: JobRunner, server: JobsServer, status: grpc.StatusCode
) -> None:
    """A role that is missing does not come by waiting."""
    server.faults.fail_next("RunJob", status)
    with pytest.raises(ConfigError):
        runner.run("gpu", effect="test.run_job")


def test_missing_job_is_configuration(runner: JobRunner) -> None:
    """A lane whose job was not deployed is a fault of the set-up."""
    with pytest.raises(ConfigError):
        runner.run("media", effect="test.run_job")


def test_effect_is_named(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a job can be crashed before and after."""
    points: list[str] = []
    monkeypatch.setattr(effects, "_point", points.append)
    runner.run("gpu", effect="test.run_job")
    assert points == ["before:test.run_job", "after:test.run_job"]


def test_lanes_run_where_their_jobs_are(tmp_path: Path) -> None:
    """The gpu lane's job may be in another region than everything else."""
    job = JobSpec(command=(sys.executable, "-S", "-c", ""), env={})
    with JobsServer(
        {"heimdex-gpu": job}, tmp_path, project="test-project", region="asia-southeast1"
    ) as server:
        settings = Settings(
            project="test-project",
            region="asia-northeast3",
            gpu_region="asia-southeast1",
            uploads_bucket="uploads",
            artifacts_bucket="artifacts",
            run_endpoint=server.endpoint,
        )
        with JobRunner.connect(settings, timeout_s=5) as runner:
            runner.run("gpu", effect="test.run_job")
            with pytest.raises(ConfigError):
                runner.run("media", effect="test.run_job")
        assert server.wait_idle(20)
        assert len(server.executions("heimdex-gpu")) == 1
