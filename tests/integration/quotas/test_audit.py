"""Audit events are added, never changed, and each tenant's are its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from uuid import UUID, uuid4

import pytest
import sqlalchemy

from common import audit
from common.database import Database
from common.quotas.tiers import change
from common.web import auth
from tests.conftest import TestDatabase, insert_user

_ROLES = ("heimdex_api", "heimdex_ingest", "heimdex_worker")
_CHANGES = (
    "UPDATE audit_events SET action = 'video.deleted'",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
)


def _refused(by: str) -> AbstractContextManager[object]:
    """Postgres refuses the body."""
    return pytest.raises(sqlalchemy.exc.DBAPIError, match=by)


def test_no_runtime_role_changes_an_event(database: TestDatabase, user_id: UUID) -> None:
    """Not even a tenant's own."""
    for role in _ROLES:
        db = database.as_role(role)
        with db.tenant(user_id, effect="test.record") as tx:
            audit.record(tx, user_id, "upload.created", subject_id=uuid4())
        for statement in _CHANGES:
            with _refused("permission denied"), db.tenant(user_id, effect="test.forge") as tx:
                tx.exec_driver_sql(statement)
        db.close()
    rows = database.owner_rows("SELECT action FROM audit_events")
    assert [row.action for row in rows] == ["upload.created"] * len(_ROLES)


def test_events_of_tenants_never_meet(database: TestDatabase, user_id: UUID) -> None:
    """Nobody reads another's events, or writes one about another."""
    other_id = insert_user(database, tier="free")
    for role in _ROLES:
        db = database.as_role(role)
        with db.tenant(other_id, effect="test.record") as tx:
            audit.record(tx, other_id, "upload.created")
        with db.tenant(user_id) as tx:
            assert tx.exec_driver_sql("SELECT 1 FROM audit_events").all() == []
        with _refused("row-level security"), db.tenant(user_id, effect="test.forge") as tx:
            audit.record(tx, other_id, "video.deleted")
        db.close()


def test_there_is_no_room_for_content(database: TestDatabase, user_id: UUID) -> None:
    """The table itself refuses whatever is not a stable name."""
    valid = {"actor": "user", "action": "video.deleted", "code": None}
    for wrong in (
        {"action": "anything at all"},
        {"code": "김민지"},
        {"code": "a name"},
        {"actor": "nobody"},
    ):
        with _refused("check constraint"):
            database.owner_rows(
                "INSERT INTO audit_events (user_id, id, actor, action, code) "
                "VALUES (:user_id, gen_random_uuid(), :actor, :action, :code)",
                user_id=user_id,
                **(valid | wrong),
            )


def test_events_outlive_their_user(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """That an account was deleted must be known when it is gone; its buckets go with it."""
    with api_database.tenant(user_id, effect="test.record") as tx:
        audit.record(tx, user_id, "account.deleted")
        tx.exec_driver_sql(
            "INSERT INTO quota_buckets (user_id, bucket, full_at) "
            f"VALUES ('{user_id}', 'exports', now())"
        )
    database.owner_rows("DELETE FROM users WHERE id = :id", id=user_id)
    assert len(database.owner_rows("SELECT 1 FROM audit_events")) == 1
    assert database.owner_rows("SELECT 1 FROM quota_buckets") == []


def test_an_account_is_created_once(
    database: TestDatabase, api_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first verified request makes the row, as a free user, and the event; later ones none."""
    monkeypatch.setattr(auth, "_project", lambda: "heimdex-test")
    identity = auth.FirebaseIdentity(uid="somebody", email=None)
    for _ in range(2):
        user_id = auth.principal(api_database, identity).user_id
        auth.forget(user_id)
    rows = database.owner_rows("SELECT user_id, action, actor FROM audit_events")
    assert [tuple(row) for row in rows] == [(user_id, "account.created", "user")]
    assert database.owner_rows("SELECT tier FROM users")[0].tier == "free"


def test_a_change_of_tier_is_an_operators(database: TestDatabase, user_id: UUID) -> None:
    """Written with the change; changing nothing writes nothing, and a tier must exist."""
    with database.owner.begin() as owner:
        assert change(owner, user_id, "pro")
        assert not change(owner, user_id, "pro")
        assert not change(owner, uuid4(), "pro")
    with _refused("foreign key"), database.owner.begin() as owner:
        change(owner, user_id, "gold")
    rows = database.owner_rows("SELECT user_id, action, actor, code FROM audit_events")
    assert [tuple(row) for row in rows] == [(user_id, "tier.changed", "operator", "pro")]
