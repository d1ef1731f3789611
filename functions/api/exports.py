"""`/v1/exports`: everything that a user has, as one archive; and the original of each video."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from common.errors import InputError
from common.people import photos
from common.videos import catalog, exports, uploads
from common.videos.exports import ExportRecord, ExportState
from common.web.models import BodyModel, ResponseModel
from common.web.problem import Messages, messages_of
from common.web.routes import Principal, Reply, RouteTable
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()

_ARCHIVE_TYPE = "application/zip"


class ExportRequest(BodyModel):
    """Nothing can be chosen: an export is everything."""


class Download(ResponseModel):
    """Where to get a file."""

    url: str
    """A secret; serves Range requests."""
    content_type: str
    size_bytes: int
    expires_at: datetime
    """When this URL stops working; ask again for another."""


class ExportError(ResponseModel):
    """Why an export failed."""

    code: str
    messages: Messages


class Export(ResponseModel):
    """An archive: JSON for each video, and a list of the originals."""

    id: UUID
    state: ExportState
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    """When the archive is deleted: after seven days, or when a video in it is."""
    video_count: int | None
    download: Download | None
    """Only if `state` is `ready`."""
    error: ExportError | None
    """Only if `state` is `failed`."""


@routes.post(
    "/v1/exports",
    summary="Ask for an archive of everything",
    effect="export.request",
    status=202,
    errors=("exports_exhausted",),
    check_revoked=True,
    recent_sign_in=True,
)
def create_export(
    services: Api, *, principal: Principal, tx: Connection, body: ExportRequest
) -> Reply[Export]:
    """It is built within minutes; look at its address until it is ready.

    While one is waiting, asking again answers with that one.
    """
    record = exports.request(tx, principal.user_id)
    return Reply(body=_export(services, record), headers={"Location": f"/v1/exports/{record.id}"})


@routes.get("/v1/exports/{export_id}", summary="Follow an export and download it")
def get_export(services: Api, *, principal: Principal, tx: Connection, export_id: UUID) -> Export:
    """Each answer has a URL of its own, good for a few minutes."""
    return _export(services, exports.find(tx, principal.user_id, export_id))


@routes.get(
    "/v1/videos/{video_id}/original",
    summary="Download the uploaded file of a video",
    errors=("wrong_state",),
)
def get_original(
    services: Api, *, principal: Principal, tx: Connection, video_id: UUID
) -> Download:
    """The bytes as they were uploaded."""
    catalog.find(tx, principal.user_id, video_id)
    original = uploads.video_object(tx, principal.user_id, video_id)
    if original.finalized_at is None or original.error_code is not None:
        raise InputError("wrong_state", f"video {video_id}")
    return _download(
        services,
        services.settings.uploads_bucket,
        original.object_name,
        content_type=original.content_type,
        size_bytes=original.size_bytes,
    )


@routes.get(
    "/v1/people/{person_id}/photos/{photo_id}/original",
    summary="Download a person's photo",
    errors=("wrong_state",),
)
def get_original_photo(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, photo_id: UUID
) -> Download:
    """The bytes as they were uploaded."""
    photo = photos.find(tx, principal.user_id, person_id, photo_id)
    if photo.finalized_at is None:
        raise InputError("wrong_state", f"photo {photo_id}")
    return _download(
        services,
        services.settings.uploads_bucket,
        photo.object_name,
        content_type=photo.content_type,
        size_bytes=photo.size_bytes,
    )


def _export(services: Api, record: ExportRecord) -> Export:
    download = error = None
    if record.state == "ready" and record.object_name is not None:
        download = _download(
            services,
            services.settings.artifacts_bucket,
            record.object_name,
            content_type=_ARCHIVE_TYPE,
            size_bytes=record.size_bytes or 0,
        )
    if record.state == "failed" and record.error_code is not None:
        error = ExportError(code=record.error_code, messages=messages_of(record.error_code))
    return Export(
        id=record.id,
        state=record.state,
        created_at=record.created_at,
        finished_at=record.finished_at,
        expires_at=record.expires_at,
        video_count=record.video_count,
        download=download,
        error=error,
    )


def _download(
    services: Api, bucket: str, name: str, *, content_type: str, size_bytes: int
) -> Download:
    expires_in_s = services.settings.preview_expires_in_s
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
    url = services.signer.sign_download(
        bucket, name, content_type=content_type, expires_in_s=expires_in_s
    )
    return Download(
        url=url, content_type=content_type, size_bytes=size_bytes, expires_at=expires_at
    )
