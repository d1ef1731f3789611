"""SQLite file that lets topics, subscriptions and unacknowledged messages survive a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.pubsub.model import Entry, Message

_SCHEMA = """
CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, definition BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS subscription (name TEXT PRIMARY KEY, definition BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
  sequence INTEGER PRIMARY KEY, subscription TEXT NOT NULL, message_id TEXT NOT NULL,
  data BLOB NOT NULL, attributes TEXT NOT NULL, ordering_key TEXT NOT NULL,
  published_s REAL NOT NULL, attempts INTEGER NOT NULL, due_s REAL NOT NULL,
  leased INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS entry_subscription ON entry (subscription);
"""


class Journal:
    """The durable side of the broker. Not thread-safe; callers hold one lock.

    Args:
        path: the file, made when missing; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(
            path if path is not None else ":memory:",
            isolation_level=None,
            check_same_thread=False,
        )
        # WAL with NORMAL survives the death of this process, which is all a stand-in promises.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes of the body durable together, or none if it raises."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def next_number(self) -> int:
        """A number greater than all before, also over restarts."""
        row = self._db.execute(
            "INSERT INTO counter VALUES ('number', 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        ).fetchone()
        return int(row[0])

    def topics(self) -> list[bytes]:
        """Definitions of all topics."""
        return [row[0] for row in self._db.execute("SELECT definition FROM topic ORDER BY name")]

    def subscriptions(self) -> list[bytes]:
        """Definitions of all subscriptions."""
        rows = self._db.execute("SELECT definition FROM subscription ORDER BY name")
        return [row[0] for row in rows]

    def entries(self) -> Iterator[Entry]:
        """All unacknowledged copies, oldest first."""
        for row in self._db.execute("SELECT * FROM entry ORDER BY sequence"):
            yield _entry(row)

    def save_topic(self, name: str, definition: bytes) -> None:
        """Insert or replace a topic."""
        self._db.execute("REPLACE INTO topic VALUES (?, ?)", (name, definition))

    def drop_topic(self, name: str) -> None:
        """Forget a topic."""
        self._db.execute("DELETE FROM topic WHERE name = ?", (name,))

    def save_subscription(self, name: str, definition: bytes) -> None:
        """Insert or replace a subscription."""
        self._db.execute("REPLACE INTO subscription VALUES (?, ?)", (name, definition))

    def drop_subscription(self, name: str) -> None:
        """Forget a subscription with its messages."""
        self._db.execute("DELETE FROM subscription WHERE name = ?", (name,))
        self._db.execute("DELETE FROM entry WHERE subscription = ?", (name,))

    def add_entry(self, entry: Entry) -> None:
        """Store a new copy of a message."""
        message = entry.message
        self._db.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.sequence,
                entry.subscription,
                message.message_id,
                message.data,
                json.dumps(dict(message.attributes)),
                message.ordering_key,
                message.published_s,
                entry.attempts,
                entry.due_s,
                entry.leased,
            ),
        )

    def update_entry(self, entry: Entry) -> None:
        """Store a copy's attempts and lease."""
        self._db.execute(
            "UPDATE entry SET attempts = ?, due_s = ?, leased = ? WHERE sequence = ?",
            (entry.attempts, entry.due_s, entry.leased, entry.sequence),
        )

    def drop_entry(self, sequence: int) -> None:
        """Forget a copy."""
        self._db.execute("DELETE FROM entry WHERE sequence = ?", (sequence,))


def _entry(row: tuple[int, str, str, bytes, str, str, float, int, float, int]) -> Entry:
    sequence, subscription, message_id, data, attributes, key, published_s, *state = row
    attempts, due_s, leased = state
    message = Message(
        message_id=message_id,
        data=data,
        attributes=json.loads(attributes),
        ordering_key=key,
        published_s=published_s,
    )
    return Entry(
        sequence=sequence,
        subscription=subscription,
        message=message,
        attempts=int(attempts),
        due_s=float(due_s),
        leased=bool(leased),
    )
