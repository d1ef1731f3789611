"""Consent to faces being told apart: the user's for their videos, each person's for their photos.

Whoever writes what was made of faces holds the user's consent until the transaction ends, and
whoever withdraws it waits for them: so nothing is written after a withdrawal, and what was written
before is found by it. SQL in tenant transactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

#: The policy that is asked consent to (docs/people.md). Consent to an earlier one stays good until
#: it is withdrawn.
PolicyVersion = Literal["2026-11"]
POLICY_VERSION: Final[PolicyVersion] = "2026-11"

_HOLDS = text("""
    SELECT 1 FROM face_consents WHERE user_id = :user_id AND withdrawn_at IS NULL
""")
_FIND = text("""
    SELECT policy_version, given_at FROM face_consents
    WHERE user_id = :user_id AND withdrawn_at IS NULL
""")
_GIVE = text("""
    INSERT INTO face_consents (user_id, id, policy_version)
    VALUES (:user_id, :id, :policy_version)
    ON CONFLICT (user_id) WHERE withdrawn_at IS NULL DO NOTHING
""")
_WITHDRAW = text("""
    UPDATE face_consents SET withdrawn_at = clock_timestamp()
    WHERE user_id = :user_id AND withdrawn_at IS NULL
""")
_LOCK: Final = "pg_advisory_xact_lock{}(hashtextextended(:name, 0))"
_LOCK_SHARED = text(f"SELECT {_LOCK.format('_shared')}")
_LOCK_ALONE = text(f"SELECT {_LOCK.format('')}")


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What was agreed to, and when."""

    policy_version: str
    given_at: datetime


def find(tx: Connection, user_id: UUID) -> Consent | None:
    """The user's consent; None if it was not given, or withdrawn."""
    row = tx.execute(_FIND, {"user_id": user_id}).one_or_none()
    return None if row is None else Consent(**row._mapping)


def holds(tx: Connection, user_id: UUID) -> bool:
    """Whether the user consents, now."""
    return tx.execute(_HOLDS, {"user_id": user_id}).one_or_none() is not None


def hold(tx: Connection, user_id: UUID) -> bool:
    """Whether the user consents; it cannot be withdrawn until the transaction ends.

    To be called before rows about faces are locked: who withdraws locks in the same order.
    """
    tx.execute(_LOCK_SHARED, {"name": _lock_name(user_id)})
    return holds(tx, user_id)


def give(tx: Connection, user_id: UUID, policy_version: PolicyVersion) -> bool:
    """Record the user's consent; False if there is one."""
    values = {"user_id": user_id, "id": uuid4(), "policy_version": policy_version}
    return tx.execute(_GIVE, values).rowcount == 1


def withdraw(tx: Connection, user_id: UUID) -> bool:
    """Take the user's consent back, once nobody writes by it any more; False if there is none."""
    tx.execute(_LOCK_ALONE, {"name": _lock_name(user_id)})
    return tx.execute(_WITHDRAW, {"user_id": user_id}).rowcount == 1


def _lock_name(user_id: UUID) -> str:
    return f"face_consent:{user_id}"
