"""Start executions of Cloud Run Jobs."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import grpc
from google.cloud import run_v2
from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport

from common.config import Settings
from common.domain import LANES, Lane
from common.effects import effect as durable_effect
from common.google_errors import GOOGLE_ERRORS, translate

#: Starting an execution takes Cloud Run a second or two.
DEFAULT_TIMEOUT_S = 20.0


class JobRunner:
    """Asks Cloud Run for one more execution of a lane's job.

    An execution is an anonymous puller, so a surplus one does no harm: it finds nothing and ends.

    Args:
        client: the official client.
        project: of the jobs.
        regions: of each lane's job, e.g. `asia-northeast3`.
        timeout_s: for one call.
    """

    def __init__(
        self,
        client: run_v2.JobsClient,
        *,
        project: str,
        regions: Mapping[Lane, str],
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._client = client
        self._project = project
        self._regions = dict(regions)
        self._timeout_s = timeout_s

    @classmethod
    def connect(cls, settings: Settings, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> JobRunner:
        """A client for Google's service, or for `settings.run_endpoint` without TLS."""
        if settings.run_endpoint:
            options = [("grpc.enable_http_proxy", 0)]
            channel = grpc.insecure_channel(settings.run_endpoint, options=options)
            client = run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))
        else:
            client = run_v2.JobsClient()
        regions = {lane: settings.job_region(lane) for lane in LANES}
        return cls(client, project=settings.project, regions=regions, timeout_s=timeout_s)

    def run(self, lane: Lane, *, effect: str) -> None:
        """Start an execution of `heimdex-{lane}`; returns when Cloud Run accepted, not when done.

        The call is neither repeated (it is not idempotent) nor given overrides (the role that may
        only run jobs does not allow them). After an error an execution may have started.

        Args:
            lane: whose job.
            effect: name of the durable effect.

        Raises:
            TransientError: no quota or no answer; ring again later.
            ConfigError: no such job, or no right to run it.
        """
        name = f"projects/{self._project}/locations/{self._regions[lane]}/jobs/heimdex-{lane}"
        with durable_effect(effect):
            try:
                self._client.run_job(name=name, timeout=self._timeout_s, retry=None)
            except GOOGLE_ERRORS as error:
                raise translate(error, f"run job heimdex-{lane}") from error

    def close(self) -> None:
        """Release the channel."""
        self._client.transport.close()

    def __enter__(self) -> JobRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
