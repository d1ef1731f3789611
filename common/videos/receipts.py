"""Receipts of what a user had erased. SQL in tenant transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from common.videos.erasing import RequestedBy, Subject


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """That something was erased; without saying what it was."""

    id: UUID
    subject: Subject
    #: Of the id of what was erased, in hex.
    subject_sha256: str
    requested_by: RequestedBy
    requested_at: datetime
    #: None while objects or rows may still be there.
    finished_at: datetime | None
    #: By kind, how many.
    removed: dict[str, int]


def list_newest(
    tx: Connection, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> list[Receipt]:
    """The tenant's receipts, newest first.

    Args:
        tx: a transaction of the tenant.
        limit: at most this many.
        before: time and id of the receipt that the list goes on after.
    """
    requested_at, receipt_id = before or (None, None)
    rows = tx.execute(
        text(
            "SELECT id, subject, subject_sha256, requested_by, requested_at, finished_at, removed "
            "FROM erasure_receipts "
            "WHERE user_sha256 = app_user_sha256() AND (CAST(:id AS uuid) IS NULL "
            "OR (requested_at, id) < (CAST(:requested_at AS timestamptz), CAST(:id AS uuid))) "
            "ORDER BY requested_at DESC, id DESC LIMIT :limit"
        ),
        {"requested_at": requested_at, "id": receipt_id, "limit": limit},
    )
    return [Receipt(**row._mapping) for row in rows]
