"""From the data of an object-finalize event to what the ledger needs; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.domain import PhotoRef
from common.errors import ContractError
from common.ledger.uploads import StoredObject

#: The one type of event that says that bytes are there.
FINALIZED: Final = "google.cloud.storage.object.v1.finalized"
#: Generations are 64-bit, in Cloud Storage as in the ledger.
_MAX_GENERATION: Final = 2**63 - 1

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: The names that the API makes (`common.videos.uploads`).
_NAME: Final = re.compile(
    rf"(?:videos/(?P<user>{_UUID})/(?P<video>{_UUID})"
    rf"|subtitles/(?P<subtitle_user>{_UUID})/(?P<subtitle_video>{_UUID})/[0-9]{{1,4}})"
    r"\.[a-z0-9]{1,8}"
)
#: The names of photos (`common.people.photos`).
_PHOTO_NAME: Final = re.compile(rf"faces/(?P<user>{_UUID})/(?P<person>{_UUID})/(?P<photo>{_UUID})")


@dataclass(frozen=True, kw_only=True)
class UploadAccepted:
    """An object under a name that the API makes."""

    user_id: UUID
    video_id: UUID
    stored: StoredObject


@dataclass(frozen=True, kw_only=True)
class PhotoAccepted:
    """A photo of a person, under a name that the API makes."""

    user_id: UUID
    photo: PhotoRef
    stored: StoredObject


class _StorageObjectData(BaseModel):
    """The part of google.events.cloud.storage.v1.StorageObjectData that matters."""

    model_config = ConfigDict(extra="ignore")

    bucket: str
    name: str
    # Sent as strings: they are 64-bit.
    generation: int = Field(gt=0, le=_MAX_GENERATION)
    size: int = Field(ge=0)
    content_type: str = Field(default="", alias="contentType")
    crc32c: str = ""


def read_event(data: object, *, bucket: str) -> UploadAccepted | PhotoAccepted | None:
    """Read the data of an event; None for an object that is no part of an upload.

    Args:
        data: of the CloudEvent.
        bucket: of uploads.

    Raises:
        ContractError: `message_invalid`; this is not an event of that bucket.
    """
    try:
        found = _StorageObjectData.model_validate(data)
    except ValidationError as error:
        detail = f"StorageObjectData: {error.error_count()} errors"
        raise ContractError("message_invalid", detail) from error
    if found.bucket != bucket:
        raise ContractError("message_invalid", f"event of bucket {found.bucket}, not {bucket}")
    stored = StoredObject(
        name=found.name,
        generation=found.generation,
        size_bytes=found.size,
        content_type=found.content_type,
        crc32c=found.crc32c,
    )
    if matched := _NAME.fullmatch(found.name):
        return UploadAccepted(
            user_id=UUID(matched["user"] or matched["subtitle_user"]),
            video_id=UUID(matched["video"] or matched["subtitle_video"]),
            stored=stored,
        )
    if matched := _PHOTO_NAME.fullmatch(found.name):
        person, photo = UUID(matched["person"]), UUID(matched["photo"])
        return PhotoAccepted(
            user_id=UUID(matched["user"]),
            photo=PhotoRef(person_id=person, photo_id=photo),
            stored=stored,
        )
    return None
