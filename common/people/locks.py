"""One at a time per user: what changes people, clusters or who is where."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

#: Namespace of the locks; migrations take theirs with one number, not two.
_PEOPLE: Final = 0x50504C45
_LOCK = text("SELECT pg_advisory_xact_lock(:namespace, hashtext(:user_id))")


def lock_people(tx: Connection, user_id: UUID) -> None:
    """Wait for other transactions that change the user's people; held until this one ends."""
    tx.execute(_LOCK, {"namespace": _PEOPLE, "user_id": str(user_id)})
