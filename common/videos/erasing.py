"""Deleting for real: a video, or an account with everything in it. SQL in tenant transactions.

What people see is gone when the transaction commits. What stands elsewhere (objects, the Firebase
account) or must stay a while so that late events and workers find it deleted (the video's row, its
runs) is owed: the sweep carries it out, and a receipt without personal content counts what went.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.errors import NotFoundError
from common.people.locks import lock_people

Subject = Literal["video", "account", "person", "photo", "faces"]
RequestedBy = Literal["user", "operator", "retention"]

#: Tables whose rows go with a scene, by the name a receipt counts them under.
_OF_SCENES: Final[Mapping[str, str]] = {
    "terms": "scene_terms",
    "tags": "scene_tags",
    "text_vectors": "text_vectors",
    "frame_vectors": "frame_vectors",
    "text_codes": "text_codes",
    "frame_codes": "frame_codes",
    "people_in_scenes": "scene_people",
}
_SCENES = "SELECT id FROM scenes WHERE user_id = :user_id AND (:whole OR video_id = :video_id)"
_COUNTS = text(
    f"SELECT (SELECT count(*) FROM ({_SCENES}) s) AS scenes, "
    + ", ".join(
        f"(SELECT count(*) FROM {table} WHERE user_id = :user_id AND scene_id IN ({_SCENES}))"
        f" AS {name}"
        for name, table in _OF_SCENES.items()
    )
)
# The row keeps nothing that a person wrote.
_MARK_VIDEOS = text("""
    UPDATE videos SET deleted_at = now(), updated_at = now(), title = ''
    WHERE user_id = :user_id AND (:whole OR id = :video_id) AND deleted_at IS NULL
""")
# A worker that holds one of the runs loses it: the fencing token moves on.
_CANCEL_RUNS = text("""
    UPDATE runs SET state = 'cancelled', finished_at = now(), lease_until = NULL,
        fencing_token = fencing_token + 1
    WHERE user_id = :user_id AND (:whole OR video_id = :video_id) AND state IN ('ready', 'running')
""")
# Terms, tags, vectors, codes and people of the scenes go with them, by their foreign keys.
_DELETE_SCENES = text("""
    DELETE FROM scenes WHERE user_id = :user_id AND (:whole OR video_id = :video_id)
""")
# With faces go their clusters' claims on them, and what the user said about them.
_DELETE_FACES = text("""
    DELETE FROM face_observations WHERE user_id = :user_id AND (:whole OR video_id = :video_id)
""")
# An answer that could be given again names the video and its title. The key stays taken.
_BLANK_ANSWERS = text("""
    UPDATE idempotency_keys SET response = NULL
    WHERE user_id = :user_id AND position(:subject IN response) > 0
""")
# An archive of before holds the video; one that is being built begins anew, without it.
_EXPIRE_EXPORTS = text("""
    UPDATE exports SET state = CASE state WHEN 'ready' THEN 'expired' ELSE 'pending' END,
        fencing_token = fencing_token + 1, attempt = 0, expires_at = now(), rung_at = NULL
    WHERE user_id = :user_id AND state IN ('ready', 'building')
""")
_OWE = text("""
    INSERT INTO erasures (user_id, id, video_id)
    VALUES (:user_id, :id, CAST(:video_id AS uuid))
""")
_RECEIPT = text("""
    INSERT INTO erasure_receipts
        (id, user_sha256, subject, subject_sha256, requested_by, removed)
    VALUES (:id, :user_sha256, :subject, :subject_sha256, :requested_by, CAST(:removed AS jsonb))
""")
_MARK_USER = text("""
    UPDATE users SET deleted_at = now(), email = NULL WHERE id = :user_id AND deleted_at IS NULL
""")
#: What an account has besides videos. With people go their photos, and those's vectors and runs.
_OWN_TABLES: Final = (
    "people",
    "face_observations",
    "face_clusters",
    "people_journal",
    "face_consents",
    "face_erasures",
    "idempotency_keys",
    "exports",
)


def erase_video(tx: Connection, user_id: UUID, video_id: UUID, *, by: RequestedBy = "user") -> None:
    """Delete a video: gone from every list and search when the transaction commits.

    Raises:
        NotFoundError: missing, deleted or another tenant's.
    """
    key = {"user_id": user_id, "video_id": video_id, "whole": False}
    if tx.execute(_MARK_VIDEOS, key).rowcount == 0:
        raise NotFoundError(f"video {video_id}")
    removed = _delete_rows(tx, key)
    forget_answers(tx, user_id, video_id)
    expire_exports(tx, user_id)
    _owe(tx, user_id, video_id, removed, by)


def erase_account(tx: Connection, user_id: UUID, *, by: RequestedBy = "user") -> None:
    """Delete everything a user has; nobody can sign in to the account from then on.

    Raises:
        NotFoundError: it was deleted before.
    """
    if tx.execute(_MARK_USER, {"user_id": user_id}).rowcount == 0:
        raise NotFoundError(f"user {user_id}")
    key = {"user_id": user_id, "video_id": user_id, "whole": True}
    tx.execute(_MARK_VIDEOS, key)
    removed = _delete_rows(tx, key)
    for table in _OWN_TABLES:
        statement = text(f"DELETE FROM {table} WHERE user_id = :user_id")
        removed[table] = tx.execute(statement, {"user_id": user_id}).rowcount
    _owe(tx, user_id, None, removed, by)


def sha256_of(subject: UUID) -> str:
    """The name of a user or video in receipts."""
    return hashlib.sha256(str(subject).encode()).hexdigest()


def forget_answers(tx: Connection, user_id: UUID, subject: UUID) -> None:
    """Blank the answers that could be given again and name something that is deleted."""
    tx.execute(_BLANK_ANSWERS, {"user_id": user_id, "subject": str(subject)})


def expire_exports(tx: Connection, user_id: UUID) -> None:
    """Have archives deleted that hold what was deleted since."""
    tx.execute(_EXPIRE_EXPORTS, {"user_id": user_id})


def write_receipt(
    tx: Connection,
    user_id: UUID,
    receipt_id: UUID,
    subject: tuple[Subject, UUID],
    removed: Mapping[str, int],
    by: RequestedBy,
) -> None:
    """Note what was deleted, without saying what it was.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant.
        receipt_id: also of what is owed.
        subject: what it was, and its id.
        removed: by kind, how many went already.
        by: who asked for it.
    """
    kind, subject_id = subject
    values = {
        "id": receipt_id,
        "user_sha256": sha256_of(user_id),
        "subject": kind,
        "subject_sha256": sha256_of(subject_id),
        "requested_by": by,
        "removed": json.dumps({name: count for name, count in removed.items() if count}),
    }
    tx.execute(_RECEIPT, values)


def _delete_rows(tx: Connection, key: Mapping[str, Any]) -> dict[str, int]:
    # Whoever finds people in scenes locks these before rows.
    lock_people(tx, key["user_id"])
    tx.execute(_CANCEL_RUNS, key)
    counts = {name: int(count) for name, count in tx.execute(_COUNTS, key).one()._mapping.items()}
    tx.execute(_DELETE_SCENES, key)
    return counts | {"faces": tx.execute(_DELETE_FACES, key).rowcount}


def _owe(
    tx: Connection, user_id: UUID, video_id: UUID | None, removed: dict[str, int], by: RequestedBy
) -> None:
    erasure_id = uuid4()
    tx.execute(_OWE, {"user_id": user_id, "id": erasure_id, "video_id": video_id})
    subject: tuple[Subject, UUID] = (
        ("account", user_id) if video_id is None else ("video", video_id)
    )
    write_receipt(tx, user_id, erasure_id, subject, removed, by)
