"""Scenes of indexed videos. SQL in tenant transactions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, text

from common.errors import NotFoundError
from common.videos.records import (
    SceneLine,
    SceneRecord,
    SceneSegment,
    SceneTag,
    VideoRecord,
)

_COLUMNS = (
    "s.id, s.video_id, s.index_version, s.ordinal, s.start_ms, s.end_ms, s.transcript, "
    "s.languages, s.screen_text, s.tags, s.best_frame_ms"
)
_SEGMENTS = TypeAdapter(tuple[SceneSegment, ...])
_LINES = TypeAdapter(tuple[SceneLine, ...])
_TAGS = TypeAdapter(tuple[SceneTag, ...])


def list_of_video(
    tx: Connection, user_id: UUID, video: VideoRecord, *, limit: int, after_ordinal: int = -1
) -> list[SceneRecord]:
    """Scenes of the video's current index version, in order."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM scenes s WHERE s.user_id = :user_id "
            "AND s.video_id = :video_id AND s.index_version = :index_version "
            "AND s.ordinal > :after ORDER BY s.ordinal LIMIT :limit"
        ),
        {
            "user_id": user_id,
            "video_id": video.id,
            "index_version": video.index_version,
            "after": after_ordinal,
            "limit": limit,
        },
    )
    return [_record(row) for row in rows]


def find(tx: Connection, user_id: UUID, scene_id: UUID) -> SceneRecord:
    """One scene, of the current index version or an older one that still stands.

    Raises:
        NotFoundError: missing, deleted with its video, or another tenant's.
    """
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM scenes s "
            "JOIN videos v ON v.user_id = s.user_id AND v.id = s.video_id "
            "WHERE s.user_id = :user_id AND s.id = :id AND v.deleted_at IS NULL"
        ),
        {"user_id": user_id, "id": scene_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"scene {scene_id}")
    return _record(row)


def _record(row: Row[Any]) -> SceneRecord:
    values = dict(row._mapping)
    return SceneRecord(
        **values
        | {
            "languages": tuple(values["languages"]),
            "transcript": _SEGMENTS.validate_python(values["transcript"]),
            "screen_text": _LINES.validate_python(values["screen_text"]),
            "tags": _TAGS.validate_python(values["tags"]),
        }
    )
