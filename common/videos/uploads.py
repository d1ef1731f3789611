"""Uploads: the video's row and the objects it declares. SQL in tenant transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import NotFoundError
from common.videos.records import DeclaredObject, UploadObject

#: Ordinal of the video itself; subtitle files follow from 1.
VIDEO_ORDINAL = 0

_COLUMNS = (
    "ordinal, kind, language, object_name, content_type, size_bytes, crc32c, expires_at, "
    "finalized_at, error_code"
)


def video_name(user_id: UUID, video_id: UUID, extension: str) -> str:
    """Name of the video's object in the uploads bucket."""
    return f"videos/{user_id}/{video_id}.{extension}"


def subtitle_name(user_id: UUID, video_id: UUID, ordinal: int, extension: str) -> str:
    """Name of a subtitle file's object in the uploads bucket."""
    return f"subtitles/{user_id}/{video_id}/{ordinal}.{extension}"


def announce(
    tx: Connection,
    user_id: UUID,
    video_id: UUID,
    *,
    title: str,
    objects: Sequence[DeclaredObject],
    expires_in_s: int,
    reserved_ms: int,
    traceparent: str = "",
) -> None:
    """Write the rows that signed URLs need before they are handed out.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant.
        video_id: made by the server.
        title: of the video.
        objects: the video first, then its subtitle files.
        expires_in_s: how long their URLs will work.
        reserved_ms: what was charged for the video's length (`common.quotas.admission`).
        traceparent: of the request; everything that becomes of the upload belongs to its trace.
    """
    tx.execute(
        text(
            "INSERT INTO videos (user_id, id, title, reserved_ms, traceparent, expires_at) "
            "VALUES (:user_id, :id, :title, :reserved_ms, :traceparent, "
            "clock_timestamp() + make_interval(days => (SELECT t.retention_days "
            "FROM users u JOIN tiers t ON t.name = u.tier WHERE u.id = :user_id)))"
        ),
        {
            "user_id": user_id,
            "id": video_id,
            "title": title,
            "reserved_ms": reserved_ms,
            "traceparent": traceparent,
        },
    )
    owner = {"user_id": user_id, "video_id": video_id, "expires_in_s": expires_in_s}
    tx.execute(
        text(
            "INSERT INTO upload_objects (user_id, video_id, ordinal, kind, language, object_name, "
            "content_type, size_bytes, crc32c, expires_at) VALUES (:user_id, :video_id, :ordinal, "
            ":kind, :language, :object_name, :content_type, :size_bytes, :crc32c, "
            "now() + make_interval(secs => :expires_in_s))"
        ),
        [owner | asdict(declared) for declared in objects],
    )


def list_objects(tx: Connection, user_id: UUID, video_id: UUID) -> list[UploadObject]:
    """What an upload declared, in order."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM upload_objects "
            "WHERE user_id = :user_id AND video_id = :video_id ORDER BY ordinal"
        ),
        {"user_id": user_id, "video_id": video_id},
    )
    return [UploadObject(**row._mapping) for row in rows]


def video_object(tx: Connection, user_id: UUID, video_id: UUID) -> UploadObject:
    """The uploaded video itself.

    Raises:
        NotFoundError: there is none.
    """
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM upload_objects "
            "WHERE user_id = :user_id AND video_id = :video_id AND ordinal = :ordinal"
        ),
        {"user_id": user_id, "video_id": video_id, "ordinal": VIDEO_ORDINAL},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"object of video {video_id}")
    return UploadObject(**row._mapping)


def extend(
    tx: Connection, user_id: UUID, video_id: UUID, *, ordinals: Sequence[int], expires_in_s: int
) -> None:
    """Fresh URLs are about to be made: these objects may still arrive."""
    tx.execute(
        text(
            "UPDATE upload_objects SET expires_at = now() + make_interval(secs => :expires_in_s) "
            "WHERE user_id = :user_id AND video_id = :video_id AND ordinal = ANY(:ordinals)"
        ),
        {
            "user_id": user_id,
            "video_id": video_id,
            "ordinals": list(ordinals),
            "expires_in_s": expires_in_s,
        },
    )
