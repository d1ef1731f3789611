"""Routes that declare a charge: searches that only read, and exports that make something."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy
from flask.testing import FlaskClient
from sqlalchemy import Connection

from common import log
from common.database import Database
from common.web.app import create_app
from common.web.models import ResponseModel
from common.web.routes import Principal, RouteTable
from functions.search.routes import routes as search_routes
from tests.clock import FakeClock
from tests.conftest import TestDatabase, settings
from tests.integration.api.world import authenticate

routes: RouteTable[None] = RouteTable()


class Done(ResponseModel):
    """An answer."""

    done: bool = True


@routes.get("/v1/find", summary="s", charge="searches")
def find(services: None, *, principal: Principal) -> Done:
    """Read, as a search does."""
    return Done()


@routes.post("/v1/exports", summary="s", effect="test.export", charge="exports")
def export(services: None, *, principal: Principal, tx: Connection) -> Done:
    """Make something."""
    return Done()


@pytest.fixture
def client(clock: FakeClock, api_database: Database, free_id: UUID) -> FlaskClient:
    """A free user's client of those routes."""
    app = create_app(
        "test",
        routes,
        None,
        settings=settings(),
        authenticate=authenticate,
        database=api_database,
    )
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {free_id}"
    return client


def _export(client: FlaskClient, key: str = "") -> Any:
    return client.post("/v1/exports", headers={"Idempotency-Key": key} if key else {})


def test_every_way_to_search_is_charged() -> None:
    """No route of the search function is free, and each documents its refusal."""
    assert [route.charge for route in search_routes] == ["searches", "searches"]
    assert all("searches_exhausted" in route.codes for route in search_routes)


def test_sixty_searches_a_minute(client: FlaskClient, clock: FakeClock) -> None:
    """The next one is a second away, whatever the language of its refusal."""
    assert [client.get("/v1/find").status_code for _ in range(60)] == [200] * 60
    refused = client.get("/v1/find", headers={"Accept-Language": "ko"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.mimetype == "application/problem+json"
    assert refused.json is not None
    assert refused.json["code"] == "searches_exhausted"
    assert refused.json["detail"] == refused.json["messages"]["ko"]
    clock.advance(1)
    assert [client.get("/v1/find").status_code for _ in range(2)] == [200, 429]
    clock.advance(60)
    assert [client.get("/v1/find").status_code for _ in range(61)] == [200] * 60 + [429]


def test_a_search_that_is_refused_leaves_no_event(
    client: FlaskClient, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who types fast is no case for an audit; the log has it."""
    logged: list[tuple[str, object]] = []
    monkeypatch.setattr(
        log, "event", lambda action, /, **fields: logged.append((action, fields.get("code")))
    )
    for _ in range(62):
        client.get("/v1/find")
    assert database.owner_rows("SELECT 1 FROM audit_events") == []
    refused = [code for action, code in logged if action == "quota.refused"]
    assert refused == ["searches_exhausted"] * 2


def test_two_exports_a_day(
    client: FlaskClient, database: TestDatabase, clock: FakeClock, free_id: UUID
) -> None:
    """Refused with the time when the next is granted, and remembered."""
    assert [_export(client).status_code for _ in range(2)] == [201, 201]
    refused = _export(client)
    assert (refused.status_code, refused.json["code"]) == (429, "exports_exhausted")
    assert refused.headers["Retry-After"] == "43200"
    rows = database.owner_rows("SELECT user_id, action, code FROM audit_events")
    assert [tuple(row) for row in rows] == [(free_id, "quota.refused", "exports_exhausted")]
    clock.advance(43_200)
    assert _export(client).status_code == 201


def test_a_replay_is_not_charged(client: FlaskClient) -> None:
    """The key's second request gets the answer of the first, and takes nothing."""
    for _ in range(3):
        assert _export(client, "k").status_code == 201
    assert _export(client).status_code == 201
    assert _export(client, "k").status_code == 201
    assert _export(client).status_code == 429


@pytest.mark.parametrize("change", ["REVOKE INSERT ON quota_buckets FROM heimdex_api"])
def test_only_searches_go_on_without_the_quota_store(
    client: FlaskClient,
    database: TestDatabase,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A search fails open, and says so in the log; whatever makes something fails closed."""
    logged: list[str] = []
    monkeypatch.setattr(log, "event", lambda action, **_: logged.append(action))
    database.owner_rows(change)
    assert client.get("/v1/find").status_code == 200
    assert "quota.unchecked" in logged
    assert _export(client).status_code == 500


def test_without_the_database_nothing_goes_on(free_id: UUID) -> None:
    """An export is refused as unavailable; a search is let through to fail by itself."""
    # Nothing listens on the discard port.
    nowhere = Database(sqlalchemy.create_engine("postgresql+pg8000://nobody@127.0.0.1:9/none"))
    app = create_app(
        "test", routes, None, settings=settings(), authenticate=authenticate, database=nowhere
    )
    headers = {"Authorization": f"Bearer {free_id}"}
    assert app.test_client().post("/v1/exports", headers=headers).status_code == 503
    assert app.test_client().get("/v1/find", headers=headers).status_code == 200


def test_a_refusal_stands_when_it_cannot_be_remembered(
    client: FlaskClient, database: TestDatabase
) -> None:
    """The 429 does not depend on its audit event."""
    for _ in range(2):
        _export(client)
    database.owner_rows("REVOKE INSERT ON audit_events FROM heimdex_api")
    assert _export(client).status_code == 429
