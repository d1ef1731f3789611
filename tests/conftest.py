"""Fixtures that many tests share: a real Postgres per test process, a fresh database per test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy
from hypothesis import settings as hypothesis_settings
from sqlalchemy import text

from common.config import Settings
from common.database import Database
from local.postgres import Postgres

SCHEMA = Path(__file__).parents[1] / "common" / "sql" / "schema.sql"
_TEMPLATE = "heimdex_template"

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("heimdex", deadline=None)
hypothesis_settings.load_profile("heimdex")


@dataclass(frozen=True, kw_only=True)
class TestDatabase:
    """One test's own database, as each runtime role and as its owner."""

    __test__ = False

    postgres: Postgres
    name: str
    owner: sqlalchemy.Engine

    def url(self, role: str = "") -> str:
        """SQLAlchemy URL as the role, or as the owner (who bypasses row-level security)."""
        return self.postgres.url(self.name, role)

    def as_role(self, role: str) -> Database:
        """A pool as `heimdex_api`, `heimdex_ingest` or `heimdex_worker`; the caller closes it."""
        return Database.connect(settings(database_url=self.url(role)))

    def owner_rows(self, sql: str, **params: object) -> list[sqlalchemy.Row[Any]]:
        """Run one statement as the owner: what is really in the tables, whoever's it is."""
        with self.owner.begin() as connection:
            result = connection.execute(text(sql), params)
            return list(result.all()) if result.returns_rows else []


def settings(**overrides: object) -> Settings:
    """Settings for tests, nothing taken from the environment that matters."""
    values: dict[str, object] = {
        "project": "heimdex-test",
        "uploads_bucket": "heimdex-test-uploads",
        "artifacts_bucket": "heimdex-test-artifacts",
        "token_key": "test-token-key",
    }
    return Settings(**(values | overrides))  # type: ignore[arg-type]  # pydantic validates


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of this test process's own, with the schema in a template database."""
    with postgres_server() as server:
        prepare_template(server)
        yield server


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A new server, with nothing in it.

    It is not below pytest's own directory: run as root, Postgres gets a user of its own, and every
    other pytest that starts closes that directory to all users but root.
    """
    with tempfile.TemporaryDirectory(prefix="heimdex-test-pg-") as directory:
        server = Postgres(Path(directory))
        server.start()
        try:
            # No test pulls this machine's plug; killed processes lose nothing without fsync.
            server.execute("ALTER SYSTEM SET fsync = off")
            server.execute("SELECT pg_reload_conf()")
            yield server
        finally:
            server.stop()


def prepare_template(server: Postgres) -> None:
    """Make what new databases are copied from."""
    server.create_database(_TEMPLATE)
    engine = sqlalchemy.create_engine(server.url(_TEMPLATE), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(SCHEMA.read_text())


@pytest.fixture
def database(postgres: Postgres) -> Iterator[TestDatabase]:
    """A database with the current schema and no rows."""
    with new_database(postgres) as made:
        yield made


@contextmanager
def new_database(postgres: Postgres) -> Iterator[TestDatabase]:
    """The same, for as long as the caller wants it."""
    name = f"test_{uuid4().hex}"
    postgres.create_database(name, template=_TEMPLATE)
    owner = sqlalchemy.create_engine(postgres.url(name))
    yield TestDatabase(postgres=postgres, name=name, owner=owner)
    owner.dispose()
    postgres.drop_database(name)


@pytest.fixture
def api_database(database: TestDatabase) -> Iterator[Database]:
    """A pool as `heimdex_api`."""
    pool = database.as_role("heimdex_api")
    yield pool
    pool.close()


@pytest.fixture
def worker_database(database: TestDatabase) -> Iterator[Database]:
    """A pool as `heimdex_worker`."""
    pool = database.as_role("heimdex_worker")
    yield pool
    pool.close()


@pytest.fixture
def ingest_database(database: TestDatabase) -> Iterator[Database]:
    """A pool as `heimdex_ingest`."""
    pool = database.as_role("heimdex_ingest")
    yield pool
    pool.close()


@pytest.fixture
def user_id(database: TestDatabase) -> UUID:
    """A user who exists, without limits: quotas have tests of their own."""
    return insert_user(database, tier="enterprise")


def insert_user(database: TestDatabase, *, tier: str) -> UUID:
    """A new user of a tier."""
    user = uuid4()
    database.owner_rows(
        "INSERT INTO users (id, firebase_uid, tier) VALUES (:id, :uid, :tier)",
        id=user,
        uid=f"uid-{user}",
        tier=tier,
    )
    return user
