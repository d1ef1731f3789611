"""`/v1/scenes`: what was found in a video, scene by scene, and a look at the moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from common.errors import InputError
from common.videos import catalog, scenes, uploads
from common.videos.records import SceneRecord
from common.web.models import PageQuery, QueryModel, ResponseModel
from common.web.pages import Page, Position
from common.web.problem import InvalidRequestError, field_problem
from common.web.routes import Principal, RouteTable
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()


class SpokenSegment(ResponseModel):
    """Something said, or a subtitle line."""

    start_ms: int
    end_ms: int
    text: str
    language: str


class ScreenLine(ResponseModel):
    """A line of on-screen text."""

    time_ms: int
    text: str
    box: tuple[float, float, float, float]
    """x, y, width, height as fractions of the frame."""
    confidence: float = Field(ge=0, le=1)


class SceneTagScore(ResponseModel):
    """A tag and how sure it is."""

    tag: str
    score: float = Field(ge=0, le=1)


class Scene(ResponseModel):
    """A scene: from `start_ms` up to, but not including, `end_ms`."""

    id: UUID
    video_id: UUID
    ordinal: int
    start_ms: int
    end_ms: int
    transcript: tuple[SpokenSegment, ...]
    languages: tuple[str, ...]
    """Spoken languages, most spoken first."""
    screen_text: tuple[ScreenLine, ...]
    tags: tuple[SceneTagScore, ...]
    """Best first."""
    best_frame_ms: int
    """Time of the sharpest frame."""
    index_version: str


class Scenes(ResponseModel):
    """A page of scenes, in order."""

    scenes: tuple[Scene, ...]
    next_page_token: str | None
    """None on the last page."""


class PreviewQuery(QueryModel):
    """Where the preview starts."""

    at_ms: int | None = None
    """A moment inside the scene; the scene's start if left out."""


class Preview(ResponseModel):
    """A URL that plays the moment."""

    url: str
    """A secret; serves Range requests. Its fragment says where to start and end."""
    start_ms: int
    end_ms: int
    expires_at: datetime
    content_type: str


@routes.get("/v1/videos/{video_id}/scenes", summary="List the scenes of a video")
def list_scenes(
    services: Api,
    *,
    principal: Principal,
    tx: Connection,
    video_id: UUID,
    query: PageQuery,
    page: Page,
) -> Scenes:
    """None until the video is indexed."""
    video = catalog.find(tx, principal.user_id, video_id)
    found = scenes.list_of_video(
        tx,
        principal.user_id,
        video,
        limit=page.size + 1,
        after_ordinal=_after(page.after) if page.after is not None else -1,
    )
    shown = found[: page.size]
    more = len(found) > page.size
    return Scenes(
        scenes=tuple(_scene(record) for record in shown),
        next_page_token=page.next((shown[-1].ordinal,)) if more else None,
    )


@routes.get("/v1/scenes/{scene_id}", summary="Read a scene", conditional=True)
def get_scene(services: Api, *, principal: Principal, tx: Connection, scene_id: UUID) -> Scene:
    """A scene that search has found."""
    return _scene(scenes.find(tx, principal.user_id, scene_id))


@routes.get("/v1/scenes/{scene_id}/preview", summary="Play a scene")
def get_preview(
    services: Api, *, principal: Principal, tx: Connection, scene_id: UUID, query: PreviewQuery
) -> Preview:
    """A signed URL of the uploaded video, with a media fragment for the moment."""
    scene = scenes.find(tx, principal.user_id, scene_id)
    start_ms = _start(scene, query.at_ms)
    video = uploads.video_object(tx, principal.user_id, scene.video_id)
    expires_in_s = services.settings.preview_expires_in_s
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
    url = services.signer.sign_download(
        services.settings.uploads_bucket,
        video.object_name,
        content_type=video.content_type,
        expires_in_s=expires_in_s,
    )
    return Preview(
        url=url + _fragment(start_ms, scene.end_ms),
        start_ms=start_ms,
        end_ms=scene.end_ms,
        expires_at=expires_at,
        content_type=video.content_type,
    )


def _start(scene: SceneRecord, at_ms: int | None) -> int:
    if at_ms is None:
        return scene.start_ms
    if scene.start_ms <= at_ms < scene.end_ms:
        return at_ms
    raise InvalidRequestError(
        [
            field_problem(
                "at_ms",
                "outside_scene",
                f"From {scene.start_ms} to {scene.end_ms - 1}.",
                f"{scene.start_ms}~{scene.end_ms - 1} 사이여야 합니다.",
            )
        ]
    )


def _fragment(start_ms: int, end_ms: int) -> str:
    """Source: W3C Media Fragments URI 1.0, section 4.2.1 (normal play time in seconds)."""
    return f"#t={start_ms / 1000:.3f},{end_ms / 1000:.3f}"


def _scene(record: SceneRecord) -> Scene:
    return Scene(
        id=record.id,
        video_id=record.video_id,
        ordinal=record.ordinal,
        start_ms=record.start_ms,
        end_ms=record.end_ms,
        transcript=tuple(
            SpokenSegment(
                start_ms=segment.start_ms,
                end_ms=segment.end_ms,
                text=segment.text,
                language=segment.language,
            )
            for segment in record.transcript
        ),
        languages=record.languages,
        screen_text=tuple(
            ScreenLine(
                time_ms=line.time_ms, text=line.text, box=line.box, confidence=line.confidence
            )
            for line in record.screen_text
        ),
        tags=tuple(SceneTagScore(tag=tag.tag, score=tag.score) for tag in record.tags),
        best_frame_ms=record.best_frame_ms,
        index_version=record.index_version,
    )


def _after(position: Position) -> int:
    match position:
        case (int(ordinal),):
            return ordinal
    raise InputError("invalid_page_token")
