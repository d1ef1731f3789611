"""Claims: who works on a run. The database's clock alone decides when a lease has expired."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from common import log
from common.database import Database
from common.domain import Lane, Lease, RunRef
from common.ledger.endings import die
from common.ledger.fencing import hold, lock_video
from common.ledger.policy import LeasePolicy
from common.ledger.readiness import cancel_open, ring, run_values

_FIND = text("SELECT video_id FROM runs WHERE user_id = :user_id AND id = :run_id")
_CLAIMABLE = """
    user_id = :user_id AND id = :run_id AND lane = :lane
    AND (state = 'ready' AND not_before <= clock_timestamp()
         OR state = 'running' AND lease_until < clock_timestamp())
"""
# A statement's own subqueries still see the row as it was.
_BEFORE = """
    (SELECT r.state FROM runs r WHERE r.user_id = runs.user_id AND r.id = runs.id) AS before
"""
_CLAIM = text(f"""
    UPDATE runs SET
        state = 'running', attempt = attempt + 1, fencing_token = fencing_token + 1,
        owner = :owner, heartbeat_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => :lease_s)
    WHERE {_CLAIMABLE} AND attempt < :max_attempts
    RETURNING video_id, generation, fencing_token, attempt, traceparent, {_BEFORE}
""")
_EXHAUSTED = text(f"""
    SELECT video_id, generation, fencing_token, attempt, traceparent, state AS before,
           coalesce((SELECT j.error_code FROM jobs j
                     WHERE j.user_id = runs.user_id AND j.run_id = runs.id AND j.state = 'failed'
                     ORDER BY j.ordinal LIMIT 1), '') AS error_code
    FROM runs WHERE {_CLAIMABLE} AND attempt >= :max_attempts
    FOR NO KEY UPDATE
""")
_IS_CLAIMABLE = text(f"SELECT 1 FROM runs WHERE {_CLAIMABLE}")
_PROCESSING = text("""
    UPDATE videos SET state = 'processing', updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :video_id AND state = 'queued'
""")
_HEARTBEAT = text("""
    UPDATE runs SET heartbeat_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => :lease_s)
    WHERE user_id = :user_id AND id = :run_id
""")
_RELEASE = text("""
    UPDATE runs SET state = 'ready', owner = NULL, lease_until = NULL,
        not_before = clock_timestamp(), rung_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :run_id
""")


class Claims:
    """Takes, keeps and gives back runs; every method is one transaction.

    Args:
        db: as `heimdex_worker` (`is_claimable` also as `heimdex_ingest`).
        policy: lease time and attempts.
    """

    def __init__(self, db: Database, policy: LeasePolicy) -> None:
        self._db = db
        self._policy = policy

    @property
    def lease_s(self) -> float:
        """How long a claim holds without a heartbeat."""
        return self._policy.lease_s

    def claim(self, user_id: UUID, run_id: UUID, lane: Lane, owner: str) -> Lease | None:
        """Take a run that is ready, or whose lease has expired; None if it is not so.

        A run without attempts left dies here, and its video fails; the runs of a deleted video are
        cancelled.

        Args:
            user_id: the tenant.
            run_id: which run.
            lane: the worker's lane; a run of another is not claimed.
            owner: the worker, for people who read the ledger.
        """
        key = {"user_id": user_id, "run_id": run_id, "lane": lane, "owner": owner}
        with self._db.tenant(user_id, effect="run.claim") as tx:
            found = tx.execute(_FIND, key).one_or_none()
            if found is None:
                return None
            if not lock_video(tx, user_id, found.video_id):
                cancel_open(tx, user_id, found.video_id)
                return None
            lease, before = self._claim_or_bury(tx, key)
        if before == "running":
            log.event(
                "run.lease_expired",
                severity="WARNING",
                video_id=found.video_id,
                run_id=run_id,
                lane=lane,
            )
        return lease

    def is_claimable(self, user_id: UUID, run_id: UUID, lane: Lane) -> bool:
        """Whether a claim would find something to do (take the run, or bury it)."""
        key = {"user_id": user_id, "run_id": run_id, "lane": lane}
        with self._db.tenant(user_id) as tx:
            return tx.execute(_IS_CLAIMABLE, key).one_or_none() is not None

    def heartbeat(self, lease: Lease) -> None:
        """Extend the lease by its full time from now.

        Raises:
            LeaseLostError: the run is no longer this worker's.
        """
        with self._db.tenant(lease.run.user_id, effect="run.heartbeat") as tx:
            hold(tx, lease)
            tx.execute(_HEARTBEAT, run_values(lease.run) | {"lease_s": self._policy.lease_s})

    def release(self, lease: Lease) -> tuple[UUID, ...]:
        """Give the run back, ready at once; its checkpoints stay and the attempt stays counted.

        Returns:
            The ids of the messages to publish.

        Raises:
            LeaseLostError: the run is no longer this worker's.
        """
        run = lease.run
        with self._db.tenant(run.user_id, effect="run.release") as tx:
            hold(tx, lease)
            tx.execute(_RELEASE, run_values(run))
            return (ring(tx, run.user_id, run.run_id, run.lane, traceparent=lease.traceparent),)

    def _claim_or_bury(self, tx: Connection, key: dict[str, Any]) -> tuple[Lease | None, str]:
        """The lease, if there is one, and the run's state before."""
        limits = {"lease_s": self._policy.lease_s, "max_attempts": self._policy.max_attempts}
        row = tx.execute(_CLAIM, key | limits).one_or_none()
        if row is not None:
            tx.execute(_PROCESSING, key | {"video_id": row.video_id})
            return _lease(key, row), row.before
        row = tx.execute(_EXHAUSTED, key | limits).one_or_none()
        if row is not None:
            die(tx, _lease(key, row), row.error_code, "")
        return None, "" if row is None else row.before


def _lease(key: dict[str, Any], row: Row[Any]) -> Lease:
    return Lease(
        run=RunRef(
            user_id=key["user_id"],
            run_id=key["run_id"],
            video_id=row.video_id,
            generation=row.generation,
            lane=key["lane"],
        ),
        owner=key["owner"],
        fencing_token=row.fencing_token,
        attempt=row.attempt,
        traceparent=row.traceparent,
    )
