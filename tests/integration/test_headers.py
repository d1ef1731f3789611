"""Every answer of every function, however it ends, carries the security headers and no insides."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import functions_framework
import pytest
from flask.testing import FlaskClient

from common.database import Database
from common.errors import CODES, HeimdexError
from common.web import firebase
from common.web.app import MAX_BODY_BYTES
from common.web.headers import SECURITY_HEADERS
from common.web.routes import Authenticate, RequestHeaders
from tests.conftest import TestDatabase
from tests.integration.api.world import FakePrincipal

_FUNCTIONS = Path(__file__).parents[2] / "functions"
_ORIGIN = "https://app.example"
#: Signature and a path with a handler, of each function.
_SERVED = {
    "api": ("http", "/v1/videos"),
    "search": ("http", "/v1/search"),
    "upload_finalized": ("cloudevent", "/"),
    "start_jobs": ("http", "/"),
    "dead_letter": ("http", "/"),
    "build_export": ("http", "/"),
}
#: What wires a function of Google's events to the services.
_WIRES = {"dead_letter": "_dead_letters", "build_export": "_builder"}
_HTTP = ("api", "search")
_USER = uuid4()
_INSIDES = re.compile(r"Traceback|\.py\b|SELECT |pg8000|sqlalchemy|<html|Werkzeug|a-secret", re.I)


def _authenticator(database: Database) -> Authenticate:
    """A token is the code to fail with, `crash`, or good."""

    def authenticate(headers: RequestHeaders, *, check_revoked: bool) -> FakePrincipal:
        token = "".join(headers.getlist("Authorization")).removeprefix("Bearer ")
        if token == "crash":
            raise ZeroDivisionError("SELECT a-secret")
        if token != "good":
            raise HeimdexError(token if token in CODES else "unauthenticated", "SELECT a-secret")
        return FakePrincipal(user_id=_USER, firebase_uid="somebody")

    return authenticate


@pytest.fixture
def environment(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """What functions are told, and who asks them."""
    database.owner_rows("INSERT INTO users (id, firebase_uid) VALUES (:id, 'somebody')", id=_USER)
    for name, value in {
        "PROJECT": "heimdex-test",
        "UPLOADS_BUCKET": "uploads",
        "ARTIFACTS_BUCKET": "artifacts",
        "TOKEN_KEY": "a key",
        "DATABASE_URL": database.url("heimdex_api"),
        "CORS_ORIGINS": json.dumps([_ORIGIN]),
    }.items():
        monkeypatch.setenv(f"HEIMDEX_{name}", value)
    monkeypatch.setattr(firebase, "authenticator", _authenticator)


def _serve(name: str) -> tuple[FlaskClient, Any]:
    signature, _ = _SERVED[name]
    app = functions_framework.create_app(name, str(_FUNCTIONS / name / "main.py"), signature)
    client: FlaskClient = app.test_client()
    return client, sys.modules["main"]


@pytest.fixture(params=_HTTP)
def function(request: pytest.FixtureRequest, environment: None) -> Iterator[Any]:
    """Each function that browsers reach: its client and a path with a handler."""
    client, main = _serve(request.param)
    yield client, _SERVED[request.param][1]
    main._database.close()


def _check(answer: Any, *, cors: bool) -> None:
    headers = dict(answer.headers)
    assert headers | SECURITY_HEADERS == headers, answer.status
    assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Request-Id"])
    assert not _INSIDES.search(answer.text), answer.text
    assert headers.get("Access-Control-Allow-Origin") == (_ORIGIN if cors else None)
    assert "Access-Control-Allow-Credentials" not in headers
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json"
        assert json.loads(answer.data or "{}").get("instance", headers["X-Request-Id"])


def test_every_answer_of_an_http_function(function: Any) -> None:
    """Every error code, a crash, and what the framework would answer by itself."""
    client, path = function
    asked = [
        ("GET", path, {"Authorization": f"Bearer {code}"}, b"", CODES[code].status)
        for code in CODES
    ]
    asked += [
        ("GET", path, {"Authorization": "Bearer crash"}, b"", 500),
        ("GET", path, {}, b"", 401),
        ("GET", f"{path}?unknown=1", {"Authorization": "Bearer good"}, b"", 400),
        ("GET", f"{path}/no/such/path", {}, b"", 404),
        ("GET", "/", {}, b"", 404),
        ("GET", "/robots.txt", {}, b"", 404),
        ("GET", "/favicon.ico", {}, b"", 404),
        ("PUT", path, {}, b"", 405),
        ("TRACE", path, {}, b"", 405),
        ("BREW", path, {}, b"", 405),
        ("POST", path, {}, b"x" * (MAX_BODY_BYTES + 1), 413),
        ("OPTIONS", path, {}, b"", 200),
    ]
    seen = set()
    for method, address, headers, body, status in asked:
        sent = {**headers, "Origin": _ORIGIN, "Content-Type": "application/json"}
        answer = client.open(address, method=method, headers=sent, data=body)
        assert answer.status_code == status, (method, address, headers)
        _check(answer, cors=True)
        seen.add(status)
    assert seen >= {200, 400, 401, 404, 405, 409, 413, 500, 503}
    assert {code.status for code in CODES.values()} <= seen


def test_no_other_page_may_read_an_answer(function: Any) -> None:
    """Neither ours nor the framework's own."""
    client, path = function
    for address in (path, "/robots.txt", "/"):
        _check(client.get(address, headers={"Origin": "https://evil.example"}), cors=False)


def test_a_lost_database_tells_nothing(function: Any, database: TestDatabase) -> None:
    """A statement that fails is a 500 or 503 without a word of SQL."""
    client, path = function
    database.owner_rows("ALTER TABLE videos RENAME TO gone")
    database.owner_rows("ALTER TABLE scenes RENAME TO gone_too")
    asked = f"{path}?q=train" if path.endswith("search") else path
    headers = {"Authorization": "Bearer good", "Origin": _ORIGIN}
    answer = client.get(asked, headers=headers)
    assert answer.status_code >= 500
    _check(answer, cors=True)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", sorted(_SERVED.keys() - set(_HTTP)))
def test_every_answer_of_an_event_function(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Google calls them, but a misconfigured one tells nothing either."""
    client, main = _serve(name)

    def crash() -> None:
        raise ZeroDivisionError("SELECT a-secret")

    monkeypatch.setattr(main, _WIRES.get(name, "_services"), crash)
    event = {
        "ce-id": "1",
        "ce-source": "//storage",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "Content-Type": "application/json",
    }
    push = {
        "message": {"data": "e30="},
        "subscription": "projects/p/subscriptions/heimdex-media-doorbell",
    }
    crashed = client.post("/", headers=event, data=json.dumps(push))
    assert crashed.status_code == 500
    _check(crashed, cors=False)
    for method, body in (("POST", b"a-secret"), ("GET", b""), ("BREW", b"")):
        _check(client.open("/", method=method, data=body), cors=False)
