"""The doorbell: a run is ready, so somebody should come and pull."""

from __future__ import annotations

from common import log
from common.ledger.claims import Claims
from common.messages import RunReady
from common.ports import Jobs


class Doorbell:
    """Starts executions.

    Args:
        claims: as `heimdex_ingest`; only asked.
        jobs: starts executions.
    """

    def __init__(self, claims: Claims, jobs: Jobs) -> None:
        self._claims = claims
        self._jobs = jobs

    def ring(self, message: RunReady) -> bool:
        """Start an execution if the run still waits for one; returns whether.

        Raises:
            TransientError: Cloud Run has no quota or did not answer; ring again.
        """
        wanted = self._claims.is_claimable(message.user_id, message.run_id, message.lane)
        if wanted:
            self._jobs.run(message.lane, effect="job.start")
        log.event(
            "job.started" if wanted else "job.not_needed", run_id=message.run_id, lane=message.lane
        )
        return wanted
