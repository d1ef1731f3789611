"""The SQLite file that keeps accounts, refresh tokens and mail over restarts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    uid                  TEXT PRIMARY KEY,
    email                TEXT UNIQUE,
    password_hash        TEXT,
    email_verified       INTEGER NOT NULL,
    display_name         TEXT,
    photo_url            TEXT,
    disabled             INTEGER NOT NULL,
    custom_claims        TEXT,
    valid_since_s        INTEGER NOT NULL,
    created_at_ms        INTEGER NOT NULL,
    last_sign_in_at_ms   INTEGER NOT NULL,
    password_changed_at_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refresh_tokens (
    sha256      TEXT PRIMARY KEY,
    uid         TEXT NOT NULL,
    provider    TEXT NOT NULL,
    auth_time_s INTEGER NOT NULL,
    revoked     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS refresh_tokens_of ON refresh_tokens (uid);
CREATE TABLE IF NOT EXISTS mail (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    code         TEXT NOT NULL UNIQUE,
    request_type TEXT NOT NULL,
    email        TEXT NOT NULL,
    link         TEXT NOT NULL,
    sent_at_s    INTEGER NOT NULL,
    used         INTEGER NOT NULL DEFAULT 0
);
"""


class State:
    """One connection that threads take turns with.

    Args:
        path: the database file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; on disk when it returns."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()
