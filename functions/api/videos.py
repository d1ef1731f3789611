"""`/v1/videos`: list, read, rename and delete videos, and follow their processing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from common import audit
from common.domain import LANES, Lane, StageState, VideoState
from common.errors import InputError
from common.videos import catalog, erasing, progress
from common.videos.records import RunRecord, StageRecord, VideoRecord
from common.web.conditions import IfMatch
from common.web.models import BodyModel, PageQuery, ResponseModel
from common.web.pages import Page, Position
from common.web.problem import Messages, messages_of
from common.web.routes import Principal, RouteTable
from functions.api.services import Api
from functions.api.titles import Title

routes: RouteTable[Api] = RouteTable()


class VideoError(ResponseModel):
    """Why a video failed."""

    code: str
    """Stable code, described at `/v1/problems/{code}`."""
    messages: Messages
    """What happened and what to do."""


class Video(ResponseModel):
    """A video."""

    id: UUID
    title: str
    state: VideoState
    error: VideoError | None
    """Only if `state` is `failed`."""
    duration_ms: int | None
    """Known once indexed."""
    scene_count: int | None
    """Known once indexed."""
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None
    expires_at: datetime | None
    """When it will be deleted, as the plan says; null if it is kept."""


class VideosQuery(PageQuery):
    """Which videos to list."""

    state: VideoState | None = None
    """Only videos in this state."""


class Videos(ResponseModel):
    """A page of videos, newest first."""

    videos: tuple[Video, ...]
    next_page_token: str | None
    """None on the last page."""


class VideoChange(BodyModel):
    """What to change of a video."""

    title: Title


class Stage(ResponseModel):
    """One step of the processing."""

    stage: str
    lane: Lane
    state: StageState
    progress: float = Field(ge=0, le=1)
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    note: str | None
    """Why it did less than it could, e.g. that the profile has no such model."""
    error_code: str | None


class VideoStatus(ResponseModel):
    """How far the processing has come."""

    video_id: UUID
    state: VideoState
    error: VideoError | None
    attempt: int
    """Which attempt of the current lane this is; 0 before the first."""
    progress: float = Field(ge=0, le=1)
    """Of the whole processing."""
    stages: tuple[Stage, ...]
    """In pipeline order. The stages of a lane appear when the lane starts."""


@routes.get("/v1/videos", summary="List videos, newest first")
def list_videos(
    services: Api, *, principal: Principal, tx: Connection, query: VideosQuery, page: Page
) -> Videos:
    """Deleted videos are not listed."""
    found = catalog.list_newest(
        tx,
        principal.user_id,
        state=query.state,
        limit=page.size + 1,
        before=_before(page.after) if page.after is not None else None,
    )
    shown = found[: page.size]
    more = len(found) > page.size
    return Videos(
        videos=tuple(video_of(record) for record in shown),
        next_page_token=page.next(_position(shown[-1])) if more else None,
    )


@routes.get("/v1/videos/{video_id}", summary="Read a video", conditional=True)
def get_video(services: Api, *, principal: Principal, tx: Connection, video_id: UUID) -> Video:
    """The video as it is now."""
    return video_of(catalog.find(tx, principal.user_id, video_id))


@routes.patch("/v1/videos/{video_id}", summary="Rename a video", effect="video.rename")
def rename_video(
    services: Api,
    *,
    principal: Principal,
    tx: Connection,
    video_id: UUID,
    body: VideoChange,
    if_match: IfMatch,
) -> Video:
    """With If-Match, only if the video is still as that ETag says."""
    if_match.require(video_of(catalog.find(tx, principal.user_id, video_id, for_update=True)))
    return video_of(catalog.rename(tx, principal.user_id, video_id, body.title))


@routes.delete("/v1/videos/{video_id}", summary="Delete a video", effect="video.erase")
def delete_video(services: Api, *, principal: Principal, tx: Connection, video_id: UUID) -> None:
    """It is gone from lists and search at once; its files follow within a minute or two.

    Archives that were exported before, and hold it, are deleted too. See `/v1/erasures`.
    """
    erasing.erase_video(tx, principal.user_id, video_id)
    audit.record(tx, principal.user_id, "video.deleted", subject_id=video_id)


@routes.get(
    "/v1/videos/{video_id}/status", summary="Follow the processing of a video", conditional=True
)
def get_video_status(
    services: Api, *, principal: Principal, tx: Connection, video_id: UUID
) -> VideoStatus:
    """Cheap to poll with If-None-Match."""
    video = catalog.find(tx, principal.user_id, video_id)
    runs = progress.list_runs(tx, principal.user_id, video)
    stages = progress.list_stages(tx, principal.user_id, video)
    return VideoStatus(
        video_id=video.id,
        state=video.state,
        error=_error(video),
        attempt=_attempt(runs),
        progress=_overall(video, runs, stages),
        stages=tuple(_stage(record) for record in stages),
    )


def video_of(record: VideoRecord) -> Video:
    """A video as the API shows it."""
    return Video(
        id=record.id,
        title=record.title,
        state=record.state,
        error=_error(record),
        duration_ms=record.duration_ms,
        scene_count=record.scene_count,
        created_at=record.created_at,
        updated_at=record.updated_at,
        indexed_at=record.indexed_at,
        expires_at=record.expires_at,
    )


def _error(video: VideoRecord) -> VideoError | None:
    if video.state != "failed" or video.error_code is None:
        return None
    return VideoError(code=video.error_code, messages=messages_of(video.error_code))


def _stage(record: StageRecord) -> Stage:
    return Stage(
        stage=record.stage,
        lane=record.lane,
        state=record.state,
        progress=record.progress,
        started_at=record.started_at,
        finished_at=record.finished_at,
        duration_ms=record.duration_ms,
        note=record.note,
        error_code=record.error_code,
    )


def _attempt(runs: Sequence[RunRecord]) -> int:
    """The attempt of the last lane that was started."""
    started = [run.attempt for run in runs if run.attempt > 0]
    return started[-1] if started else 0


def _overall(video: VideoRecord, runs: Sequence[RunRecord], stages: Sequence[StageRecord]) -> float:
    """The mean of the lanes; a lane is the mean of its stages, and 1 when it is done."""
    if video.state == "indexed":
        return 1.0
    done = {run.lane for run in runs if run.state == "done"}
    lanes = [1.0 if lane in done else _lane(lane, stages) for lane in LANES]
    return round(sum(lanes) / len(lanes), 3)


def _lane(lane: Lane, stages: Sequence[StageRecord]) -> float:
    shares = [
        1.0 if stage.state in ("done", "skipped") else stage.progress
        for stage in stages
        if stage.lane == lane
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _position(record: VideoRecord) -> Position:
    return (record.created_at.isoformat(), str(record.id))


def _before(position: Position) -> tuple[datetime, UUID]:
    match position:
        case (str(created_at), str(video_id)):
            return datetime.fromisoformat(created_at), UUID(video_id)
    raise InputError("invalid_page_token")
