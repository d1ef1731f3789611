"""`/v1/uploads`: declare a video and its subtitle files, and get signed URLs for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from common import audit, log, trace
from common.domain import VideoState
from common.errors import InputError
from common.quotas import admission
from common.videos import catalog, uploads
from common.videos.records import DeclaredObject, ObjectKind, UploadObject
from common.web.models import BodyModel, ResponseModel
from common.web.problem import Messages, messages_of
from common.web.routes import Principal, Reply, RouteTable
from functions.api.declarations import UploadRequest, declared_objects
from functions.api.services import Api
from functions.api.titles import title_from
from functions.api.videos import Video, video_of

routes: RouteTable[Api] = RouteTable()


class UrlsRequest(BodyModel):
    """How to go on with an upload."""

    resumable: bool = True
    """As in the upload's declaration."""


class UploadUrl(ResponseModel):
    """Where and how to send one file."""

    ordinal: int
    kind: ObjectKind
    language: str | None
    method: str
    url: str
    """A secret that allows this one upload."""
    headers: dict[str, str]
    """Send exactly these: the signature covers them."""
    resumable: bool
    """If true, the answer's Location takes the bytes."""
    expires_at: datetime


class UploadCreated(ResponseModel):
    """A new video, waiting for its files."""

    video: Video
    uploads: tuple[UploadUrl, ...]


class UploadUrls(ResponseModel):
    """Fresh URLs for the files that have not arrived."""

    uploads: tuple[UploadUrl, ...]


class ObjectError(ResponseModel):
    """What is wrong with a file that arrived."""

    code: str
    messages: Messages


class UploadedObject(ResponseModel):
    """One declared file."""

    ordinal: int
    kind: ObjectKind
    language: str | None
    content_type: str
    size_bytes: int
    arrived: bool
    arrived_at: datetime | None
    expires_at: datetime
    """When its URL stops working."""
    error: ObjectError | None


class UploadStatus(ResponseModel):
    """Which files have arrived."""

    video_id: UUID
    state: VideoState
    objects: tuple[UploadedObject, ...]


@routes.post(
    "/v1/uploads",
    summary="Start an upload",
    effect="upload.announce",
    errors=(
        "content_type_not_allowed",
        "file_too_large",
        "empty_file",
        "uploads_exhausted",
        "bytes_exhausted",
        "minutes_exhausted",
        "too_many_in_processing",
    ),
    check_revoked=True,
)
def create_upload(
    services: Api, *, principal: Principal, tx: Connection, body: UploadRequest
) -> Reply[UploadCreated]:
    """Declares the video and its subtitle files together and answers with a URL for each."""
    user_id, video_id = principal.user_id, uuid4()
    settings = services.settings
    declared = declared_objects(body, user_id, video_id, max_video_bytes=settings.max_upload_bytes)
    size_bytes = sum(item.size_bytes for item in declared)
    admission.admit(tx, user_id, size_bytes=size_bytes, reserve_ms=settings.max_duration_ms)
    uploads.announce(
        tx,
        user_id,
        video_id,
        title=body.title or title_from(body.video.filename),
        objects=declared,
        expires_in_s=settings.upload_expires_in_s,
        reserved_ms=settings.max_duration_ms,
        traceparent=trace.kept(log.traceparent()),
    )
    audit.record(tx, user_id, "upload.created", subject_id=video_id)
    return Reply(
        body=UploadCreated(
            video=video_of(catalog.find(tx, user_id, video_id)),
            uploads=_sign(services, declared, resumable=body.video.resumable),
        ),
        headers={"Location": f"/v1/videos/{video_id}"},
    )


@routes.get("/v1/uploads/{video_id}", summary="See which files have arrived", conditional=True)
def get_upload(
    services: Api, *, principal: Principal, tx: Connection, video_id: UUID
) -> UploadStatus:
    """For resuming an upload, also from another device."""
    video = catalog.find(tx, principal.user_id, video_id)
    objects = uploads.list_objects(tx, principal.user_id, video_id)
    return UploadStatus(
        video_id=video_id,
        state=video.state,
        objects=tuple(_uploaded(item) for item in objects),
    )


@routes.post(
    "/v1/uploads/{video_id}/urls",
    summary="Get fresh URLs for the files that are missing",
    effect="upload.extend",
    status=200,
    errors=("wrong_state",),
    check_revoked=True,
)
def refresh_urls(
    services: Api, *, principal: Principal, tx: Connection, video_id: UUID, body: UrlsRequest
) -> UploadUrls:
    """For URLs that have expired."""
    user_id = principal.user_id
    if catalog.find(tx, user_id, video_id, for_update=True).state != "uploading":
        raise InputError("wrong_state", f"video {video_id}")
    missing = [
        item for item in uploads.list_objects(tx, user_id, video_id) if item.finalized_at is None
    ]
    uploads.extend(
        tx,
        user_id,
        video_id,
        ordinals=[item.ordinal for item in missing],
        expires_in_s=services.settings.upload_expires_in_s,
    )
    return UploadUrls(uploads=_sign(services, missing, resumable=body.resumable))


def _sign(
    services: Api, objects: Sequence[DeclaredObject], *, resumable: bool
) -> tuple[UploadUrl, ...]:
    """A URL for each object; subtitle files are small and need no session."""
    return tuple(
        _sign_one(services, item, resumable=resumable and item.kind == "video") for item in objects
    )


def _sign_one(services: Api, item: DeclaredObject, *, resumable: bool) -> UploadUrl:
    signed = services.signer.sign_upload(
        services.settings.uploads_bucket,
        item.object_name,
        content_type=item.content_type,
        size_bytes=item.size_bytes,
        resumable=resumable,
        expires_in_s=services.settings.upload_expires_in_s,
        crc32c=item.crc32c,
    )
    return UploadUrl(
        ordinal=item.ordinal,
        kind=item.kind,
        language=item.language,
        method=signed.method,
        url=signed.url,
        headers=dict(signed.headers),
        resumable=resumable,
        expires_at=signed.expires_at,
    )


def _uploaded(item: UploadObject) -> UploadedObject:
    code = item.error_code
    return UploadedObject(
        ordinal=item.ordinal,
        kind=item.kind,
        language=item.language,
        content_type=item.content_type,
        size_bytes=item.size_bytes,
        arrived=item.finalized_at is not None,
        arrived_at=item.finalized_at,
        expires_at=item.expires_at,
        error=ObjectError(code=code, messages=messages_of(code)) if code else None,
    )
