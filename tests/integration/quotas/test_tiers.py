"""Whose tier is whose: the operator's command, and the local cloud's own step."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from common import log
from common.quotas import tiers
from local.cloud import _DATABASE, LOCAL_TIER, _give_tier
from local.postgres import Postgres
from tests.conftest import _TEMPLATE, TestDatabase


def test_the_operators_command(
    database: TestDatabase, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 when the tier was changed, 1 when there was nothing to change."""
    environment = {"PROJECT": "p", "UPLOADS_BUCKET": "uploads", "ARTIFACTS_BUCKET": "artifacts"}
    for name, value in (environment | {"DATABASE_URL": database.url()}).items():
        monkeypatch.setenv(f"HEIMDEX_{name}", value)
    monkeypatch.setattr(log, "configure", lambda *_: None)
    assert tiers.main([str(user_id), "free"]) == 0
    assert database.owner_rows("SELECT tier FROM users")[0].tier == "free"
    assert tiers.main([str(user_id), "free"]) == 1
    assert tiers.main([str(uuid4()), "free"]) == 1


@pytest.fixture
def local_database(postgres: Postgres) -> Iterator[str]:
    """The local cloud's database, as its migrations leave it."""
    postgres.create_database(_DATABASE, template=_TEMPLATE)
    yield _DATABASE
    postgres.drop_database(_DATABASE)


def test_the_local_cloud_gives_every_account_a_tier(
    postgres: Postgres, local_database: str
) -> None:
    """Accounts that are there and those to come; nothing else about them is different."""

    def sign_up(name: str) -> None:
        postgres.execute(
            f"INSERT INTO users (id, firebase_uid) VALUES (gen_random_uuid(), '{name}')",
            database=local_database,
        )

    def tiers_now() -> list[object]:
        query = "SELECT tier FROM users ORDER BY firebase_uid"
        return [row[0] for row in postgres.execute(query, database=local_database)]

    sign_up("a")
    assert tiers_now() == ["free"]
    _give_tier(postgres, LOCAL_TIER)
    sign_up("b")
    assert tiers_now() == ["enterprise", "enterprise"]
    _give_tier(postgres, "free")
    sign_up("c")
    assert tiers_now() == ["free", "free", "free"]
