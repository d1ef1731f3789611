"""Erasures that are owed: what is to go, when nothing can come back, and the receipt.

Rows that stand for what was deleted stay as long as a worker or an upload under way may still
write: a late event has to find the video deleted, not unknown. Then they go too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from common.database import Database
from common.ledger.rows import TenantRow

# An upload URL works until it expires, and what it began may end some time later.
_READ = text("""
    SELECT e.video_id, u.firebase_uid, coalesce(r.removed, '{}') AS removed,
           e.created_at < clock_timestamp() - make_interval(secs => :settle_s)
           AND NOT EXISTS (
               SELECT FROM upload_objects o
               WHERE o.user_id = e.user_id AND (e.video_id IS NULL OR o.video_id = e.video_id)
                 AND o.expires_at >= clock_timestamp() - make_interval(
                     secs => CASE WHEN o.finalized_at IS NULL
                             THEN CAST(:grace_s AS double precision) ELSE 0 END)
           ) AS settled
    FROM erasures e JOIN users u ON u.id = e.user_id LEFT JOIN erasure_receipts r ON r.id = e.id
    WHERE e.user_id = :user_id AND e.id = :id AND e.done_at IS NULL
""")
NOTE = text("""
    UPDATE erasure_receipts SET removed = coalesce((
        SELECT jsonb_object_agg(kind, total) FROM (
            SELECT kind, sum(CAST(number AS bigint)) AS total FROM (
                SELECT * FROM jsonb_each_text(removed)
                UNION ALL SELECT * FROM jsonb_each_text(CAST(:removed AS jsonb))
            ) AS each (kind, number) GROUP BY kind
        ) AS summed
    ), '{}')
    WHERE id = :id
""")
_FINISHED = text("UPDATE erasure_receipts SET finished_at = clock_timestamp() WHERE id = :id")
_ALL_FINISHED = text("""
    UPDATE erasure_receipts SET finished_at = clock_timestamp()
    WHERE user_sha256 = app_user_sha256() AND finished_at IS NULL
""")
_COUNT = text("""
    SELECT count(DISTINCT v.id) AS videos, count(DISTINCT r.id) AS runs,
           (SELECT count(*) FROM jobs j JOIN runs q ON q.user_id = j.user_id AND q.id = j.run_id
            WHERE j.user_id = :user_id AND (:whole OR q.video_id = :video_id)) AS stages,
           (SELECT count(*) FROM upload_objects o
            WHERE o.user_id = :user_id AND (:whole OR o.video_id = :video_id)) AS declared_objects
    FROM videos v LEFT JOIN runs r ON r.user_id = v.user_id AND r.video_id = v.id
    WHERE v.user_id = :user_id AND (:whole OR v.id = :video_id)
""")
# A payload names its run.
_MESSAGES = text("""
    DELETE FROM outbox o USING runs r
    WHERE o.user_id = :user_id AND r.user_id = :user_id AND r.video_id = :video_id
      AND position(CAST(r.id AS text) IN o.payload) > 0
""")
# Everything else that belongs to it goes with it, by the foreign keys.
_VIDEO = text("""
    DELETE FROM videos WHERE user_id = :user_id AND id = :video_id AND deleted_at IS NOT NULL
""")
_DONE = text("DELETE FROM erasures WHERE user_id = :user_id AND id = :id")
_USER = text("DELETE FROM users WHERE id = :user_id AND deleted_at IS NOT NULL")
# Made by another instance that had not heard of the account's deletion yet.
_STRAYS = text("""
    UPDATE videos SET deleted_at = clock_timestamp(), title = ''
    WHERE user_id = :user_id AND deleted_at IS NULL
""")
_CANCEL = text("""
    UPDATE runs SET state = 'cancelled', finished_at = clock_timestamp(), lease_until = NULL,
        fencing_token = fencing_token + 1
    WHERE user_id = :user_id AND state IN ('ready', 'running')
""")
_LATER = text("""
    UPDATE erasures SET created_at = clock_timestamp() WHERE user_id = :user_id AND id = :id
""")


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """Something deleted, of which things are still there."""

    user_id: UUID
    id: UUID
    #: None: the whole account.
    video_id: UUID | None
    firebase_uid: str
    #: By kind, what went so far.
    removed: Mapping[str, int]
    #: Nobody who did not know yet can write anything more.
    settled: bool


class Erasures:
    """Reads and settles what is owed; every method is one transaction.

    Args:
        db: as `heimdex_ingest`.
        settle_s: after this long no worker writes any more.
        grace_s: how long after its URL expired an object may still arrive.
    """

    def __init__(self, db: Database, *, settle_s: float, grace_s: float) -> None:
        self._db = db
        self._times = {"settle_s": settle_s, "grace_s": grace_s}

    def read(self, found: TenantRow) -> Erasure | None:
        """An erasure; None if another sweep finished it."""
        key = {"user_id": found.user_id, "id": found.id}
        with self._db.tenant(found.user_id) as tx:
            row = tx.execute(_READ, key | self._times).one_or_none()
        if row is None:
            return None
        return Erasure(
            user_id=found.user_id,
            id=found.id,
            video_id=row.video_id,
            firebase_uid=row.firebase_uid,
            removed=row.removed,
            settled=row.settled,
        )

    def gather(self, erasure: Erasure) -> bool:
        """Delete videos that were made after their account was deleted; they take time as well."""
        key = {"user_id": erasure.user_id, "id": erasure.id}
        with self._db.tenant(erasure.user_id, effect="erasure.gather") as tx:
            if tx.execute(_STRAYS, key).rowcount == 0:
                return False
            tx.execute(_CANCEL, key)
            tx.execute(_LATER, key)
            return True

    def note(self, erasure: Erasure, removed: Mapping[str, int]) -> None:
        """Add to the receipt what has just been removed.

        Whoever dies between removing and noting leaves a receipt that counts too little.
        """
        with self._db.tenant(erasure.user_id, effect="erasure.note") as tx:
            _note(tx, erasure, removed)

    def finish(self, erasure: Erasure) -> None:
        """Remove the last rows, and with them what was owed; only the receipt stays."""
        user_id, video_id = erasure.user_id, erasure.video_id
        whole = video_id is None
        key = {"user_id": user_id, "id": erasure.id, "video_id": video_id or user_id}
        with self._db.tenant(user_id, effect="erasure.finish") as tx:
            _note(tx, erasure, tx.execute(_COUNT, key | {"whole": whole}).one()._asdict())
            tx.execute(_ALL_FINISHED if whole else _FINISHED, key)
            if whole:
                tx.execute(_USER, key)
            else:
                tx.execute(_MESSAGES, key)
                tx.execute(_VIDEO, key)
                tx.execute(_DONE, key)


def _note(tx: Connection, erasure: Erasure, removed: Mapping[str, int]) -> None:
    counted = {kind: number for kind, number in removed.items() if number}
    if counted:
        tx.execute(NOTE, {"id": erasure.id, "removed": json.dumps(counted)})
