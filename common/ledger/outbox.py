"""Messages that a committed transaction owes to Pub/Sub.

A row is written in the transaction that makes the message true, published after it, and marked
when the publish was confirmed. Whoever wrote the row publishes it; what they could not, the sweep
does. So a message may be sent twice, but never lost and never sent about what did not happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.database import Database
from common.messages import Message, encode
from common.ports import Publisher

_WRITE = text("""
    INSERT INTO outbox (user_id, id, topic, payload, traceparent)
    VALUES (:user_id, :id, :topic, :payload, :traceparent)
""")
_READ = text("""
    SELECT topic, payload, traceparent FROM outbox
    WHERE user_id = :user_id AND id = :id AND published_at IS NULL
""")
_MARK = text("""
    UPDATE outbox SET published_at = clock_timestamp() WHERE user_id = :user_id AND id = :id
""")


def write(tx: Connection, user_id: UUID, topic: str, message: Message, *, traceparent: str) -> UUID:
    """Owe a message; returns the row's id, to publish after the commit."""
    message_id = uuid4()
    values = {
        "user_id": user_id,
        "id": message_id,
        "topic": topic,
        "payload": encode(message),
        "traceparent": traceparent,
    }
    tx.execute(_WRITE, values)
    return message_id


class Outbox:
    """Sends what is owed.

    Args:
        db: as a role that may read and update the outbox.
        bus: publishes and waits for the confirmation.
    """

    def __init__(self, db: Database, bus: Publisher) -> None:
        self._db = db
        self._bus = bus

    def publish(self, user_id: UUID, message_ids: Iterable[UUID]) -> int:
        """Send the messages that are still owed; returns how many.

        Raises:
            TransientError: Pub/Sub or the database cannot be reached; the rest stays owed.
        """
        return sum(self._publish_one(user_id, message_id) for message_id in message_ids)

    def _publish_one(self, user_id: UUID, message_id: UUID) -> bool:
        key = {"user_id": user_id, "id": message_id}
        with self._db.tenant(user_id) as tx:
            row = tx.execute(_READ, key).one_or_none()
        if row is None:
            return False
        attributes = {"traceparent": row.traceparent} if row.traceparent else {}
        self._bus.publish(row.topic, row.payload.encode(), attributes, effect="outbox.publish")
        with self._db.tenant(user_id, effect="outbox.mark") as tx:
            tx.execute(_MARK, key)
        return True
