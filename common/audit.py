"""Audit events: what matters later, without content and without names. SQL in tenant transactions.

A row says who did what to which row, and when. Runtime roles can add rows and change none.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

Actor = Literal["user", "system", "operator"]
#: `tier.changed` is written by `set_tier` (schema.sql).
Action = Literal[
    "account.created",
    "account.deleted",
    "upload.created",
    "video.deleted",
    "video.expiry_announced",
    "video.expired",
    "export.created",
    "person.created",
    "person.deleted",
    "person.consent_given",
    "person.consent_withdrawn",
    "photo.created",
    "photo.deleted",
    "faces.consent_given",
    "faces.consent_withdrawn",
    "cluster.named",
    "cluster.merged",
    "cluster.split",
    "person.merged",
    "person.denied",
    "faces.undone",
    "faces.redone",
    "quota.refused",
    "tier.changed",
]

_RECORD = text("""
    INSERT INTO audit_events (user_id, id, at, actor, action, subject_id, code)
    VALUES (:user_id, :id, clock_timestamp(), :actor, :action, :subject_id, :code)
""")
# Whoever is refused a thousand times an hour is not to fill the table with it.
_REFUSED_BEFORE = text("""
    SELECT 1 FROM audit_events
    WHERE user_id = :user_id AND action = 'quota.refused' AND code = :code
      AND at > clock_timestamp() - interval '1 hour'
    LIMIT 1
""")


def record(
    tx: Connection,
    user_id: UUID,
    action: Action,
    *,
    actor: Actor = "user",
    subject_id: UUID | None = None,
    code: str | None = None,
) -> None:
    """Write an event in the transaction that makes it true.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant that it happened to.
        action: what happened.
        actor: who did it.
        subject_id: the video, export, person or photo.
        code: a stable name, such as an error's code; never content.
    """
    values = {"user_id": user_id, "id": uuid4(), "actor": actor, "action": action}
    tx.execute(_RECORD, values | {"subject_id": subject_id, "code": code})


def record_refusal(tx: Connection, user_id: UUID, code: str) -> None:
    """Write that a quota refused a request: once an hour for each code."""
    known = tx.execute(_REFUSED_BEFORE, {"user_id": user_id, "code": code}).one_or_none()
    if known is None:
        record(tx, user_id, "quota.refused", code=code)
