"""Photos that people are known by: declare, find, list. SQL in tenant transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.errors import InputError, NotFoundError

PhotoState = Literal["uploading", "processing", "accepted", "rejected"]

#: Of one person. More teach nothing new.
MAX_PHOTOS: Final = 20

_COLUMNS: Final = """
    f.id, f.person_id, f.object_name, f.content_type, f.size_bytes, f.crc32c, f.state, f.problem,
    f.created_at, f.expires_at, f.finalized_at, v.quality, v.box
"""
_FROM: Final = """
    FROM person_photos f LEFT JOIN photo_faces v ON v.user_id = f.user_id AND v.photo_id = f.id
"""
_FIND = text(f"""
    SELECT {_COLUMNS} {_FROM}
    WHERE f.user_id = :user_id AND f.person_id = :person_id AND f.id = :id
""")
_LIST = text(f"""
    SELECT {_COLUMNS} {_FROM}
    WHERE f.user_id = :user_id AND f.person_id = :person_id
      AND (CAST(:id AS uuid) IS NULL OR (f.created_at, f.id)
           < (CAST(:created_at AS timestamptz), CAST(:id AS uuid)))
    ORDER BY f.created_at DESC, f.id DESC LIMIT :limit
""")
# Rejected ones stay to be read about, and do not count; but nobody needs hundreds of those either.
_COUNT = text("""
    SELECT count(*) FILTER (WHERE state <> 'rejected') AS photos, count(*) AS all_photos
    FROM person_photos WHERE user_id = :user_id AND person_id = :person_id
""")
_DECLARE = text("""
    INSERT INTO person_photos (user_id, id, person_id, object_name, content_type, size_bytes,
        crc32c, expires_at)
    VALUES (:user_id, :id, :person_id, :object_name, :content_type, :size_bytes, :crc32c,
        clock_timestamp() + make_interval(secs => :expires_in_s))
""")


@dataclass(frozen=True, kw_only=True)
class PhotoRecord:
    """A photo, and what became of it."""

    id: UUID
    person_id: UUID
    object_name: str
    content_type: str
    size_bytes: int
    crc32c: str | None
    state: PhotoState
    #: A code of `common.people.problems`, if it is rejected.
    problem: str | None
    created_at: datetime
    #: When its URL stops working.
    expires_at: datetime
    finalized_at: datetime | None
    #: Of its face, if it is accepted: 0–1.
    quality: float | None
    #: x, y, width, height as fractions of the photo, upright.
    box: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """The file that will be uploaded."""

    content_type: str
    size_bytes: int
    #: Base64 of the big-endian checksum.
    crc32c: str | None


def object_name(user_id: UUID, person_id: UUID, photo_id: UUID) -> str:
    """Name of a photo's object in the uploads bucket."""
    return f"faces/{user_id}/{person_id}/{photo_id}"


def declare(
    tx: Connection, user_id: UUID, person_id: UUID, file: PhotoFile, *, expires_in_s: int
) -> UUID:
    """Write the row that a signed URL needs before it is handed out; returns the photo's id.

    Args:
        tx: a transaction of the tenant that has locked the person.
        user_id: the tenant.
        person_id: whose face it shows.
        file: what will be uploaded.
        expires_in_s: how long its URL will work.

    Raises:
        InputError: `too_many_photos`.
    """
    owner = {"user_id": user_id, "person_id": person_id}
    count = tx.execute(_COUNT, owner).one()
    if count.photos >= MAX_PHOTOS or count.all_photos >= 10 * MAX_PHOTOS:
        raise InputError("too_many_photos", f"person {person_id}: at most {MAX_PHOTOS}")
    photo_id = uuid4()
    name = object_name(user_id, person_id, photo_id)
    values = owner | vars(file) | {"id": photo_id, "object_name": name}
    tx.execute(_DECLARE, values | {"expires_in_s": expires_in_s})
    return photo_id


def find(tx: Connection, user_id: UUID, person_id: UUID, photo_id: UUID) -> PhotoRecord:
    """One photo.

    Raises:
        NotFoundError: missing, deleted, another person's or another tenant's.
    """
    values = {"user_id": user_id, "person_id": person_id, "id": photo_id}
    row = tx.execute(_FIND, values).one_or_none()
    if row is None:
        raise NotFoundError(f"photo {photo_id}")
    return _record(row._asdict())


def list_newest(
    tx: Connection,
    user_id: UUID,
    person_id: UUID,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None = None,
) -> list[PhotoRecord]:
    """A person's photos, newest first."""
    created_at, photo_id = before or (None, None)
    values = {"user_id": user_id, "person_id": person_id, "limit": limit}
    rows = tx.execute(_LIST, values | {"created_at": created_at, "id": photo_id})
    return [_record(row._asdict()) for row in rows]


def _record(row: dict[str, Any]) -> PhotoRecord:
    box = row.pop("box")
    return PhotoRecord(**row, box=None if box is None else tuple(box))
