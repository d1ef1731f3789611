"""Operators' rescues: a video that ended, or a stage of it, is processed once more.

The run goes through the ledger like any other: it is made ready and rung for in one transaction,
its fencing token moves on (so whoever might still hold it loses it), and its attempts count anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from common.database import Database
from common.domain import LANES, Lane
from common.errors import InputError, NotFoundError
from common.ledger.fencing import lock_video
from common.ledger.readiness import ring

_RUNS = text("""
    SELECT r.id, r.lane, r.state, r.traceparent FROM runs r
    JOIN videos v ON v.user_id = r.user_id AND v.id = r.video_id AND v.generation = r.generation
    WHERE r.user_id = :user_id AND r.video_id = :video_id
    FOR NO KEY UPDATE OF r
""")
_STAGES = text("""
    SELECT stage, ordinal FROM jobs WHERE user_id = :user_id AND run_id = :run_id ORDER BY ordinal
""")
_READY = text("""
    UPDATE runs SET state = 'ready', attempt = 0, fencing_token = fencing_token + 1,
        owner = NULL, lease_until = NULL, heartbeat_at = NULL, finished_at = NULL,
        error_code = NULL, error_detail = NULL, rung_at = clock_timestamp(),
        not_before = CASE WHEN :waits THEN 'infinity' ELSE clock_timestamp() END
    WHERE user_id = :user_id AND id = :run_id
""")
# What is done stays done, but for what is asked for again.
_PENDING = text("""
    UPDATE jobs SET state = 'pending', progress = 0, error_code = NULL
    WHERE user_id = :user_id AND run_id = :run_id
      AND (ordinal >= :ordinal OR state IN ('running', 'failed'))
""")
_QUEUED = text("""
    UPDATE videos SET state = 'queued', error_code = NULL, updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :video_id
""")
_NOTE = text("""
    INSERT INTO interventions (user_id, id, video_id, lane, from_stage, operator, reason)
    VALUES (:user_id, :id, :video_id, :lane, :from_stage, :operator, :reason)
""")

#: Beyond every stage's place in its lane.
_NO_STAGE = 32_767


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an operator wants, and why: both are kept."""

    operator: str
    reason: str
    #: Do this stage and all after it again; "" goes on where the video ended.
    from_stage: str = ""


@dataclass(frozen=True, kw_only=True)
class Rescue:
    """What became of an order.

    `ready`: the run of `lane` waits for a worker. `under_way`: it did so or was worked on already.
    `complete`: every run of the video is done, and no stage was named.
    """

    outcome: Literal["ready", "under_way", "complete"]
    lane: Lane | None = None
    run_id: UUID | None = None
    #: To publish.
    message_ids: tuple[UUID, ...] = ()


class Rescues:
    """Makes runs ready again; every method is one transaction.

    Args:
        db: as `heimdex_operator`.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def rerun(self, user_id: UUID, video_id: UUID, order: Order) -> Rescue:
        """Process a video again, from where it ended or from a stage on.

        Repeating an order while the run is under way changes nothing.

        Raises:
            NotFoundError: there is no such video, or it was deleted.
            InputError: `wrong_state`; the upload never became a run, or has no such stage.
        """
        key = {"user_id": user_id, "video_id": video_id}
        with self._db.tenant(user_id, effect="run.rescue") as tx:
            if not lock_video(tx, user_id, video_id):
                raise NotFoundError(f"video {video_id}")
            runs = sorted(tx.execute(_RUNS, key), key=lambda run: LANES.index(run.lane))
            if not runs:
                raise InputError("wrong_state", f"video {video_id}: its upload never completed")
            if open_run := next((run for run in runs if run.state in ("ready", "running")), None):
                return Rescue(outcome="under_way", lane=open_run.lane, run_id=open_run.id)
            first = _first(tx, user_id, runs, order.from_stage)
            if first is None:
                return Rescue(outcome="complete")
            return _restart(tx, key, runs[runs.index(first.run) :], first.ordinal, order)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where to begin again."""

    run: Row[Any]
    ordinal: int


def _first(tx: Connection, user_id: UUID, runs: Sequence[Row[Any]], stage: str) -> _Place | None:
    if not stage:
        ended = (run for run in runs if run.state != "done")
        return next((_Place(run=run, ordinal=_NO_STAGE) for run in ended), None)
    known = []
    for run in runs:
        for row in tx.execute(_STAGES, {"user_id": user_id, "run_id": run.id}):
            if row.stage == stage:
                return _Place(run=run, ordinal=row.ordinal)
            known.append(row.stage)
    raise InputError("wrong_state", f"no stage {stage} was planned; known: {', '.join(known)}")


def _restart(
    tx: Connection,
    key: dict[str, Any],
    runs: Sequence[Row[Any]],
    ordinal: int,
    order: Order,
) -> Rescue:
    """Make the first of these runs ready; the others wait until it makes them so."""
    first = runs[0]
    for run in runs:
        waits = run is not first
        # Made anew, an earlier lane's artifacts make the later stages' out of date.
        begin = 0 if waits and order.from_stage else ordinal
        values = key | {"run_id": run.id, "waits": waits, "ordinal": begin}
        tx.execute(_READY, values)
        tx.execute(_PENDING, values)
    tx.execute(_QUEUED, key)
    note = {"id": uuid4(), "lane": first.lane, "from_stage": order.from_stage or None}
    tx.execute(_NOTE, key | note | {"operator": order.operator, "reason": order.reason})
    message_id = ring(tx, key["user_id"], first.id, first.lane, traceparent=first.traceparent)
    return Rescue(outcome="ready", lane=first.lane, run_id=first.id, message_ids=(message_id,))
