"""The store's memory: one SQLite file and a directory of contents."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    plan TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'gone')),
    result TEXT
);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS generations (last INTEGER NOT NULL);
INSERT INTO generations SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM generations);
"""


class State:
    """Rows and files below one directory. Commits survive the death of the process.

    Args:
        root: made if it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self._contents = root / "contents"
        self._contents.mkdir(parents=True, exist_ok=True)
        self.rows = sqlite3.connect(
            root / "storage.sqlite3", isolation_level=None, check_same_thread=False
        )
        self.rows.execute("PRAGMA journal_mode = WAL")
        self.rows.execute("PRAGMA synchronous = NORMAL")
        self.rows.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are committed together, or none."""
        self.rows.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.rows.execute("ROLLBACK")
            raise
        self.rows.execute("COMMIT")

    def next_generation(self, at_least: int) -> int:
        """A number higher than any before it, and no less than `at_least`."""
        query = "UPDATE generations SET last = max(last + 1, ?) RETURNING last"
        (number,) = self.rows.execute(query, (at_least,)).fetchone()
        return int(number)

    def new_content(self) -> Path:
        """A path that nobody uses yet."""
        return self._contents / uuid.uuid4().hex

    def content(self, file: str) -> Path:
        """Where the bytes of a row lie."""
        return self._contents / file

    def sweep(self) -> None:
        """Delete contents that no row knows: leftovers of uploads cut by the end of the process."""
        known = {file for (file,) in self.rows.execute("SELECT file FROM objects")}
        known |= {f for (f,) in self.rows.execute("SELECT file FROM sessions WHERE state='open'")}
        for path in self._contents.iterdir():
            if path.name not in known:
                path.unlink()

    def close(self) -> None:
        """Close the database."""
        self.rows.close()
