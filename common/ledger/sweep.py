"""What the sweep looks for, across tenants.

Finding goes through the functions of `heimdex_ledger` (schema.sql), which return ids; acting on one
is a transaction of its tenant.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from common import audit
from common.database import Database
from common.domain import LANES
from common.ledger import outbox
from common.ledger.erasures import Erasures
from common.ledger.figures import Backlog, Gauges
from common.ledger.readiness import ring
from common.ledger.rows import TenantRow
from common.messages import EXPORT_TOPIC, ExportRequested
from common.videos import erasing

# Says the same as ledger_due_runs: another sweep may have rung in between.
_RING = text("""
    UPDATE runs SET rung_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :run_id AND state IN ('ready', 'running')
      AND CASE state WHEN 'ready' THEN not_before ELSE lease_until END <= clock_timestamp()
      AND (rung_at < CASE state WHEN 'ready' THEN not_before ELSE lease_until END
           OR rung_at < clock_timestamp() - make_interval(secs => :ring_again_s))
    RETURNING lane, traceparent
""")
# Whoever was announced late still has the whole notice: the date moves with it.
_ANNOUNCE = text("""
    UPDATE videos SET expiry_announced_at = clock.now, updated_at = clock.now,
        expires_at = greatest(expires_at, clock.now + make_interval(secs => :notice_s))
    FROM (SELECT clock_timestamp() AS now) AS clock
    WHERE user_id = :user_id AND id = :id AND deleted_at IS NULL
      AND expires_at IS NOT NULL AND expiry_announced_at IS NULL
    RETURNING 1
""")
# Says the same as ledger_expired_videos: the user's tier may have changed in between.
_EXPIRED = text("""
    SELECT 1 FROM videos
    WHERE user_id = :user_id AND id = :id AND deleted_at IS NULL
      AND expires_at <= clock_timestamp()
      AND expiry_announced_at <= clock_timestamp() - make_interval(secs => :notice_s)
    FOR NO KEY UPDATE
""")
# Says the same as ledger_due_exports: another sweep may have rung in between.
_RING_EXPORT = text("""
    UPDATE exports SET rung_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :id
      AND (state = 'pending' OR state = 'building' AND lease_until < clock_timestamp())
      AND (rung_at IS NULL OR rung_at < clock_timestamp() - make_interval(secs => :ring_again_s))
""")
_EXPIRED_EXPORT = text("""
    UPDATE exports SET object_name = NULL,
        state = CASE state WHEN 'ready' THEN 'expired' ELSE state END
    WHERE user_id = :user_id AND id = :id AND expires_at <= clock_timestamp()
""")


class Sweep:
    """Finds what was forgotten.

    Args:
        db: as `heimdex_ingest`.
        max_rows: of each kind at once; the next sweep finds the rest.
    """

    def __init__(self, db: Database, *, max_rows: int = 500) -> None:
        self._db = db
        self._max_rows = max_rows

    def due_runs(self, ring_again_after_s: float) -> tuple[TenantRow, ...]:
        """Runs that can be claimed and that nobody was told of (recently)."""
        return self._find("SELECT * FROM ledger_due_runs(:seconds, :max_rows)", ring_again_after_s)

    def unpublished_messages(self, older_than_s: float) -> tuple[TenantRow, ...]:
        """Outbox rows whose writer did not get to publishing them."""
        return self._find(
            "SELECT * FROM ledger_unpublished_messages(:seconds, :max_rows)", older_than_s
        )

    def open_uploads(self, older_than_s: float) -> tuple[TenantRow, ...]:
        """Videos whose objects have not all been finalized."""
        return self._find("SELECT * FROM ledger_open_uploads(:seconds, :max_rows)", older_than_s)

    def open_erasures(self) -> tuple[TenantRow, ...]:
        """Erasures that are not done."""
        return self._find("SELECT * FROM ledger_open_erasures(:max_rows)", 0.0)

    def expiring_videos(self, notice_s: float) -> tuple[TenantRow, ...]:
        """Videos whose end is near and not announced."""
        return self._find("SELECT * FROM ledger_expiring_videos(:seconds, :max_rows)", notice_s)

    def expired_videos(self, notice_s: float) -> tuple[TenantRow, ...]:
        """Videos whose end was announced at least the notice ago, and has come."""
        return self._find("SELECT * FROM ledger_expired_videos(:seconds, :max_rows)", notice_s)

    def announce_expiry(self, found: TenantRow, notice_s: float) -> bool:
        """Tell the user, through the API, when the video ends; False if there is no need to."""
        values = {"user_id": found.user_id, "id": found.id, "notice_s": notice_s}
        with self._db.tenant(found.user_id, effect="video.announce_expiry") as tx:
            if tx.execute(_ANNOUNCE, values).one_or_none() is None:
                return False
            audit.record(
                tx,
                found.user_id,
                "video.expiry_announced",
                actor="system",
                subject_id=found.id,
            )
            return True

    def expire(self, found: TenantRow, notice_s: float) -> bool:
        """Delete a video as its user would; False if it is to be kept after all."""
        values = {"user_id": found.user_id, "id": found.id, "notice_s": notice_s}
        with self._db.tenant(found.user_id, effect="video.expire") as tx:
            if tx.execute(_EXPIRED, values).one_or_none() is None:
                return False
            erasing.erase_video(tx, found.user_id, found.id, by="retention")
            audit.record(tx, found.user_id, "video.expired", actor="system", subject_id=found.id)
            return True

    def ring(self, found: TenantRow, ring_again_after_s: float) -> tuple[UUID, ...]:
        """Owe another message about a due run; returns the ids of messages to publish."""
        values = {"user_id": found.user_id, "run_id": found.id, "ring_again_s": ring_again_after_s}
        with self._db.tenant(found.user_id, effect="run.ring") as tx:
            row = tx.execute(_RING, values).one_or_none()
            if row is None:
                return ()
            trace = row.traceparent
            return (ring(tx, found.user_id, found.id, row.lane, traceparent=trace),)

    def due_exports(self, ring_again_after_s: float) -> tuple[TenantRow, ...]:
        """Exports that nobody builds and that nobody was told of (recently)."""
        sql = "SELECT * FROM ledger_due_exports(:seconds, :max_rows)"
        return self._find(sql, ring_again_after_s)

    def expired_exports(self) -> tuple[TenantRow, ...]:
        """Exports whose archive is to go."""
        return self._find("SELECT * FROM ledger_expired_exports(:max_rows)", 0.0)

    def ring_export(self, found: TenantRow, ring_again_after_s: float) -> tuple[UUID, ...]:
        """Owe a message about a due export; returns the ids of messages to publish."""
        key = {"user_id": found.user_id, "id": found.id}
        with self._db.tenant(found.user_id, effect="export.ring") as tx:
            if tx.execute(_RING_EXPORT, key | {"ring_again_s": ring_again_after_s}).rowcount == 0:
                return ()
            message = ExportRequested(user_id=found.user_id, export_id=found.id)
            return (outbox.write(tx, found.user_id, EXPORT_TOPIC, message, traceparent=""),)

    def expire_export(self, found: TenantRow) -> None:
        """Note that the archive is gone."""
        with self._db.tenant(found.user_id, effect="export.expire") as tx:
            tx.execute(_EXPIRED_EXPORT, {"user_id": found.user_id, "id": found.id})

    def forget_exports(self, older_than_s: float) -> int:
        """Forget exports whose archive is long gone; returns how many."""
        with self._db.system(effect="export.forget") as tx:
            statement = text("SELECT ledger_forget_exports(:seconds)")
            return int(tx.execute(statement, {"seconds": older_than_s}).scalar_one())

    def erasures(self, *, settle_s: float, grace_s: float) -> Erasures:
        """Acts on open erasures; see `Erasures`."""
        return Erasures(self._db, settle_s=settle_s, grace_s=grace_s)

    def backlog(self) -> tuple[Backlog, ...]:
        """What waits in each lane, and what is under way."""
        statement = text("SELECT * FROM ledger_backlog(:lanes)")
        with self._db.system() as tx:
            rows = tx.execute(statement, {"lanes": list(LANES)})
            return tuple(Backlog(**row._mapping) for row in rows)

    def gauges(self) -> Gauges:
        """How much is unfinished, over all lanes."""
        with self._db.system() as tx:
            return Gauges(**tx.execute(text("SELECT * FROM ledger_gauges()")).one()._mapping)

    def tidy(self, older_than_s: float) -> int:
        """Forget published messages, done erasures, idempotency keys; returns how many rows."""
        with self._db.system(effect="ledger.tidy") as tx:
            statement = text("SELECT ledger_tidy(:seconds)")
            return int(tx.execute(statement, {"seconds": older_than_s}).scalar_one())

    def forget_letters(self, older_than_s: float) -> int:
        """Forget dead letters that were kept long enough; returns how many."""
        with self._db.system(effect="dead_letter.forget") as tx:
            statement = text("SELECT ledger_forget_letters(:seconds)")
            return int(tx.execute(statement, {"seconds": older_than_s}).scalar_one())

    def _find(self, sql: str, seconds: float) -> tuple[TenantRow, ...]:
        values: dict[str, Any] = {"max_rows": self._max_rows}
        if ":seconds" in sql:
            values["seconds"] = seconds
        with self._db.system() as tx:
            return tuple(
                TenantRow(user_id=row[0], id=row[1]) for row in tx.execute(text(sql), values)
            )
