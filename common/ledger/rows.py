"""How work across tenants names what it found."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class TenantRow:
    """A row of some tenant, by its key."""

    user_id: UUID
    id: UUID
