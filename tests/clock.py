"""A clock that tests set, in place of the database's own.

Production code asks `clock_timestamp()`; in a database with this clock, a function of that name
comes before Postgres's own for every connection that is opened afterwards. (Functions with a search
path of their own, such as the sweep's, are not deceived.)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.conftest import TestDatabase

_START = datetime(2031, 5, 17, 9, 30, 0, 123_457, tzinfo=UTC)
_MAKE = (
    "CREATE SCHEMA fake",
    "GRANT USAGE ON SCHEMA fake TO public",
    "CREATE TABLE fake.clock (at timestamptz NOT NULL)",
    "GRANT SELECT ON fake.clock TO public",
    "CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql "
    "AS 'SELECT at FROM fake.clock'",
)


class FakeClock:
    """Stands still until it is moved.

    Args:
        database: whose connections are not yet open.
    """

    def __init__(self, database: TestDatabase) -> None:
        self._database = database
        self.now = _START
        for statement in _MAKE:
            database.owner_rows(statement)
        database.owner_rows("INSERT INTO fake.clock VALUES (:now)", now=self.now)
        path = f'ALTER DATABASE "{database.name}" SET search_path = fake, pg_catalog, public'
        database.owner_rows(path)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self._database.owner_rows("UPDATE fake.clock SET at = :now", now=self.now)
