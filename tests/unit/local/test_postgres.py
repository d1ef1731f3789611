"""The database of the local cloud, crashed on purpose."""

from __future__ import annotations

import pytest
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import postgres_server


def test_a_crash_keeps_what_was_committed_and_nothing_else() -> None:
    """Connections are cut, the committed row is there, and the server can still be stopped."""
    with postgres_server() as server:
        engine = sqlalchemy.create_engine(server.url("postgres"), poolclass=sqlalchemy.NullPool)
        with engine.begin() as tx:
            tx.execute(text("CREATE TABLE t AS SELECT 'committed' AS word"))
        with engine.connect() as cut:
            cut.execute(text("INSERT INTO t VALUES ('not committed')"))
            server.crash()
            with pytest.raises(DBAPIError):
                cut.execute(text("SELECT 1"))
            cut.invalidate()
        with engine.connect() as tx:
            assert tx.execute(text("SELECT word FROM t")).scalars().all() == ["committed"]
    with pytest.raises(DBAPIError):
        engine.connect()
