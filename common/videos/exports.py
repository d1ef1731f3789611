"""A user's exports, as the API asks for and shows them. SQL in tenant transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common import audit
from common.errors import NotFoundError
from common.quotas.buckets import charge

ExportState = Literal["pending", "building", "ready", "failed", "expired"]

_COLUMNS = (
    "id, state, error_code, object_name, size_bytes, video_count, created_at, finished_at, "
    "expires_at"
)


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """An export."""

    id: UUID
    state: ExportState
    error_code: str | None
    #: Of the archive in the artifacts bucket.
    object_name: str | None
    size_bytes: int | None
    video_count: int | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


def request(tx: Connection, user_id: UUID) -> ExportRecord:
    """Ask for an archive; one that is not built yet will do, as it will hold what is there then.

    Raises:
        QuotaError: enough were made today.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    tx.execute(lock, {"name": f"export:{user_id}"})
    waiting = tx.execute(
        text(f"SELECT {_COLUMNS} FROM exports WHERE user_id = :user_id AND state = 'pending'"),
        {"user_id": user_id},
    ).first()
    if waiting is not None:
        return ExportRecord(**waiting._mapping)
    charge(tx, user_id, "exports")
    export_id = uuid4()
    tx.execute(
        text("INSERT INTO exports (user_id, id) VALUES (:user_id, :id)"),
        {"user_id": user_id, "id": export_id},
    )
    audit.record(tx, user_id, "export.created", subject_id=export_id)
    return find(tx, user_id, export_id)


def find(tx: Connection, user_id: UUID, export_id: UUID) -> ExportRecord:
    """One export; one whose time is over counts as expired, whether its object is gone or not.

    Raises:
        NotFoundError: missing, forgotten or another tenant's.
    """
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS}, state = 'ready' AND expires_at <= clock_timestamp() AS over "
            "FROM exports WHERE user_id = :user_id AND id = :id"
        ),
        {"user_id": user_id, "id": export_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"export {export_id}")
    values = dict(row._mapping)
    if values.pop("over"):
        values["state"] = "expired"
    return ExportRecord(**values)
