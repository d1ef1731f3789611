"""What is in an archive, as files of JSON; read in short transactions, a video at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from common.database import Database
from common.videos import catalog, scenes, uploads, users
from common.videos.records import VideoRecord
from functions.build_export import faces

#: Videos and scenes that one transaction reads.
_VIDEOS_AT_ONCE: Final = 20
_SCENES_AT_ONCE: Final = 500


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of the archive."""

    name: str
    #: What JSON can say, but for times and ids, which become text.
    value: Any
    #: It is a video's.
    is_video: bool = False


def files(db: Database, user_id: UUID) -> Iterator[File]:
    """Every file but the README, in order.

    Args:
        db: as `heimdex_api`.
        user_id: whose.
    """
    for name, read in PARTS.items():
        with db.tenant(user_id) as tx:
            value = read(tx, user_id)
        yield File(name=name, value=value)
    originals: list[dict[str, Any]] = []
    for video in _videos(db, user_id):
        declared = _originals(db, user_id, video)
        originals += declared
        with db.tenant(user_id) as tx:
            seen = faces.of_video(tx, user_id, video.id)
        yield File(
            name=f"videos/{video.id}.json",
            value=_described(video)
            | {
                "originals": declared,
                "scenes": list(_scenes(db, user_id, video)),
                "faces": seen,
            },
            is_video=True,
        )
    yield File(name="originals.json", value=originals)


def _account(tx: Connection, user_id: UUID) -> Any:
    return asdict(users.find(tx, user_id))


#: Files about the account as a whole.
PARTS: Final[Mapping[str, Callable[[Connection, UUID], Any]]] = MappingProxyType(
    {"account.json": _account, "people.json": faces.people, "consents.json": faces.consents}
)


def _videos(db: Database, user_id: UUID) -> Iterator[VideoRecord]:
    before = None
    while True:
        with db.tenant(user_id) as tx:
            found = catalog.list_newest(tx, user_id, limit=_VIDEOS_AT_ONCE, before=before)
        yield from found
        if len(found) < _VIDEOS_AT_ONCE:
            return
        before = (found[-1].created_at, found[-1].id)


def _described(video: VideoRecord) -> dict[str, Any]:
    inner = ("generation", "index_version")
    return {name: value for name, value in asdict(video).items() if name not in inner}


def _originals(db: Database, user_id: UUID, video: VideoRecord) -> list[dict[str, Any]]:
    with db.tenant(user_id) as tx:
        declared = uploads.list_objects(tx, user_id, video.id)
    return [
        {
            "video_id": video.id,
            "kind": item.kind,
            "language": item.language,
            "content_type": item.content_type,
            "size_bytes": item.size_bytes,
            "crc32c": item.crc32c,
            "uploaded_at": item.finalized_at,
            "fetch": f"GET /v1/videos/{video.id}/original" if item.kind == "video" else None,
        }
        for item in declared
        if item.finalized_at is not None
    ]


def _scenes(db: Database, user_id: UUID, video: VideoRecord) -> Iterator[dict[str, Any]]:
    if video.index_version is None:
        return
    after = -1
    while True:
        with db.tenant(user_id) as tx:
            found = scenes.list_of_video(
                tx, user_id, video, limit=_SCENES_AT_ONCE, after_ordinal=after
            )
        yield from (asdict(scene) for scene in found)
        if len(found) < _SCENES_AT_ONCE:
            return
        after = found[-1].ordinal
