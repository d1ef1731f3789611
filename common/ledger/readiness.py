"""Steps that several transactions of the ledger share: ready, rung for, cancelled, failed."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from common.domain import Lane, RunRef
from common.ledger import outbox
from common.messages import RunReady, lane_topic
from common.people.problems import problem_of
from common.quotas.admission import settle

# A run that waits for the lane before it to be done again is there already.
_READY = text("""
    INSERT INTO runs (user_id, id, video_id, photo_id, generation, lane, traceparent)
    VALUES (:user_id, :run_id, CAST(:video_id AS uuid), CAST(:photo_id AS uuid), :generation, :lane,
            :traceparent)
    ON CONFLICT (user_id, video_id, photo_id, generation, lane) DO UPDATE
        SET not_before = clock_timestamp(), rung_at = clock_timestamp()
        WHERE runs.state = 'ready'
    RETURNING id
""")
_CANCEL_OPEN = text("""
    UPDATE runs SET state = 'cancelled', owner = NULL, lease_until = NULL,
        finished_at = clock_timestamp()
    WHERE user_id = :user_id AND video_id = :video_id AND state IN ('ready', 'running')
""")
# One photo has one run at a time: nothing else of it is open.
_REJECT_PHOTO = text("""
    UPDATE person_photos SET state = 'rejected', problem = :error_code
    WHERE user_id = :user_id AND id = :photo_id AND state = 'processing'
""")
_FAIL_VIDEO = text("""
    UPDATE videos SET state = 'failed', error_code = :error_code, updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :video_id AND state IN ('uploading', 'queued', 'processing')
""")


#: The runs of a subject, as `run_values` names it.
OF_SUBJECT: Final = "(video_id = CAST(:video_id AS uuid) OR photo_id = CAST(:photo_id AS uuid))"


def run_values(run: RunRef) -> dict[str, object]:
    """The parameters that name a run in SQL."""
    return {
        "user_id": run.user_id,
        "run_id": run.run_id,
        "video_id": run.video_id,
        "photo_id": run.photo.photo_id if run.photo is not None else None,
        "generation": run.generation,
        "lane": run.lane,
    }


def make_ready(tx: Connection, run: RunRef, *, traceparent: str) -> tuple[UUID, ...]:
    """Make a run ready and owe its message; neither if it has been under way before.

    Args:
        tx: the transaction in which the run's inputs become complete.
        run: `run_id` is used if the run is new.
        traceparent: W3C trace context of the upload, or "".

    Returns:
        The ids of the messages to publish after the commit.
    """
    row = tx.execute(_READY, run_values(run) | {"traceparent": traceparent}).one_or_none()
    if row is None:
        return ()
    return (ring(tx, run.user_id, row.id, run.lane, traceparent=traceparent),)


def ring(tx: Connection, user_id: UUID, run_id: UUID, lane: Lane, *, traceparent: str) -> UUID:
    """Owe the message that a run can be claimed; returns its id."""
    message = RunReady(user_id=user_id, run_id=run_id, lane=lane)
    return outbox.write(tx, user_id, lane_topic(lane), message, traceparent=traceparent)


def fail_video(tx: Connection, user_id: UUID, video_id: UUID, code: str) -> None:
    """End a video with a code, and whatever of its runs is still open; it used no minutes."""
    values = {"user_id": user_id, "video_id": video_id, "error_code": code}
    tx.execute(_FAIL_VIDEO, values)
    settle(tx, user_id, video_id, used_ms=0)
    cancel_open(tx, user_id, video_id)


def fail_subject(tx: Connection, run: RunRef, code: str) -> None:
    """End what a run is about with a code."""
    if run.photo is not None:
        tx.execute(_REJECT_PHOTO, run_values(run) | {"error_code": problem_of(code)})
    else:
        assert run.video_id is not None
        fail_video(tx, run.user_id, run.video_id, code)


def cancel_open(tx: Connection, user_id: UUID, video_id: UUID) -> None:
    """Cancel the open runs of a video."""
    tx.execute(_CANCEL_OPEN, {"user_id": user_id, "video_id": video_id})
