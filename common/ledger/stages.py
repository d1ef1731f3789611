"""Stages: the checkpoints inside a run. Every write matches the lease's fencing token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.database import Database
from common.domain import Lane, Lease, StageState
from common.ledger.fencing import hold
from common.ledger.readiness import OF_SUBJECT, run_values

# A row that another version of the stage left behind starts over.
_PLAN = text("""
    INSERT INTO jobs (user_id, run_id, stage, ordinal, version)
    VALUES (:user_id, :run_id, :stage, :ordinal, :version)
    ON CONFLICT (user_id, run_id, stage) DO UPDATE SET
        ordinal = excluded.ordinal, version = excluded.version,
        state = CASE WHEN jobs.version = excluded.version AND jobs.state = 'done'
                     THEN 'done' ELSE 'pending' END,
        progress = CASE WHEN jobs.version = excluded.version AND jobs.state = 'done'
                        THEN 1 ELSE 0 END,
        error_code = NULL
""")
_RECORDS = text(f"""
    SELECT r.lane, j.stage, j.version, j.state, j.artifact_key, j.artifact_sha256
    FROM jobs j JOIN runs r ON r.user_id = j.user_id AND r.id = j.run_id
    WHERE r.user_id = :user_id AND {OF_SUBJECT} AND r.generation = :generation
""")
_START = text("""
    UPDATE jobs SET state = 'running', progress = 0, attempt = attempt + 1, error_code = NULL,
        started_at = clock_timestamp(), finished_at = NULL, duration_ms = NULL
    WHERE user_id = :user_id AND run_id = :run_id AND stage = :stage
""")
_PROGRESS = text("""
    UPDATE jobs SET progress = greatest(progress, :fraction)
    WHERE user_id = :user_id AND run_id = :run_id AND stage = :stage AND state = 'running'
""")
_FINISH = text("""
    UPDATE jobs SET state = 'done', progress = 1, version = :version, note = :note,
        artifact_key = :artifact_key, artifact_sha256 = :artifact_sha256,
        artifact_bytes = :artifact_bytes, finished_at = clock_timestamp(),
        duration_ms = extract(epoch FROM clock_timestamp() - started_at) * 1000
    WHERE user_id = :user_id AND run_id = :run_id AND stage = :stage
""")


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """A row to have for a stage of the lane."""

    stage: str
    #: Position in the lane, from 0.
    ordinal: int
    version: int


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What the ledger knows of a stage of the subject, in whichever lane."""

    lane: Lane
    stage: str
    version: int
    state: StageState
    artifact_key: str
    artifact_sha256: str


@dataclass(frozen=True, kw_only=True)
class FinishedStage:
    """A stage whose artifact is stored."""

    stage: str
    version: int
    artifact_key: str
    artifact_sha256: str
    artifact_bytes: int
    #: Why there is nothing in the artifact ("profile_has_no_speech_model"), or "".
    note: str = ""


class Stages:
    """Checkpoints; every method is one transaction and raises LeaseLostError if the lease is lost.

    Args:
        db: as `heimdex_worker`.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def plan(self, lease: Lease, stages: Iterable[StagePlan]) -> Mapping[str, StageRecord]:
        """Have a row for every stage of the lane; what is done in this version stays done.

        Returns:
            The stages of all lanes of the subject's generation, by name.
        """
        with self._db.tenant(lease.run.user_id, effect="stage.plan") as tx:
            hold(tx, lease)
            for stage in stages:
                tx.execute(_PLAN, run_values(lease.run) | vars(stage))
            return _records(tx, lease)

    def start(self, lease: Lease, stages: Sequence[str]) -> None:
        """Note that stages that are made together have begun."""
        with self._db.tenant(lease.run.user_id, effect="stage.start") as tx:
            hold(tx, lease)
            for stage in stages:
                tx.execute(_START, run_values(lease.run) | {"stage": stage})

    def progress(self, lease: Lease, stages: Sequence[str], fraction: float) -> None:
        """Note how far stages are, 0 to 1; never goes backwards within an attempt."""
        values = run_values(lease.run) | {"fraction": min(max(fraction, 0.0), 1.0)}
        with self._db.tenant(lease.run.user_id, effect="stage.progress") as tx:
            hold(tx, lease)
            for stage in stages:
                tx.execute(_PROGRESS, values | {"stage": stage})

    def finish(self, lease: Lease, finished: Sequence[FinishedStage]) -> None:
        """Check off stages that were made together."""
        with self._db.tenant(lease.run.user_id, effect="stage.finish") as tx:
            hold(tx, lease)
            for stage in finished:
                tx.execute(_FINISH, run_values(lease.run) | vars(stage))


def _records(tx: Connection, lease: Lease) -> dict[str, StageRecord]:
    rows = tx.execute(_RECORDS, run_values(lease.run))
    return {
        row.stage: StageRecord(
            lane=row.lane,
            stage=row.stage,
            version=row.version,
            state=row.state,
            artifact_key=row.artifact_key or "",
            artifact_sha256=row.artifact_sha256 or "",
        )
        for row in rows
    }
