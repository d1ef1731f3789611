"""Stand-in for Cloud Run Jobs: the official client's `run_job` starts a child process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import grpc
from google.cloud import run_v2
from google.longrunning import operations_pb2

from local.executions import Execution, Executions, JobSpec
from local.rpc import CallFaults, RpcError, RpcHost, unary


class JobsServer:
    """Answers `google.cloud.run.v2.Jobs/RunJob` on a loopback port.

    Args:
        jobs: what to run, by the job's short name.
        log_dir: a file per execution with its output.
        project: of all jobs.
        region: of all jobs.
        port: 0 picks a free one at the first start; a restart keeps it.
        grace_s: between SIGTERM and SIGKILL at `stop` and at a job's timeout.
        faults: `faults.fail_next("RunJob")` answers UNAVAILABLE before anything starts, with
            `grpc.StatusCode.RESOURCE_EXHAUSTED` as when there is no quota, and with
            `applied=True` after the execution was started.
    """

    def __init__(
        self,
        jobs: Mapping[str, JobSpec],
        log_dir: Path,
        *,
        project: str,
        region: str,
        port: int = 0,
        grace_s: float = 10.0,
        faults: CallFaults | None = None,
    ) -> None:
        self._jobs = dict(jobs)
        self._log_dir = log_dir
        self._parent = f"projects/{project}/locations/{region}"
        self._grace_s = grace_s
        self.faults = faults or CallFaults()
        self._host = RpcHost(port=port, threads=8)
        self._executions = Executions(self._jobs, log_dir, grace_s=grace_s)
        self._started = False

    @property
    def endpoint(self) -> str:
        """`127.0.0.1:PORT`, for an insecure gRPC channel."""
        return self._host.endpoint

    def start(self) -> None:
        """Serve; executions of an earlier start are forgotten. RuntimeError: port taken."""
        if self._started:
            return
        self._executions = Executions(self._jobs, self._log_dir, grace_s=self._grace_s)
        run = unary(
            "RunJob",
            self._run,
            faults=self.faults,
            decode=run_v2.RunJobRequest.deserialize,
            encode=operations_pb2.Operation.SerializeToString,
        )
        service = grpc.method_handlers_generic_handler("google.cloud.run.v2.Jobs", {"RunJob": run})
        self._host.start([service])
        self._started = True

    def stop(self) -> None:
        """Answer no more and end all executions; what they had recorded stays readable."""
        if not self._started:
            return
        self._started = False
        self._host.stop()
        self._executions.stop()

    def executions(self, job: str) -> list[Execution]:
        """All executions of a job (short name) since `start`, oldest first."""
        return self._executions.of(job)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs or is queued; False when that took too long."""
        return self._executions.wait_idle(timeout_s)

    def _run(
        self, request: run_v2.RunJobRequest, _: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        job = request.name.removeprefix(f"{self._parent}/jobs/")
        if job not in self._jobs:
            raise RpcError(grpc.StatusCode.NOT_FOUND, f"no job {request.name}")
        if "overrides" in request:
            # As for a caller with run.jobs.run but without run.jobs.runWithOverrides.
            raise RpcError(grpc.StatusCode.PERMISSION_DENIED, "overrides are not allowed")
        return self._operation(request.name, self._executions.request(job))

    def _operation(self, job: str, execution: Execution) -> operations_pb2.Operation:
        operation = operations_pb2.Operation(name=f"{self._parent}/operations/{uuid4()}")
        described = run_v2.Execution(
            name=f"{job}/executions/{execution.name}",
            job=execution.job,
            create_time=datetime.fromtimestamp(execution.created_s, UTC),
            task_count=1,
        )
        operation.metadata.Pack(run_v2.Execution.pb(described))
        return operation

    def __enter__(self) -> JobsServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
