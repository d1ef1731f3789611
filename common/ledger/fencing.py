"""Fencing: every write of a run first proves that its lease still holds."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from common.domain import Lease, RunRef
from common.errors import LeaseLostError

_HOLD = text("""
    SELECT 1 FROM runs
    WHERE user_id = :user_id AND id = :run_id AND state = 'running' AND fencing_token = :token
      AND (photo_id IS NOT NULL
           OR EXISTS (SELECT FROM videos v WHERE v.user_id = runs.user_id AND v.id = runs.video_id
                      AND v.deleted_at IS NULL))
    FOR NO KEY UPDATE
""")
# A deleted photo's row is gone, and its runs with it.
_LOCK_PHOTO = text("""
    SELECT 1 FROM person_photos WHERE user_id = :user_id AND id = :photo_id
    FOR NO KEY UPDATE
""")
_LOCK_VIDEO = text("""
    SELECT deleted_at IS NOT NULL AS deleted FROM videos
    WHERE user_id = :user_id AND id = :video_id
    FOR NO KEY UPDATE
""")


def lock_video(tx: Connection, user_id: UUID, video_id: UUID) -> bool:
    """Lock the video's row until the transaction ends; False if it is deleted.

    Whoever locks both a video and its runs locks the video first, so that no two wait for each
    other.
    """
    row = tx.execute(_LOCK_VIDEO, {"user_id": user_id, "video_id": video_id}).one_or_none()
    return row is not None and not row.deleted


def lock_photo(tx: Connection, user_id: UUID, photo_id: UUID) -> bool:
    """Lock the photo's row until the transaction ends; False if it is deleted."""
    found = tx.execute(_LOCK_PHOTO, {"user_id": user_id, "photo_id": photo_id})
    return found.one_or_none() is not None


def lock_subject(tx: Connection, run: RunRef) -> bool:
    """Lock what a run is about, before the run; False if it is deleted."""
    if run.photo is not None:
        return lock_photo(tx, run.user_id, run.photo.photo_id)
    assert run.video_id is not None
    return lock_video(tx, run.user_id, run.video_id)


def hold(tx: Connection, lease: Lease) -> None:
    """Lock the run's row until the transaction ends, if the lease is still the valid one.

    An expired lease that nobody else claimed still holds.

    Raises:
        LeaseLostError: another worker claimed the run, it ended, or its subject was deleted.
    """
    run = lease.run
    values = {"user_id": run.user_id, "run_id": run.run_id, "token": lease.fencing_token}
    if tx.execute(_HOLD, values).one_or_none() is None:
        raise LeaseLostError(f"run {run.run_id}, token {lease.fencing_token}")
