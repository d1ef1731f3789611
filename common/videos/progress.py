"""How far the processing of a video has come. SQL in tenant transactions."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from common.videos.records import RunRecord, StageRecord, VideoRecord


def list_runs(tx: Connection, user_id: UUID, video: VideoRecord) -> list[RunRecord]:
    """Runs of the video's current generation, the media lane first."""
    rows = tx.execute(
        text(
            "SELECT lane, state, attempt FROM runs "
            "WHERE user_id = :user_id AND video_id = :video_id AND generation = :generation "
            "ORDER BY lane = 'media' DESC, lane"
        ),
        {"user_id": user_id, "video_id": video.id, "generation": video.generation},
    )
    return [RunRecord(**row._mapping) for row in rows]


def list_stages(tx: Connection, user_id: UUID, video: VideoRecord) -> list[StageRecord]:
    """Stages of those runs, in pipeline order; a lane's appear when its run does."""
    rows = tx.execute(
        text(
            "SELECT r.lane, j.stage, j.state, j.progress, j.started_at, j.finished_at, "
            "j.duration_ms, j.note, j.error_code "
            "FROM runs r JOIN jobs j ON j.user_id = r.user_id AND j.run_id = r.id "
            "WHERE r.user_id = :user_id AND r.video_id = :video_id "
            "AND r.generation = :generation "
            "ORDER BY r.lane = 'media' DESC, r.lane, j.ordinal"
        ),
        {"user_id": user_id, "video_id": video.id, "generation": video.generation},
    )
    return [StageRecord(**row._mapping) for row in rows]
