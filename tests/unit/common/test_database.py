"""Tenant transactions."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from common.database import Database
from common.errors import TransientError
from tests.conftest import TestDatabase, settings

_COUNT = text("SELECT count(*) FROM users")
_BACKEND = text("SELECT pg_backend_pid()")
_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"


def test_a_tenant_sees_only_its_own_rows(api_database: Database, user_id: UUID) -> None:
    """Row-level security hides every other tenant, also on a connection used before."""
    with api_database.tenant(user_id) as tx:
        assert tx.execute(_COUNT).scalar_one() == 1
    with api_database.tenant(uuid4()) as tx:
        assert tx.execute(_COUNT).scalar_one() == 0


def test_no_tenant_sees_nothing(api_database: Database, user_id: UUID) -> None:
    """A transaction without a tenant fails closed, after a tenant used the same connection."""
    with api_database.tenant(user_id):
        pass
    with api_database.system() as tx:
        assert tx.execute(_COUNT).scalar_one() == 0


def test_a_commit_does_not_leave_its_tenant_behind(api_database: Database, user_id: UUID) -> None:
    """The next borrower of a connection whose last transaction was committed is nobody."""
    with api_database.tenant(user_id, effect="test.write") as tx:
        first = tx.execute(_BACKEND).scalar_one()
    with api_database.system() as tx:
        assert tx.execute(_BACKEND).scalar_one() == first
        assert tx.execute(_COUNT).scalar_one() == 0


def test_writing_for_another_tenant_is_refused(api_database: Database, user_id: UUID) -> None:
    """WITH CHECK refuses a row that carries a foreign user id."""
    insert = text("INSERT INTO videos (user_id, id, title) VALUES (:user_id, :id, 't')")
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        api_database.tenant(uuid4(), effect="test.insert") as tx,
    ):
        tx.execute(insert, {"user_id": user_id, "id": uuid4()})


def test_nothing_is_committed_without_an_effect(api_database: Database, user_id: UUID) -> None:
    """A transaction that names no effect is for reading and is rolled back."""
    with api_database.tenant(user_id) as tx:
        tx.execute(text("UPDATE users SET email = 'x'"))
    with api_database.tenant(user_id) as tx:
        assert tx.execute(text("SELECT email FROM users")).scalar_one() is None


def test_an_error_rolls_back(api_database: Database, user_id: UUID) -> None:
    """An exception inside the transaction leaves nothing behind."""

    def update_and_fail() -> None:
        with api_database.tenant(user_id, effect="test.update") as tx:
            tx.execute(text("UPDATE users SET email = 'x'"))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        update_and_fail()
    with api_database.tenant(user_id) as tx:
        assert tx.execute(text("SELECT email FROM users")).scalar_one() is None


def test_an_unreachable_database_is_transient() -> None:
    """A server that is not there is worth a retry, not a crash."""
    database = Database.connect(
        settings(database_url="postgresql+pg8000://nobody@127.0.0.1:1/none")
    )
    with pytest.raises(TransientError), database.tenant(uuid4()):
        pass


def test_a_lost_connection_is_transient(
    api_database: Database, database: TestDatabase, user_id: UUID
) -> None:
    """Though pg8000 reports it in several ways; afterwards the pool connects anew."""

    def lose_the_connection() -> None:
        with api_database.tenant(user_id) as tx:
            database.postgres.execute(_TERMINATE.format(name=database.name))
            tx.execute(_COUNT)

    with pytest.raises(TransientError):
        lose_the_connection()
    with api_database.tenant(user_id) as tx:
        assert tx.execute(_COUNT).scalar_one() == 1


def test_a_deadlock_is_transient(api_database: Database, user_id: UUID) -> None:
    """Of two transactions that wait for each other one is told to try again, and one ends."""
    lock = text("SELECT pg_advisory_xact_lock(:number)")
    both_hold = threading.Barrier(2)
    ended: list[str] = []

    def take(first: int, then: int) -> None:
        try:
            with api_database.tenant(user_id, effect="test.lock") as tx:
                tx.execute(lock, {"number": first})
                both_hold.wait()
                tx.execute(lock, {"number": then})
        except TransientError as error:
            ended.append(error.code)
        else:
            ended.append("")

    other = threading.Thread(target=take, args=(2, 1))
    other.start()
    take(1, 2)
    other.join()
    assert sorted(ended) == ["", "dependency_unavailable"]


def test_a_frozen_transaction_lets_go_of_its_locks(database: TestDatabase, user_id: UUID) -> None:
    """Somebody else gets the row soon, and the frozen process finds its transaction gone."""
    lock = text("SELECT 1 FROM users WHERE id = :id FOR UPDATE")
    frozen = Database.connect(
        settings(database_url=database.url("heimdex_api"), idle_in_transaction_s=0.2)
    )
    heir = database.as_role("heimdex_api")

    def go_on() -> None:
        with frozen.tenant(user_id, effect="test.write") as tx:
            tx.execute(lock, {"id": user_id})
            with heir.tenant(user_id) as other:
                other.execute(lock, {"id": user_id})
            tx.execute(_COUNT)

    with pytest.raises(TransientError):
        go_on()
    frozen.close()
    heir.close()


def test_a_server_that_refuses_connections_is_transient(
    api_database: Database, database: TestDatabase, user_id: UUID
) -> None:
    """As it does while it starts or stops, or has no connection left."""
    refuse = f'ALTER DATABASE "{database.name}" WITH ALLOW_CONNECTIONS'
    database.postgres.execute(f"{refuse} false")
    with pytest.raises(TransientError), api_database.tenant(user_id):
        pass
    database.postgres.execute(f"{refuse} true")
    with api_database.tenant(user_id) as tx:
        assert tx.execute(_COUNT).scalar_one() == 1


def test_every_tenant_table_forces_row_level_security(database: TestDatabase) -> None:
    """No table is left without forced row-level security and a policy, but for the settings."""
    unprotected = database.owner_rows(
        """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind = 'r'
          AND c.relname NOT IN ('alembic_version', 'tiers', 'tier_limits')
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity
                   AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
        """
    )
    assert unprotected == []


def test_a_commit_may_do_without_the_disk(api_database: Database, user_id: UUID) -> None:
    """Only where it was asked for, and only for that transaction."""
    show = text("SHOW synchronous_commit")
    with api_database.tenant(user_id, effect="test.hasty", waits_for_disk=False) as tx:
        assert tx.execute(show).scalar_one() == "off"
        assert tx.execute(_COUNT).scalar_one() == 1
    with api_database.tenant(user_id) as tx:
        assert tx.execute(show).scalar_one() == "on"


def test_runtime_roles_own_nothing_and_cannot_bypass(database: TestDatabase) -> None:
    """The roles that processes log in as are bound by the policies."""
    rows = database.owner_rows(
        """
        SELECT rolname FROM pg_roles r WHERE rolname LIKE 'heimdex_%'
          AND (rolsuper OR rolbypassrls
               OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid))
        """
    )
    assert rows == []
