"""Messages that nobody could handle: what they were, and why they came to lie here.

A dead letter explains, it decides nothing: what became of a run, the run's row says.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text

from common.database import Database
from common.errors import ContractError
from common.messages import RunDied, RunReady, decode

M = TypeVar("M", bound=BaseModel)
Reason = Literal["run_died", "message_invalid", "delivery_failed"]

#: Our own messages have some hundred bytes; what is longer is none of them.
MAX_PAYLOAD_BYTES: Final = 4096
#: Source: cloud.google.com/pubsub/docs/dead-letter-topics, "track delivery attempts".
_SOURCE_SUBSCRIPTION: Final = "CloudPubSubDeadLetterSourceSubscription"
_SOURCE_ATTEMPTS: Final = "CloudPubSubDeadLetterSourceDeliveryCount"

#: What the column holds, and more than Pub/Sub ever tries.
_COUNT: Final = re.compile("[0-9]{1,9}")

_VALUES = """
    :id, CAST(:user_id AS uuid), CAST(:run_id AS uuid), :reason, :error_code, :subscription,
    :delivery_attempts, :payload
"""
_INSERT = """
    INSERT INTO dead_letters (id, user_id, run_id, reason, error_code, subscription,
                              delivery_attempts, payload)
"""
_RECORD_UNREADABLE = text(f"{_INSERT} VALUES ({_VALUES}) ON CONFLICT DO NOTHING")
# A run that is gone was deleted, and so is all that is known of it.
_RECORD = text(f"""
    {_INSERT} SELECT {_VALUES}
    WHERE EXISTS (SELECT FROM runs WHERE user_id = :user_id AND id = :run_id)
    ON CONFLICT DO NOTHING
""")


class _Named(BaseModel):
    """What messages about runs say in every version."""

    user_id: UUID
    run_id: UUID


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message from the dead-letter topic."""

    id: str
    reason: Reason
    #: The run that it names; None for both if it cannot be read.
    user_id: UUID | None
    run_id: UUID | None
    error_code: str
    #: Short name of the subscription that could not handle it, or "".
    subscription: str
    delivery_attempts: int
    #: As it came.
    data: bytes


def read_letter(message_id: str, data: bytes, attributes: dict[str, str]) -> DeadLetter:
    """Find out what a dead letter is.

    Args:
        message_id: Pub/Sub's.
        data: the payload.
        attributes: Pub/Sub adds where it gave up, and a worker what it could not read.
    """
    subscription = attributes.get(_SOURCE_SUBSCRIPTION) or attributes.get("subscription", "")
    attempts = attributes.get(_SOURCE_ATTEMPTS, "")
    reason: Reason = "delivery_failed" if attempts else "message_invalid"
    user_id = run_id = None
    error_code = "message_invalid"
    if (died := _decoded(RunDied, data)) is not None:
        reason, error_code = "run_died", died.error_code
        user_id, run_id = died.user_id, died.run_id
    elif (ready := _decoded(RunReady, data)) is not None:
        error_code = "dependency_unavailable"
        user_id, run_id = ready.user_id, ready.run_id
    elif (named := _decoded(_Named, data)) is not None:
        # Of another version: not to be acted on, but it is that run's and goes with it.
        user_id, run_id = named.user_id, named.run_id
    return DeadLetter(
        id=message_id,
        reason=reason,
        user_id=user_id,
        run_id=run_id,
        error_code=error_code,
        subscription=subscription,
        delivery_attempts=int(attempts) if _COUNT.fullmatch(attempts) else 0,
        data=data[:MAX_PAYLOAD_BYTES],
    )


class DeadLetters:
    """Takes dead letters into the ledger.

    Args:
        db: as `heimdex_ingest`.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def record(self, letter: DeadLetter) -> bool:
        """Note a letter; False if it is known, or about a run that was deleted."""
        values = {
            "id": letter.id,
            "user_id": letter.user_id,
            "run_id": letter.run_id,
            "reason": letter.reason,
            "error_code": letter.error_code,
            "subscription": letter.subscription,
            "delivery_attempts": letter.delivery_attempts,
            "payload": base64.b64encode(letter.data).decode(),
        }
        if letter.user_id is None:
            with self._db.system(effect="dead_letter.record") as tx:
                return tx.execute(_RECORD_UNREADABLE, values).rowcount == 1
        with self._db.tenant(letter.user_id, effect="dead_letter.record") as tx:
            return tx.execute(_RECORD, values).rowcount == 1


def _decoded(cls: type[M], data: bytes) -> M | None:
    try:
        return decode(cls, data)
    except ContractError:
        return None
