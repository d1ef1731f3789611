"""What a user's tier allows, how much of it is used, and which videos it will not keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from common.quotas.admission import in_processing
from common.quotas.buckets import Level, levels

#: More notices than anybody reads; the list of videos has them all.
_MAX_NOTICES: Final = 100

_TIER = text("""
    SELECT t.name, t.max_in_processing, t.retention_days
    FROM users u JOIN tiers t ON t.name = u.tier WHERE u.id = :user_id
""")
_NOTICES = text("""
    SELECT id, title, expires_at, expiry_announced_at FROM videos
    WHERE user_id = :user_id AND deleted_at IS NULL
      AND expires_at IS NOT NULL AND expiry_announced_at IS NOT NULL
    ORDER BY expires_at, id LIMIT :limit
""")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A user's tier and how much of it is left."""

    tier: str
    #: None: any number.
    max_in_processing: int | None
    in_processing: int
    #: None: until they are deleted.
    retention_days: int | None
    #: Of the buckets that the tier limits.
    levels: tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class ExpiryNotice:
    """A video that is deleted soon."""

    id: UUID
    title: str
    expires_at: datetime
    expiry_announced_at: datetime


def usage(tx: Connection, user_id: UUID) -> Usage:
    """Read everything that a user may do; the user exists."""
    tier = tx.execute(_TIER, {"user_id": user_id}).one()
    return Usage(
        tier=tier.name,
        max_in_processing=tier.max_in_processing,
        in_processing=in_processing(tx, user_id),
        retention_days=tier.retention_days,
        levels=tuple(levels(tx, user_id)),
    )


def expiry_notices(tx: Connection, user_id: UUID) -> list[ExpiryNotice]:
    """Videos whose end was announced, the nearest first, at most 100."""
    rows = tx.execute(_NOTICES, {"user_id": user_id, "limit": _MAX_NOTICES})
    return [ExpiryNotice(**row._mapping) for row in rows]
