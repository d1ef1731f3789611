"""What deletions of faces owe: which objects, when nothing can come back, and the receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from common.database import Database
from common.ledger.erasures import NOTE
from common.ledger.rows import TenantRow

_READ = text("""
    SELECT person_id, photo_id,
           created_at < clock_timestamp() - make_interval(secs => :settle_s)
           AND (writable_until IS NULL OR
                writable_until < clock_timestamp() - make_interval(secs => :grace_s)) AS settled
    FROM face_erasures WHERE user_id = :user_id AND id = :id
""")
_LIVE = text("SELECT id FROM person_photos WHERE user_id = :user_id")
_FINISHED = text("UPDATE erasure_receipts SET finished_at = clock_timestamp() WHERE id = :id")
_DONE = text("DELETE FROM face_erasures WHERE user_id = :user_id AND id = :id")


@dataclass(frozen=True, kw_only=True)
class FaceErasure:
    """Faces that were deleted, of which objects are still there."""

    user_id: UUID
    id: UUID
    #: None: everything that was made of faces.
    person_id: UUID | None
    #: None: all photos of the person.
    photo_id: UUID | None
    #: Nobody who did not know yet can write anything more.
    settled: bool


class FaceErasures:
    """Reads and settles what is owed; every method is one transaction.

    Args:
        db: as `heimdex_ingest`.
        settle_s: after this long no worker writes any more.
        grace_s: how long after its URL expired a photo may still arrive.
    """

    def __init__(self, db: Database, *, settle_s: float, grace_s: float) -> None:
        self._db = db
        self._times = {"settle_s": settle_s, "grace_s": grace_s}

    def read(self, found: TenantRow) -> FaceErasure | None:
        """An erasure; None if another sweep finished it."""
        key = {"user_id": found.user_id, "id": found.id}
        with self._db.tenant(found.user_id) as tx:
            row = tx.execute(_READ, key | self._times).one_or_none()
        if row is None:
            return None
        return FaceErasure(user_id=found.user_id, id=found.id, **row._mapping)

    def live_photos(self, user_id: UUID) -> frozenset[str]:
        """Ids of the photos that the tenant has."""
        with self._db.tenant(user_id) as tx:
            return frozenset(str(row.id) for row in tx.execute(_LIVE, {"user_id": user_id}))

    def note(self, erasure: FaceErasure, removed: Mapping[str, int]) -> None:
        """Add to the receipt what has just been removed."""
        values = {"id": erasure.id, "removed": json.dumps(dict(removed))}
        with self._db.tenant(erasure.user_id, effect="face_erasure.note") as tx:
            tx.execute(NOTE, values)

    def finish(self, erasure: FaceErasure) -> None:
        """Remove what was owed; only the receipt stays."""
        key = {"user_id": erasure.user_id, "id": erasure.id}
        with self._db.tenant(erasure.user_id, effect="face_erasure.finish") as tx:
            tx.execute(_FINISHED, key)
            tx.execute(_DONE, key)
