"""The user's people, as far as processing may know them. SQL in tenant transactions."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

#: More names than a speech model can be given as a hint.
_MAX_NAMES: Final = 100


def list_names(tx: Connection, user_id: UUID) -> tuple[str, ...]:
    """Names of the tenant's people, the newest first, at most 100."""
    rows = tx.execute(
        text(
            "SELECT name FROM people WHERE user_id = :user_id "
            "ORDER BY created_at DESC, id LIMIT :limit"
        ),
        {"user_id": user_id, "limit": _MAX_NAMES},
    )
    return tuple(row.name for row in rows)
