"""Photos of people: declared objects that arrive, and the run that each of them starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from common.database import Database
from common.domain import Lane, PhotoRef, RunRef
from common.errors import NotFoundError
from common.ledger.readiness import make_ready
from common.ledger.uploads import Arrival, StoredObject, mismatch
from common.people.problems import problem_of

#: The lane that a photo starts in: it is as hostile as a video.
FIRST_LANE: Final[Lane] = "media"

_FIND = text("""
    SELECT person_id, object_name, size_bytes, content_type, crc32c, generation, state
    FROM person_photos WHERE user_id = :user_id AND id = :photo_id
    FOR NO KEY UPDATE
""")
_FINALIZE = text("""
    UPDATE person_photos SET generation = :generation, finalized_at = clock_timestamp(),
        state = :state, problem = :problem
    WHERE user_id = :user_id AND id = :photo_id
""")
_STORED = text("""
    SELECT object_name, generation, content_type, size_bytes FROM person_photos
    WHERE user_id = :user_id AND id = :photo_id AND generation IS NOT NULL
""")
_DECLARED = text("""
    SELECT person_id, object_name,
           expires_at + make_interval(secs => :grace_s) < clock_timestamp() AS expired
    FROM person_photos WHERE user_id = :user_id AND id = :photo_id AND state = 'uploading'
""")
_EXPIRE = text("""
    UPDATE person_photos SET state = 'rejected', problem = 'upload_expired'
    WHERE user_id = :user_id AND id = :photo_id AND state = 'uploading'
      AND expires_at + make_interval(secs => :grace_s) < clock_timestamp()
""")
_EXISTS = text("SELECT 1 FROM person_photos WHERE user_id = :user_id AND id = :photo_id")


@dataclass(frozen=True, kw_only=True)
class StoredPhoto:
    """A photo's object in the uploads bucket."""

    object_name: str
    generation: int
    content_type: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class DeclaredPhoto:
    """A photo that has not arrived."""

    person_id: UUID
    object_name: str
    #: The time to arrive is over.
    expired: bool


class Photos:
    """The objects of photos; every method is one transaction.

    Args:
        db: as `heimdex_ingest` (`stored` and `exists` also as `heimdex_worker`).
        grace_s: how long after its URL expired a photo may still arrive.
    """

    def __init__(self, db: Database, *, grace_s: float) -> None:
        self._db = db
        self._grace_s = grace_s

    def finalize(
        self, user_id: UUID, photo: PhotoRef, stored: StoredObject, *, traceparent: str = ""
    ) -> Arrival:
        """Compare an object with its row and start its run.

        Repeated and late events change nothing.

        Args:
            user_id: the tenant, from the object's name.
            photo: which, from the object's name.
            stored: the object.
            traceparent: W3C trace context of the event, or "".
        """
        key = {"user_id": user_id, "photo_id": photo.photo_id}
        with self._db.tenant(user_id, effect="photo.finalize") as tx:
            row = tx.execute(_FIND, key).one_or_none()
            if row is None or row.object_name != stored.name:
                return Arrival(outcome="unknown", code="intent_unknown")
            if row.state != "uploading":
                return Arrival(outcome="repeated")
            problem = mismatch(row, stored)
            state = "rejected" if problem else "processing"
            found = {
                "generation": stored.generation,
                "state": state,
                "problem": problem_of(problem) if problem else None,
            }
            tx.execute(_FINALIZE, key | found)
            if problem:
                return Arrival(outcome="rejected", code=problem)
            return _start(tx, user_id, photo, stored.generation, traceparent)

    def stored(self, user_id: UUID, photo_id: UUID) -> StoredPhoto:
        """The object of a photo that arrived.

        Raises:
            NotFoundError: it was deleted, or did not arrive.
        """
        with self._db.tenant(user_id) as tx:
            row = _one(tx, _STORED, user_id, photo_id)
        if row is None:
            raise NotFoundError(f"photo {photo_id}")
        return StoredPhoto(**row._mapping)

    def exists(self, user_id: UUID, photo_id: UUID) -> bool:
        """Whether it was not deleted."""
        with self._db.tenant(user_id) as tx:
            return _one(tx, _EXISTS, user_id, photo_id) is not None

    def declared(self, user_id: UUID, photo_id: UUID) -> DeclaredPhoto | None:
        """A photo that has not arrived; None if there is no such."""
        with self._db.tenant(user_id) as tx:
            row = _one(tx, _DECLARED, user_id, photo_id, grace_s=self._grace_s)
        return None if row is None else DeclaredPhoto(**row._mapping)

    def expire(self, user_id: UUID, photo_id: UUID) -> bool:
        """Give up a photo that did not arrive in time; False if it is not such."""
        key = {"user_id": user_id, "photo_id": photo_id, "grace_s": self._grace_s}
        with self._db.tenant(user_id, effect="photo.expire") as tx:
            return tx.execute(_EXPIRE, key).rowcount == 1


def _one(
    tx: Connection, statement: Any, user_id: UUID, photo_id: UUID, **more: object
) -> Row[Any] | None:
    return tx.execute(statement, {"user_id": user_id, "photo_id": photo_id} | more).one_or_none()


def _start(
    tx: Connection, user_id: UUID, photo: PhotoRef, generation: int, traceparent: str
) -> Arrival:
    run = RunRef(
        user_id=user_id, run_id=uuid4(), photo=photo, generation=generation, lane=FIRST_LANE
    )
    return Arrival(outcome="complete", message_ids=make_ready(tx, run, traceparent=traceparent))
