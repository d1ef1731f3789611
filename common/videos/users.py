"""The user's own row. SQL in tenant transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class UserRecord:
    """A user."""

    id: UUID
    email: str | None
    created_at: datetime


def find(tx: Connection, user_id: UUID) -> UserRecord:
    """The tenant's own row.

    Raises:
        NotFoundError: it was deleted.
    """
    row = tx.execute(
        text("SELECT id, email, created_at FROM users WHERE id = :id"), {"id": user_id}
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"user {user_id}")
    return UserRecord(**row._mapping)
