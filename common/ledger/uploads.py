"""Uploads: declared objects arrive, are compared with their rows, and start the first run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from common.database import Database
from common.domain import Lane, RunRef
from common.ledger.fencing import lock_video
from common.ledger.readiness import cancel_open, fail_video, make_ready

#: The lane that an upload starts in.
FIRST_LANE: Lane = "media"

_OBJECT = text("""
    SELECT ordinal, kind, size_bytes, content_type, crc32c, generation FROM upload_objects
    WHERE user_id = :user_id AND video_id = :video_id AND object_name = :object_name
    FOR NO KEY UPDATE
""")
_FINALIZE = text("""
    UPDATE upload_objects SET
        generation = :generation, finalized_at = clock_timestamp(), error_code = :error_code
    WHERE user_id = :user_id AND video_id = :video_id AND ordinal = :ordinal
""")
_COMPLETE = text("""
    SELECT (SELECT generation FROM upload_objects
            WHERE user_id = :user_id AND video_id = :video_id AND kind = 'video') AS generation,
           bool_and(finalized_at IS NOT NULL AND error_code IS NULL) AS complete
    FROM upload_objects WHERE user_id = :user_id AND video_id = :video_id
""")
_QUEUED = text("""
    UPDATE videos SET state = 'queued', generation = :generation, updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :video_id AND state <> 'failed'
      AND (generation IS NULL OR generation < :generation)
    RETURNING 1
""")
_OBJECTS = text("""
    SELECT ordinal, kind, language, object_name, content_type, size_bytes, generation,
           finalized_at IS NOT NULL AS finalized,
           expires_at + make_interval(secs => :grace_s) < clock_timestamp() AS expired
    FROM upload_objects WHERE user_id = :user_id AND video_id = :video_id
    ORDER BY ordinal
""")
_UPLOADING = text("""
    SELECT 1 FROM videos WHERE user_id = :user_id AND id = :video_id AND state = 'uploading'
""")


_TRACE = text("SELECT traceparent FROM videos WHERE user_id = :user_id AND id = :video_id")


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object that is in the uploads bucket, as Cloud Storage describes it."""

    name: str
    generation: int
    size_bytes: int
    content_type: str
    #: Base64 of the big-endian CRC32C.
    crc32c: str


@dataclass(frozen=True, kw_only=True)
class DeclaredObject:
    """An object that an upload declares."""

    ordinal: int
    kind: Literal["video", "subtitle"]
    language: str
    name: str
    content_type: str
    size_bytes: int
    #: None until finalized.
    generation: int | None
    finalized: bool
    #: Not finalized, and the time to do so is over.
    expired: bool


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What the arrival of an object meant.

    `unknown`: no row declares it. `repeated`: known already, or older than what is known.
    `rejected`: not as declared; the video failed with `code`. `accepted`: others are still to come,
    or the video failed before. `complete`: it was the last one, and the first run is ready.
    """

    outcome: Literal["unknown", "repeated", "rejected", "accepted", "complete"]
    code: str = ""
    #: To publish.
    message_ids: tuple[UUID, ...] = ()


class Uploads:
    """The declared objects of uploads; every method is one transaction.

    Args:
        db: as `heimdex_ingest` (`objects` also as `heimdex_worker`).
        grace_s: how long after its URL expired an object may still arrive.
    """

    def __init__(self, db: Database, *, grace_s: float) -> None:
        self._db = db
        self._grace_s = grace_s

    def finalize(
        self,
        user_id: UUID,
        video_id: UUID,
        stored: StoredObject,
        *,
        content_code: str = "",
        traceparent: str = "",
    ) -> Arrival:
        """Compare an object with its row and, if it was the last, start the first run.

        Repeated and late events change nothing.

        Args:
            user_id: the tenant, from the object's name.
            video_id: the video, from the object's name.
            stored: the object.
            content_code: what its first bytes say is wrong with it, or "".
            traceparent: W3C trace context of the upload, or "".
        """
        key = {"user_id": user_id, "video_id": video_id, "object_name": stored.name}
        with self._db.tenant(user_id, effect="upload.finalize") as tx:
            if not lock_video(tx, user_id, video_id):
                return Arrival(outcome="unknown", code="intent_unknown")
            row = tx.execute(_OBJECT, key).one_or_none()
            if row is None:
                return Arrival(outcome="unknown", code="intent_unknown")
            if row.generation is not None and row.generation >= stored.generation:
                return Arrival(outcome="repeated")
            code = mismatch(row, stored) or content_code
            found = {"ordinal": row.ordinal, "generation": stored.generation}
            tx.execute(_FINALIZE, key | found | {"error_code": code or None})
            if code:
                fail_video(tx, user_id, video_id, code)
                return Arrival(outcome="rejected", code=code)
            return _start_when_complete(tx, user_id, video_id, traceparent)

    def traceparent(self, user_id: UUID, video_id: UUID) -> str:
        """Trace context of the request that began the upload; "" if that is not known."""
        with self._db.tenant(user_id) as tx:
            found = tx.execute(_TRACE, {"user_id": user_id, "video_id": video_id}).one_or_none()
        return found.traceparent if found is not None else ""

    def objects(self, user_id: UUID, video_id: UUID) -> tuple[DeclaredObject, ...]:
        """The declared objects of a video, in order; none if it does not exist."""
        values = {"user_id": user_id, "video_id": video_id, "grace_s": self._grace_s}
        with self._db.tenant(user_id) as tx:
            return tuple(_declared(row) for row in tx.execute(_OBJECTS, values))

    def expire(self, user_id: UUID, video_id: UUID) -> bool:
        """Fail a video whose objects did not arrive in time; False if it is not such."""
        key = {"user_id": user_id, "video_id": video_id}
        with self._db.tenant(user_id, effect="upload.expire") as tx:
            if not lock_video(tx, user_id, video_id):
                return False
            if tx.execute(_UPLOADING, key).one_or_none() is None:
                return False
            rows = tx.execute(_OBJECTS, key | {"grace_s": self._grace_s})
            if not any(_declared(row).expired for row in rows):
                return False
            fail_video(tx, user_id, video_id, "upload_expired")
            return True


def mismatch(row: Row[Any], stored: StoredObject) -> str:
    """The code of the first thing in which an object differs from its row, or ""."""
    if stored.size_bytes == 0:
        return "empty_file"
    if stored.size_bytes != row.size_bytes:
        return "size_mismatch"
    if row.crc32c and stored.crc32c != row.crc32c:
        return "hash_mismatch"
    if stored.content_type != row.content_type:
        return "type_mismatch"
    return ""


def _start_when_complete(
    tx: Connection, user_id: UUID, video_id: UUID, traceparent: str
) -> Arrival:
    key = {"user_id": user_id, "video_id": video_id}
    upload = tx.execute(_COMPLETE, key).one()
    if not upload.complete:
        return Arrival(outcome="accepted")
    if tx.execute(_QUEUED, key | {"generation": upload.generation}).one_or_none() is None:
        return Arrival(outcome="accepted")
    # Runs of an older generation have nothing to add.
    cancel_open(tx, user_id, video_id)
    run = RunRef(
        user_id=user_id,
        run_id=uuid4(),
        video_id=video_id,
        generation=upload.generation,
        lane=FIRST_LANE,
    )
    return Arrival(outcome="complete", message_ids=make_ready(tx, run, traceparent=traceparent))


def _declared(row: Row[Any]) -> DeclaredObject:
    return DeclaredObject(
        ordinal=row.ordinal,
        kind=row.kind,
        language=row.language or "",
        name=row.object_name,
        content_type=row.content_type,
        size_bytes=row.size_bytes,
        generation=row.generation,
        finalized=row.finalized,
        expired=row.expired and not row.finalized,
    )
