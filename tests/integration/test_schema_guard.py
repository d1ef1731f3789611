"""Code refuses to work on a schema that is older than it, and works again once it is migrated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from common.database import Database
from common.errors import ConfigError, TransientError
from common.sql import migrate, version
from common.sql.version import SchemaOutdatedError
from common.web.app import create_app
from functions.api.routes import routes
from functions.api.services import Api
from gpu_jobs import main as job
from local.postgres import Postgres
from tests.conftest import SCHEMA, TestDatabase, settings

_SET = "UPDATE alembic_version SET version_num = :version"
_RUNTIME = "heimdex_api"


@contextmanager
def _empty(postgres: Postgres) -> Iterator[tuple[str, sqlalchemy.Engine]]:
    """A new database and its owner."""
    name = f"older_{uuid4().hex}"
    postgres.create_database(name)
    owner = sqlalchemy.create_engine(postgres.url(name), poolclass=sqlalchemy.NullPool)
    yield name, owner
    postgres.drop_database(name)


@contextmanager
def _as(postgres: Postgres, database: str, role: str = _RUNTIME) -> Iterator[Database]:
    pool = Database.connect(settings(database_url=postgres.url(database, role)))
    yield pool
    pool.close()


def test_files_are_named_by_their_revision() -> None:
    """What is read from the names is what Alembic reads from the files, in one line."""
    config = Config()
    config.set_main_option("script_location", str(version.VERSIONS.parent))
    script = ScriptDirectory.from_config(config)
    assert [each.revision for each in script.walk_revisions()] == list(reversed(version.known()))


def test_the_written_schema_is_of_the_latest_version() -> None:
    """Whoever adds a migration says so at the end of schema.sql, too."""
    assert f"INSERT INTO alembic_version VALUES ('{version.required()}')" in SCHEMA.read_text()


def test_a_database_that_is_really_older_is_refused(postgres: Postgres) -> None:
    """All migrations but the last: no transaction begins, and the error says what to do."""
    with _empty(postgres) as (name, owner), _as(postgres, name) as pool:
        migrate.upgrade(owner, version.known()[-2])
        with owner.begin() as connection:
            connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {_RUNTIME}")
        for _ in range(2):
            with pytest.raises(SchemaOutdatedError) as refused, pool.tenant(uuid4()):
                pass
        assert version.known()[-2] in refused.value.detail
        assert version.required() in refused.value.detail
        migrate.upgrade(owner)
        # The same pool: nothing needs to be started again.
        with pool.tenant(uuid4()) as tx:
            assert tx.execute(text("SELECT count(*) FROM users")).scalar_one() == 0


@pytest.mark.parametrize("role", ["heimdex_api", "heimdex_ingest", "heimdex_worker"])
def test_a_database_that_nobody_migrated_is_refused(postgres: Postgres, role: str) -> None:
    """An empty database is the oldest there is."""
    with (
        _empty(postgres) as (name, _),
        _as(postgres, name, role) as pool,
        pytest.raises(SchemaOutdatedError, match="migrate job"),
    ):
        pool.check_schema()


@pytest.mark.parametrize("role", ["api", "ingest", "worker", "operator"])
def test_every_runtime_role_can_read_the_version(postgres: Postgres, role: str) -> None:
    """After migrating; and an owner's grants survive migrating again."""
    with _empty(postgres) as (name, owner):
        migrate.upgrade(owner)
        migrate.upgrade(owner)
        with _as(postgres, name, f"heimdex_{role}") as pool:
            pool.check_schema()


def test_a_newer_database_is_welcome(database: TestDatabase) -> None:
    """The release before goes on working while the next one is rolled out, and after a rollback."""
    database.owner_rows(_SET, version="9999")
    pool = database.as_role(_RUNTIME)
    pool.check_schema()
    pool.close()


def test_a_lost_database_is_not_taken_for_an_older_one() -> None:
    """Nothing listens: that is another error, which says nothing of migrations."""
    pool = Database.connect(settings(database_url="postgresql+pg8000://nobody@127.0.0.1:1/none"))
    with pytest.raises(TransientError) as refused:
        pool.check_schema()
    assert refused.value.code == "dependency_unavailable"


def test_the_api_answers_503_until_it_is_migrated(
    database: TestDatabase, api_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients learn that it is for now, the log learns why; what touches no row is answered."""
    database.owner_rows(_SET, version=version.known()[-2])

    def authenticate(headers: object, *, check_revoked: bool) -> object:
        with api_database.tenant(uuid4()):
            raise AssertionError("a transaction began")

    app = create_app(
        "api",
        routes,
        Api(settings=settings(), signer=None),  # type: ignore[arg-type]  # nothing is signed
        settings=settings(),
        authenticate=authenticate,  # type: ignore[arg-type]  # never answers
        database=api_database,
    )
    client = app.test_client()
    answer = client.get("/v1/videos")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert json.loads(answer.data)["code"] == "unavailable"
    assert any("schema_outdated" in str(vars(record)) for record in caplog.records)
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/v1/healthz").status_code == 200


def test_a_job_ends_with_an_error_before_it_pulls(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and one line that says which migration is missing."""
    database.owner_rows(_SET, version=version.known()[-2])
    values = settings(database_url=database.url("heimdex_worker"))
    monkeypatch.setattr(job, "load", lambda: values)
    assert job.main(["--lane", "media"]) == 1
    told = capsys.readouterr().out
    assert "worker.refused" in told
    assert "schema_outdated" in told


# --- logins --------------------------------------------------------------------------------------


@pytest.fixture
def login(postgres: Postgres) -> Iterator[str]:
    """A login as Terraform makes it: it may do nothing. Named as IAM names service accounts."""
    name = f"heimdex-api-{uuid4().hex[:8]}@heimdex-test.iam"
    postgres.execute(f'CREATE ROLE "{name}" LOGIN')
    yield name
    postgres.execute(f'DROP ROLE "{name}"')


def test_a_login_gets_its_one_role(postgres: Postgres, database: TestDatabase, login: str) -> None:
    """Its transactions are those of the role, walls between tenants included; another role goes."""
    user_id = uuid4()
    database.owner_rows(
        "INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=user_id, uid=user_id.hex
    )
    for role in ("heimdex_ingest", _RUNTIME, _RUNTIME):
        migrate.upgrade(database.owner, logins={login: role})
    with _as(postgres, database.name, login) as pool:
        for tenant, count in ((user_id, 1), (uuid4(), 0)):
            with pool.tenant(tenant) as tx:
                assert tx.execute(text("SELECT count(*) FROM users")).scalar_one() == count
    roles = database.owner_rows(
        "SELECT CAST(CAST(roleid AS regrole) AS text) FROM pg_auth_members "
        "WHERE CAST(CAST(member AS regrole) AS text) = quote_ident(:login)",
        login=login,
    )
    assert [each[0] for each in roles] == [_RUNTIME]


@pytest.mark.parametrize("role", ["heimdex_ledger", "heimdex_auditor", "postgres", "x"])
def test_no_login_gets_a_role_that_sees_all_tenants(
    database: TestDatabase, login: str, role: str
) -> None:
    """Nobody is a member of those; whoever asks for it learns so, and nothing is migrated."""
    with pytest.raises(ConfigError) as refused:
        migrate.upgrade(database.owner, logins={login: role})
    assert role in refused.value.detail


def test_a_login_that_is_not_there_is_an_error(database: TestDatabase) -> None:
    """Terraform makes it first."""
    with pytest.raises(ConfigError) as refused:
        migrate.upgrade(database.owner, logins={"nobody@p.iam": _RUNTIME})
    assert "nobody@p.iam" in refused.value.detail
