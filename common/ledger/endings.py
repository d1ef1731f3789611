"""How a claimed run ends: failed, dead, done; `states` shows all ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common import log
from common.database import Database
from common.domain import Lane, Lease, RunRef
from common.errors import HeimdexError
from common.ledger import outbox
from common.ledger.fencing import hold, lock_video
from common.ledger.policy import LeasePolicy
from common.ledger.readiness import fail_video, make_ready, run_values
from common.messages import DEAD_LETTER_TOPIC, RunDied
from common.quotas.admission import settle

#: Codes whose text promises another attempt; a dead run must not say that.
_RETRIED_CODES: Final = frozenset(
    ("artifact_corrupt", "dependency_unavailable", "lease_lost", "stage_failed", "unavailable")
)
_MAX_DETAIL: Final = 500

_END = text("""
    UPDATE runs SET state = :state, error_code = :error_code, error_detail = :error_detail,
        owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :run_id
""")
_RETRY = text("""
    UPDATE runs SET state = 'ready', error_code = :error_code, error_detail = :error_detail,
        owner = NULL, lease_until = NULL,
        not_before = clock_timestamp() + make_interval(secs => :delay_s * (0.5 + random()))
    WHERE user_id = :user_id AND id = :run_id
""")
_FAIL_STAGES = text("""
    UPDATE jobs SET state = 'failed', error_code = :error_code, finished_at = clock_timestamp()
    WHERE user_id = :user_id AND run_id = :run_id AND state = 'running'
""")
_INDEXED = text("""
    UPDATE videos SET state = 'indexed', error_code = NULL, index_version = :index_version,
        scene_count = :scene_count, duration_ms = :duration_ms,
        indexed_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :video_id
    RETURNING (
        SELECT extract(epoch FROM videos.indexed_at - max(o.finalized_at)) FROM upload_objects o
        WHERE o.user_id = videos.user_id AND o.video_id = videos.id
    ) AS waited_s, (
        SELECT v.indexed_at IS NULL FROM videos v
        WHERE v.user_id = videos.user_id AND v.id = videos.id
    ) AS first_time
""")
# Waits until make_ready finds it: no message is sent and no claim succeeds before that.
_WAIT = text("""
    UPDATE runs SET state = 'ready', not_before = 'infinity', owner = NULL, lease_until = NULL
    WHERE user_id = :user_id AND id = :run_id
""")
_REOPEN = text("""
    UPDATE runs SET state = 'ready', not_before = clock_timestamp(), rung_at = clock_timestamp(),
        finished_at = NULL
    WHERE user_id = :user_id AND video_id = :video_id AND generation = :generation
      AND lane = :lane AND state = 'done'
    RETURNING id
""")


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """What the ledger notes about a video that became searchable."""

    index_version: str
    scene_count: int
    duration_ms: int


def die(tx: Connection, lease: Lease, code: str, detail: str) -> UUID:
    """End a run that has no attempts left, and its video.

    Args:
        tx: a transaction that has locked the video and the run.
        lease: the run and its last claim.
        code: of the last failure, or "".
        detail: of the last failure, for developers.

    Returns:
        The id of the message for the dead-letter topic.
    """
    run = lease.run
    final = "attempts_exhausted" if not code or code in _RETRIED_CODES else code
    values = {"state": "dead", "error_code": final, "error_detail": detail or code}
    tx.execute(_END, run_values(run) | values)
    fail_video(tx, run.user_id, run.video_id, final)
    message = RunDied(user_id=run.user_id, run_id=run.run_id, lane=run.lane, error_code=final)
    return outbox.write(tx, run.user_id, DEAD_LETTER_TOPIC, message, traceparent=lease.traceparent)


class Endings:
    """Ends runs; every method is one transaction and returns the ids of messages to publish.

    Args:
        db: as `heimdex_worker`.
        policy: attempts and pauses.
    """

    def __init__(self, db: Database, policy: LeasePolicy) -> None:
        self._db = db
        self._policy = policy

    def fail(self, lease: Lease, error: HeimdexError) -> tuple[UUID, ...]:
        """Record a failure: retried after a pause if that can help, else the end of the video.

        Raises:
            LeaseLostError: the run is no longer this worker's.
        """
        run, detail = lease.run, error.detail[:_MAX_DETAIL]
        values = run_values(run) | {"error_code": error.code, "error_detail": detail}
        with self._db.tenant(run.user_id, effect="run.fail") as tx:
            lock_video(tx, run.user_id, run.video_id)
            hold(tx, lease)
            tx.execute(_FAIL_STAGES, values)
            if not error.retryable:
                tx.execute(_END, values | {"state": "failed"})
                fail_video(tx, run.user_id, run.video_id, error.code)
                return ()
            if lease.attempt >= self._policy.max_attempts:
                return (die(tx, lease, error.code, detail),)
            tx.execute(_RETRY, values | {"delay_s": self._policy.delay_s(lease.attempt)})
            return ()

    def complete(
        self,
        lease: Lease,
        *,
        next_lane: Lane | None = None,
        apply: Callable[[Connection], Indexed] | None = None,
    ) -> tuple[UUID, ...]:
        """End a run in one transaction with everything that follows from it.

        Args:
            lease: the run whose stages are all done.
            next_lane: the lane to make ready.
            apply: writes the rows that search reads, with which the video is indexed.

        Raises:
            LeaseLostError: the run is no longer this worker's, or its video was deleted; nothing
                was written.
        """
        run = lease.run
        values = run_values(run) | {"error_code": None, "error_detail": None}
        with self._db.tenant(run.user_id, effect="run.complete") as tx:
            lock_video(tx, run.user_id, run.video_id)
            hold(tx, lease)
            tx.execute(_END, values | {"state": "done"})
            facts: dict[str, Any] = {} if apply is None else _note_indexed(tx, run, apply(tx))
            message_ids: tuple[UUID, ...] = ()
            if next_lane is not None:
                lane = _in_lane(run, next_lane)
                message_ids = make_ready(tx, lane, traceparent=lease.traceparent)
        if facts:
            log.event("video.searchable", **facts)
        return message_ids

    def send_back(self, lease: Lease, lane: Lane) -> tuple[UUID, ...]:
        """Have an earlier lane repair its artifacts; this run waits until that is done.

        Raises:
            LeaseLostError: the run is no longer this worker's.
        """
        run = lease.run
        with self._db.tenant(run.user_id, effect="run.send_back") as tx:
            lock_video(tx, run.user_id, run.video_id)
            hold(tx, lease)
            if lease.attempt >= self._policy.max_attempts:
                return (die(tx, lease, "artifact_corrupt", f"artifacts of lane {lane}"),)
            tx.execute(_WAIT, run_values(run))
            tx.execute(_REOPEN, run_values(run) | {"lane": lane})
            return make_ready(tx, _in_lane(run, lane), traceparent=lease.traceparent)


def _in_lane(run: RunRef, lane: Lane) -> RunRef:
    return RunRef(
        user_id=run.user_id,
        run_id=uuid4(),
        video_id=run.video_id,
        generation=run.generation,
        lane=lane,
    )


def _note_indexed(tx: Connection, run: RunRef, indexed: Indexed) -> dict[str, Any]:
    """Mark the video; returns what to log of it."""
    facts = {
        "index_version": indexed.index_version,
        "scene_count": indexed.scene_count,
        "duration_ms": indexed.duration_ms,
    }
    row = tx.execute(_INDEXED, run_values(run) | facts).one()
    settle(tx, run.user_id, run.video_id, used_ms=indexed.duration_ms)
    noted: dict[str, Any] = {
        "video_minutes": round(indexed.duration_ms / 60_000, 4),
        "scene_count": indexed.scene_count,
    }
    if row.first_time and row.waited_s is not None:
        # Indexing again (a rerun) is nobody's waiting.
        noted["time_to_searchable_s"] = round(float(row.waited_s), 3)
    return noted
