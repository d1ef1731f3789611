"""Rows of the ledger for tests, written as the owner, and a record of every change of state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from common.domain import Lane
from common.ledger.policy import LeasePolicy
from common.ledger.states import (
    RUN_RESCUES,
    RUN_TRANSITIONS,
    VIDEO_RESCUES,
    VIDEO_TRANSITIONS,
)
from common.ledger.uploads import Arrival, StoredObject, Uploads
from tests.conftest import TestDatabase
from tests.fakes import FileStore

#: Long leases and no pauses: tests let time pass by moving the ledger's times.
POLICY = LeasePolicy(lease_s=60.0, max_attempts=5, retry_backoff_s=10.0)
CRC32C = "AAAAAA=="


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A declared upload."""

    user_id: UUID
    video_id: UUID = field(default_factory=uuid4)

    @property
    def video_name(self) -> str:
        """Object name of the video."""
        return f"videos/{self.user_id}/{self.video_id}.mp4"

    def subtitle_name(self, ordinal: int = 1) -> str:
        """Object name of a subtitle file."""
        return f"subtitles/{self.user_id}/{self.video_id}/{ordinal}.srt"

    def stored_video(self, **changes: Any) -> StoredObject:
        """The video as it should arrive."""
        values: dict[str, Any] = {
            "name": self.video_name,
            "generation": 7,
            "size_bytes": 100,
            "content_type": "video/mp4",
            "crc32c": CRC32C,
        }
        return StoredObject(**values | changes)

    def stored_subtitle(self, **changes: Any) -> StoredObject:
        """The subtitle file as it should arrive."""
        values: dict[str, Any] = {
            "name": self.subtitle_name(),
            "generation": 8,
            "size_bytes": 10,
            "content_type": "application/x-subrip",
            "crc32c": CRC32C,
        }
        return StoredObject(**values | changes)


def declare(database: TestDatabase, user_id: UUID, *, subtitles: int = 0) -> Upload:
    """Declare an upload as the API does: a video in state uploading, and its objects."""
    upload = Upload(user_id=user_id)
    database.owner_rows(
        "INSERT INTO videos (user_id, id, title) VALUES (:user_id, :id, 'A video')",
        user_id=user_id,
        id=upload.video_id,
    )
    _declare_object(database, upload, 0, "video", upload.video_name, "video/mp4", 100)
    for ordinal in range(1, subtitles + 1):
        name = upload.subtitle_name(ordinal)
        _declare_object(database, upload, ordinal, "subtitle", name, "application/x-subrip", 10)
    return upload


def _declare_object(
    database: TestDatabase,
    upload: Upload,
    ordinal: int,
    kind: str,
    name: str,
    content_type: str,
    size_bytes: int,
) -> None:
    database.owner_rows(
        "INSERT INTO upload_objects (user_id, video_id, ordinal, kind, language, object_name, "
        "content_type, size_bytes, crc32c, expires_at) VALUES (:user_id, :video_id, :ordinal, "
        ":kind, 'en', :name, :content_type, :size_bytes, :crc32c, now() + interval '10 min')",
        user_id=upload.user_id,
        video_id=upload.video_id,
        ordinal=ordinal,
        kind=kind,
        name=name,
        content_type=content_type,
        size_bytes=size_bytes,
        crc32c=CRC32C,
    )


def insert_run(database: TestDatabase, user_id: UUID, *, lane: Lane = "media") -> UUID:
    """A ready run of a new, queued video; returns the run's id."""
    upload = declare(database, user_id)
    run_id = uuid4()
    database.owner_rows(
        "UPDATE videos SET state = 'queued', generation = 7 WHERE id = :id", id=upload.video_id
    )
    database.owner_rows(
        "UPDATE upload_objects SET generation = 7, finalized_at = now() WHERE video_id = :id",
        id=upload.video_id,
    )
    database.owner_rows(
        "INSERT INTO runs (user_id, id, video_id, generation, lane) "
        "VALUES (:user_id, :run_id, :video_id, 7, :lane)",
        user_id=user_id,
        run_id=run_id,
        video_id=upload.video_id,
        lane=lane,
    )
    return run_id


def run_row(database: TestDatabase, run_id: UUID) -> Any:
    """A run as it is."""
    (row,) = database.owner_rows("SELECT * FROM runs WHERE id = :id", id=run_id)
    return row


def video_row(database: TestDatabase, video_id: UUID | None) -> Any:
    """A video as it is."""
    (row,) = database.owner_rows("SELECT * FROM videos WHERE id = :id", id=video_id)
    return row


def expire_lease(database: TestDatabase, run_id: UUID) -> None:
    """Let the lease's time pass."""
    database.owner_rows(
        "UPDATE runs SET lease_until = now() - interval '1 s' WHERE id = :id AND state = 'running'",
        id=run_id,
    )


def end_pause(database: TestDatabase, run_id: UUID) -> None:
    """Let the pause after a failure pass."""
    database.owner_rows(
        "UPDATE runs SET not_before = now() WHERE id = :id AND isfinite(not_before)", id=run_id
    )


def record_transitions(database: TestDatabase) -> None:
    """Have the database note every change of state of runs and videos, and every new token."""
    for statement in _AUDIT.split("--;"):
        database.owner_rows(statement)


def assert_legal_transitions(database: TestDatabase, *, rescued: bool = False) -> None:
    """Every noted change is in the table of `common.ledger.states`, and tokens only grew.

    Args:
        database: where changes were recorded.
        rescued: an operator's reruns were among them.
    """
    for row in database.owner_rows("SELECT * FROM transitions ORDER BY n"):
        kind, old, new = row.kind, row.old_state, row.new_state
        table: Any = RUN_TRANSITIONS if kind == "runs" else VIDEO_TRANSITIONS
        allowed = set(table[old])
        if rescued:
            rescues: Any = RUN_RESCUES if kind == "runs" else VIDEO_RESCUES
            allowed |= rescues.get(old, frozenset())
        assert old == new or new in allowed, f"{kind}: {old} -> {new}"
        assert row.new_token >= row.old_token


_AUDIT = """
CREATE TABLE transitions (n serial, kind text, id uuid, old_state text, new_state text,
                          old_token bigint, new_token bigint)
--;
CREATE FUNCTION note_transition() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.transitions (kind, id, old_state, new_state, old_token, new_token)
    VALUES (TG_TABLE_NAME, NEW.id, OLD.state, NEW.state,
            coalesce((to_jsonb(OLD) ->> 'fencing_token')\\:\\:bigint, 0),
            coalesce((to_jsonb(NEW) ->> 'fencing_token')\\:\\:bigint, 0));
    RETURN NEW;
END $$
--;
CREATE TRIGGER note AFTER UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION note_transition()
--;
CREATE TRIGGER note AFTER UPDATE ON videos FOR EACH ROW EXECUTE FUNCTION note_transition()
"""


def stand_upload(rig_store: FileStore, database: TestDatabase, user_id: UUID) -> Upload:
    """An upload whose object is stored, but not yet taken into the ledger."""
    upload = declare(database, user_id)
    info = rig_store.put("uploads", upload.video_name, b"a video".ljust(100, b"."), "video/mp4")
    database.owner_rows(
        "UPDATE upload_objects SET crc32c = :crc32c WHERE video_id = :id",
        crc32c=info.crc32c,
        id=upload.video_id,
    )
    return upload


def take_stored(rig_store: FileStore, uploads: Uploads, upload: Upload) -> Arrival:
    """Finalize a stored upload as the event's function does."""
    info = rig_store.stat("uploads", upload.video_name)
    assert info is not None
    stored = upload.stored_video(generation=info.generation, crc32c=info.crc32c)
    return uploads.finalize(upload.user_id, upload.video_id, stored)
