"""A user's videos: find, list, rename. SQL in tenant transactions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from common.domain import VideoState
from common.errors import NotFoundError
from common.videos.records import Counts, VideoRecord

_COLUMNS = (
    "id, title, state, error_code, generation, duration_ms, scene_count, index_version, "
    "created_at, updated_at, indexed_at, expires_at"
)


def find(tx: Connection, user_id: UUID, video_id: UUID, *, for_update: bool = False) -> VideoRecord:
    """One video.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant.
        video_id: the video.
        for_update: hold the row until the transaction ends.

    Raises:
        NotFoundError: missing, deleted or another tenant's.
    """
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM videos "
            "WHERE user_id = :user_id AND id = :id AND deleted_at IS NULL"
            + (" FOR UPDATE" if for_update else "")
        ),
        {"user_id": user_id, "id": video_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"video {video_id}")
    return VideoRecord(**row._mapping)


def list_newest(
    tx: Connection,
    user_id: UUID,
    *,
    limit: int,
    state: VideoState | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[VideoRecord]:
    """Videos, newest first.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant.
        limit: at most this many.
        state: only videos in this state.
        before: time and id of the video that the list goes on after.
    """
    created_at, video_id = before or (None, None)
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM videos "
            "WHERE user_id = :user_id AND deleted_at IS NULL "
            "AND (CAST(:state AS text) IS NULL OR state = CAST(:state AS text)) "
            "AND (CAST(:id AS uuid) IS NULL OR (created_at, id) "
            "< (CAST(:created_at AS timestamptz), CAST(:id AS uuid))) "
            "ORDER BY created_at DESC, id DESC LIMIT :limit"
        ),
        {
            "user_id": user_id,
            "state": state,
            "created_at": created_at,
            "id": video_id,
            "limit": limit,
        },
    )
    return [VideoRecord(**row._mapping) for row in rows]


def rename(tx: Connection, user_id: UUID, video_id: UUID, title: str) -> VideoRecord:
    """Give a video another title.

    Raises:
        NotFoundError: as `find`.
    """
    row = tx.execute(
        text(
            "UPDATE videos SET title = :title, updated_at = now() "
            "WHERE user_id = :user_id AND id = :id AND deleted_at IS NULL "
            f"RETURNING {_COLUMNS}"
        ),
        {"title": title, "user_id": user_id, "id": video_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"video {video_id}")
    return VideoRecord(**row._mapping)


def count(tx: Connection, user_id: UUID) -> Counts:
    """How much a user has."""
    row = tx.execute(
        text(
            "SELECT count(*) AS videos, "
            "count(*) FILTER (WHERE state = 'indexed') AS indexed, "
            "count(*) FILTER (WHERE state = 'failed') AS failed, "
            "coalesce(sum(scene_count), 0) AS scenes "
            "FROM videos WHERE user_id = :user_id AND deleted_at IS NULL"
        ),
        {"user_id": user_id},
    ).one()
    return Counts(videos=row.videos, indexed=row.indexed, failed=row.failed, scenes=int(row.scenes))
