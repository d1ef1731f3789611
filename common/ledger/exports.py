"""Exports: who builds an archive. Claimed and fenced like a run, and counted at claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text

from common.database import Database
from common.errors import LeaseLostError

#: A builder confirms its claim every few videos; after this long without, another may begin anew.
LEASE_S: Final = 600.0
MAX_ATTEMPTS: Final = 5
#: An archive is kept this long.
KEEP_S: Final = 7 * 24 * 3600.0

_CLAIMABLE = """
    user_id = :user_id AND id = :export_id
    AND (state = 'pending' OR state = 'building' AND lease_until < clock_timestamp())
"""
_CLAIM = text(f"""
    UPDATE exports SET state = 'building', attempt = attempt + 1,
        fencing_token = fencing_token + 1,
        lease_until = clock_timestamp() + make_interval(secs => :lease_s)
    WHERE {_CLAIMABLE} AND attempt < :max_attempts
      AND EXISTS (SELECT FROM users u WHERE u.id = exports.user_id AND u.deleted_at IS NULL)
    RETURNING fencing_token
""")
_EXHAUSTED = text(f"""
    UPDATE exports SET state = 'failed', error_code = 'export_failed', lease_until = NULL,
        finished_at = clock_timestamp()
    WHERE {_CLAIMABLE} AND attempt >= :max_attempts
""")
_HELD = "user_id = :user_id AND id = :export_id AND state = 'building' AND fencing_token = :token"
_EXTEND = text(f"""
    UPDATE exports SET lease_until = clock_timestamp() + make_interval(secs => :lease_s)
    WHERE {_HELD}
""")
_RELEASE = text(f"""
    UPDATE exports SET state = 'pending', lease_until = NULL, rung_at = clock_timestamp()
    WHERE {_HELD}
""")
_FINISH = text(f"""
    UPDATE exports SET state = 'ready', lease_until = NULL, object_name = :object_name,
        size_bytes = :size_bytes, video_count = :video_count, finished_at = clock_timestamp(),
        expires_at = clock_timestamp() + make_interval(secs => :keep_s)
    WHERE {_HELD}
""")


@dataclass(frozen=True, kw_only=True)
class ExportLease:
    """A claimed export."""

    user_id: UUID
    export_id: UUID
    fencing_token: int

    @property
    def prefix(self) -> str:
        """Below it are all objects of the export."""
        return f"exports/{self.user_id}/{self.export_id}/"

    @property
    def object_name(self) -> str:
        """Of the archive; another claim has another."""
        return f"{self.prefix}{self.fencing_token}.zip"


class Exports:
    """Claims exports; every method is one transaction.

    Args:
        db: as `heimdex_api`, which may read what is exported.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def claim(self, user_id: UUID, export_id: UUID) -> ExportLease | None:
        """Take an export that waits, or whose builder died; None if it is not so.

        One without attempts left fails here.
        """
        key = {"user_id": user_id, "export_id": export_id}
        limits = {"lease_s": LEASE_S, "max_attempts": MAX_ATTEMPTS}
        with self._db.tenant(user_id, effect="export.claim") as tx:
            row = tx.execute(_CLAIM, key | limits).one_or_none()
            if row is None:
                tx.execute(_EXHAUSTED, key | limits)
                return None
        return ExportLease(user_id=user_id, export_id=export_id, fencing_token=row.fencing_token)

    def extend(self, lease: ExportLease) -> None:
        """Confirm the claim for its full time from now.

        Raises:
            LeaseLostError: a video or the account was deleted, or another builder took over.
        """
        self._write(lease, _EXTEND, {"lease_s": LEASE_S}, effect="export.extend")

    def release(self, lease: ExportLease) -> None:
        """Give it back after a failure that may pass; the attempt stays counted.

        Raises:
            LeaseLostError: as `extend`.
        """
        self._write(lease, _RELEASE, {}, effect="export.release")

    def finish(self, lease: ExportLease, *, size_bytes: int, video_count: int) -> None:
        """Note that the archive is stored.

        Raises:
            LeaseLostError: as `extend`.
        """
        facts = {
            "object_name": lease.object_name,
            "size_bytes": size_bytes,
            "video_count": video_count,
            "keep_s": KEEP_S,
        }
        self._write(lease, _FINISH, facts, effect="export.finish")

    def _write(
        self, lease: ExportLease, statement: TextClause, values: dict[str, object], *, effect: str
    ) -> None:
        key = {
            "user_id": lease.user_id,
            "export_id": lease.export_id,
            "token": lease.fencing_token,
        }
        with self._db.tenant(lease.user_id, effect=effect) as tx:
            if tx.execute(statement, key | values).rowcount == 0:
                raise LeaseLostError(f"export {lease.export_id}, token {lease.fencing_token}")
