"""Idempotency keys: a POST that is sent twice has one effect and one answer.

The key, the effect and the answer are written in one transaction, so there is no moment at which a
key is taken and its effect is missing. An advisory lock tells a second request that the first is
still at work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import InputError
from common.web.problem import InvalidRequestError, field_problem

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255

#: How long an answer is kept.
_KEEP_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request that carries a key."""

    user_id: UUID
    key: str
    #: Fingerprint of what is asked: the same key may not ask for something else.
    request_sha256: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A success as it is sent, and sent again."""

    status: int
    #: JSON, or None for no body.
    body: str | None
    headers: Mapping[str, str]


def attempt(user_id: UUID, key: str, *, route: str, body: str) -> Attempt:
    """Describe a request.

    Args:
        user_id: the tenant; keys of different tenants never meet.
        key: the header's value.
        route: method and concrete path.
        body: canonical JSON of the validated body.

    Raises:
        InvalidRequestError: the key is empty, too long or not printable ASCII.
    """
    if not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise InvalidRequestError(
            [
                field_problem(
                    HEADER,
                    "key_format",
                    f"1 to {MAX_KEY_LENGTH} printable ASCII characters.",
                    f"출력 가능한 ASCII 문자 1~{MAX_KEY_LENGTH}자여야 합니다.",
                )
            ]
        )
    fingerprint = hashlib.sha256(json.dumps([route, body]).encode()).hexdigest()
    return Attempt(user_id=user_id, key=key, request_sha256=fingerprint)


def claim(tx: Connection, attempt: Attempt) -> Answer | None:
    """Take the key for this transaction, or return the answer of the request that had it.

    Raises:
        InputError: `idempotency_conflict` while another request with the key is in progress;
            `idempotency_key_reused` if the key came with a different request.
    """
    _lock(tx, attempt)
    _forget_expired(tx, attempt.user_id)
    taken = tx.execute(
        text(
            "INSERT INTO idempotency_keys (user_id, key, request_sha256) "
            "VALUES (:user_id, :key, :sha256) ON CONFLICT (user_id, key) DO NOTHING"
        ),
        {"user_id": attempt.user_id, "key": attempt.key, "sha256": attempt.request_sha256},
    )
    return None if taken.rowcount == 1 else _stored(tx, attempt)


def keep(tx: Connection, attempt: Attempt, answer: Answer) -> None:
    """Store the answer beside the effect."""
    tx.execute(
        text(
            "UPDATE idempotency_keys SET status = :status, response = :response "
            "WHERE user_id = :user_id AND key = :key"
        ),
        {
            "status": answer.status,
            "response": json.dumps({"headers": dict(answer.headers), "body": answer.body}),
            "user_id": attempt.user_id,
            "key": attempt.key,
        },
    )


def _lock(tx: Connection, attempt: Attempt) -> None:
    """Hold the key until the transaction ends.

    Two keys whose 64-bit hashes collide would at worst make one client retry.
    """
    name = f"idempotency:{attempt.user_id}:{attempt.key}"
    locked = tx.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
    )
    if not locked.scalar_one():
        raise InputError("idempotency_conflict")


def _forget_expired(tx: Connection, user_id: UUID) -> None:
    tx.execute(
        text(
            "DELETE FROM idempotency_keys WHERE user_id = :user_id "
            "AND created_at < now() - make_interval(hours => :hours)"
        ),
        {"user_id": user_id, "hours": _KEEP_HOURS},
    )


def _stored(tx: Connection, attempt: Attempt) -> Answer:
    row = tx.execute(
        text(
            "SELECT request_sha256, status, response FROM idempotency_keys "
            "WHERE user_id = :user_id AND key = :key"
        ),
        {"user_id": attempt.user_id, "key": attempt.key},
    ).one()
    # What was answered named something that was erased since.
    if row.response is None or row.request_sha256 != attempt.request_sha256:
        raise InputError("idempotency_key_reused")
    stored = json.loads(row.response)
    return Answer(status=row.status, body=stored["body"], headers=stored["headers"])
