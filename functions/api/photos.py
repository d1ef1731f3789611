"""`/v1/people/{person_id}/photos`: photos that a person is known by."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from common import audit
from common.errors import InputError
from common.people import consent, erasing, photos, records
from common.people.photos import PhotoFile, PhotoRecord, PhotoState
from common.web.models import BodyModel, PageQuery, ResponseModel
from common.web.pages import Page
from common.web.problem import Messages, messages_of
from common.web.routes import Principal, Reply, RouteTable
from functions.api.declarations import Crc32c
from functions.api.people import before
from functions.api.services import Api
from functions.api.verification import require_verified

routes: RouteTable[Api] = RouteTable()

PHOTO_TYPES: Final = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"}
)


class PhotoRequest(BodyModel):
    """The photo that will be uploaded."""

    content_type: str = Field(max_length=100)
    """`image/jpeg`, `image/png`, `image/webp`, `image/heic` or `image/heif`."""
    size_bytes: int = Field(ge=0)
    """Exact size; the URL accepts no other."""
    crc32c: Crc32c | None = None
    """Checksum to compare with what arrives."""


class PhotoProblem(ResponseModel):
    """Why a photo cannot be used."""

    code: str
    """Stable code, described at `/v1/problems/{code}`."""
    messages: Messages
    """What is wrong with it and what to do."""


class PhotoFaceBox(ResponseModel):
    """The face in an accepted photo."""

    quality: float = Field(ge=0, le=1)
    x: float
    y: float
    width: float
    height: float
    """All four as fractions of the upright photo."""


class Photo(ResponseModel):
    """A photo of a person."""

    id: UUID
    person_id: UUID
    state: PhotoState
    problem: PhotoProblem | None
    """Only if `state` is `rejected`."""
    face: PhotoFaceBox | None
    """Only if `state` is `accepted`."""
    content_type: str
    size_bytes: int
    created_at: datetime
    arrived_at: datetime | None


class PhotoUrl(ResponseModel):
    """Where and how to send the photo."""

    method: Literal["PUT"]
    url: str
    """A secret that allows this one upload."""
    headers: dict[str, str]
    """Send exactly these: the signature covers them."""
    expires_at: datetime


class PhotoCreated(ResponseModel):
    """A photo that waits for its file."""

    photo: Photo
    upload: PhotoUrl


class Photos(ResponseModel):
    """A page of photos, newest first."""

    photos: tuple[Photo, ...]
    next_page_token: str | None
    """None on the last page."""


@routes.post(
    "/v1/people/{person_id}/photos",
    summary="Add a photo of a person",
    effect="photo.declare",
    errors=(
        "consent_required",
        "email_unverified",
        "empty_file",
        "feature_disabled",
        "photo_file_too_large",
        "photo_type_not_allowed",
        "too_many_photos",
    ),
    check_revoked=True,
)
def create_photo(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, body: PhotoRequest
) -> Reply[PhotoCreated]:
    """Answers with a URL for the file. Both the user and the person must have consented before."""
    user_id, settings = principal.user_id, services.settings
    records.find(tx, user_id, person_id)
    if not (settings.feature_face and settings.feature_face_enrollment):
        raise InputError("feature_disabled", "face enrolment")
    require_verified(settings, principal)
    _check_file(body, settings.max_photo_bytes)
    consented = consent.hold(tx, user_id)
    person = records.find(tx, user_id, person_id, for_update=True)
    if not consented or person.consent_at is None:
        raise InputError("consent_required", "of the person" if consented else "of the user")
    photo_id = photos.declare(
        tx,
        user_id,
        person_id,
        PhotoFile(content_type=body.content_type, size_bytes=body.size_bytes, crc32c=body.crc32c),
        expires_in_s=settings.upload_expires_in_s,
    )
    audit.record(tx, user_id, "photo.created", subject_id=photo_id)
    record = photos.find(tx, user_id, person_id, photo_id)
    return Reply(
        body=PhotoCreated(photo=_photo(record), upload=_sign(services, record)),
        headers={"Location": f"/v1/people/{person_id}/photos/{photo_id}"},
    )


@routes.get("/v1/people/{person_id}/photos", summary="List a person's photos, newest first")
def list_photos(
    services: Api,
    *,
    principal: Principal,
    tx: Connection,
    person_id: UUID,
    query: PageQuery,
    page: Page,
) -> Photos:
    """With what became of each."""
    records.find(tx, principal.user_id, person_id)
    after = before(page.after) if page.after is not None else None
    found = photos.list_newest(tx, principal.user_id, person_id, limit=page.size + 1, before=after)
    shown = found[: page.size]
    more = len(found) > page.size
    last = (shown[-1].created_at.isoformat(), str(shown[-1].id)) if more else ()
    return Photos(
        photos=tuple(_photo(record) for record in shown),
        next_page_token=page.next(last) if more else None,
    )


@routes.get(
    "/v1/people/{person_id}/photos/{photo_id}", summary="Read a photo's state", conditional=True
)
def get_photo(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, photo_id: UUID
) -> Photo:
    """Cheap to poll with If-None-Match, until it is accepted or rejected."""
    return _photo(photos.find(tx, principal.user_id, person_id, photo_id))


@routes.delete(
    "/v1/people/{person_id}/photos/{photo_id}", summary="Delete a photo", effect="photo.erase"
)
def delete_photo(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, photo_id: UUID
) -> None:
    """What was learned from it is gone at once, the file within a minute or so."""
    erasing.erase_photo(tx, principal.user_id, person_id, photo_id)
    audit.record(tx, principal.user_id, "photo.deleted", subject_id=photo_id)


def _check_file(body: PhotoRequest, max_bytes: int) -> None:
    if body.content_type not in PHOTO_TYPES:
        raise InputError("photo_type_not_allowed", f"got {body.content_type!r}")
    if body.size_bytes == 0:
        raise InputError("empty_file")
    if body.size_bytes > max_bytes:
        raise InputError("photo_file_too_large", f"{body.size_bytes} > {max_bytes} bytes")


def _sign(services: Api, record: PhotoRecord) -> PhotoUrl:
    signed = services.signer.sign_upload(
        services.settings.uploads_bucket,
        record.object_name,
        content_type=record.content_type,
        size_bytes=record.size_bytes,
        resumable=False,
        expires_in_s=services.settings.upload_expires_in_s,
        crc32c=record.crc32c,
    )
    return PhotoUrl(
        method="PUT", url=signed.url, headers=dict(signed.headers), expires_at=signed.expires_at
    )


def _photo(record: PhotoRecord) -> Photo:
    problem = record.problem if record.state == "rejected" else None
    return Photo(
        id=record.id,
        person_id=record.person_id,
        state=record.state,
        problem=PhotoProblem(code=problem, messages=messages_of(problem)) if problem else None,
        face=_face(record),
        content_type=record.content_type,
        size_bytes=record.size_bytes,
        created_at=record.created_at,
        arrived_at=record.finalized_at,
    )


def _face(record: PhotoRecord) -> PhotoFaceBox | None:
    if record.quality is None or record.box is None:
        return None
    x, y, width, height = record.box
    return PhotoFaceBox(quality=record.quality, x=x, y=y, width=width, height=height)
