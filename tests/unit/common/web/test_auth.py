"""The header's form, and the tenant behind an identity; tokens are in the contract suite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from common.database import Database
from common.errors import AuthError
from common.web.auth import (
    MAX_HEADER_BYTES,
    FirebaseIdentity,
    authenticate,
    forget,
    principal,
    user_id_of,
)
from tests.conftest import TestDatabase


class _Sent:
    """Headers as they might be sent; werkzeug's own refuse to hold a line break."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def getlist(self, key: str, /) -> list[str]:
        return [value for name, value in self._pairs if name.lower() == key.lower()]


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEIMDEX_PROJECT", "heimdex-test")
    monkeypatch.setenv("HEIMDEX_UPLOADS_BUCKET", "uploads")
    monkeypatch.setenv("HEIMDEX_ARTIFACTS_BUCKET", "artifacts")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "bearer a.b.c")],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer  a.b.c")],
        [("Authorization", "Bearer a.b.c ")],
        [("Authorization", "Bearer a.b.c\n")],
        [("Authorization", "Bearer a.b.c,Bearer a.b.c")],
        [("Authorization", "Bearer a.b.c"), ("Authorization", "Bearer a.b.c")],
        [("Authorization", "Bearer ä.b.c")],
        [("Authorization", "Bearer " + "a" * MAX_HEADER_BYTES)],
        [("X-Authorization", "Bearer a.b.c")],
    ],
)
def test_anything_but_one_bearer_token_is_refused(headers: list[tuple[str, str]]) -> None:
    """The header is judged before any library or network sees it."""
    with pytest.raises(AuthError):
        authenticate(_Sent(headers), check_revoked=False)


def test_a_user_id_is_a_function_of_project_and_account() -> None:
    """The same account is always the same tenant; another project's is another.

    The literal guards the derivation: were it changed, people would lose their videos.
    """
    assert user_id_of("one", "uid") == user_id_of("one", "uid")
    assert len({user_id_of("one", "uid"), user_id_of("two", "uid"), user_id_of("one", "Uid")}) == 3
    assert str(user_id_of("heimdex-test", "uid")) == "89ffd211-2a0e-5315-af52-4a729e8837cd"


def _somebody() -> FirebaseIdentity:
    return FirebaseIdentity(uid=uuid4().hex, email="somebody@example.com")


def test_the_first_request_makes_the_user(database: TestDatabase, api_database: Database) -> None:
    """The row appears with the first verified request, once, and stays as it was."""
    identity = _somebody()
    first = principal(api_database, identity)
    assert principal(api_database, identity) == first
    assert first.user_id == user_id_of("heimdex-test", identity.uid)
    rows = database.owner_rows("SELECT id, firebase_uid, email FROM users")
    assert rows == [(first.user_id, identity.uid, identity.email)]


def test_first_requests_may_race(database: TestDatabase, api_database: Database) -> None:
    """Concurrent first requests agree on one row."""
    identity = FirebaseIdentity(uid=uuid4().hex, email=None)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: principal(api_database, identity), range(16)))
    assert len(set(found)) == 1
    assert database.owner_rows("SELECT email FROM users") == [(None,)]


def test_known_users_cost_no_transaction(database: TestDatabase, api_database: Database) -> None:
    """Within a minute the row is not looked for again, unless it is said to be gone."""
    identity = _somebody()
    user_id = principal(api_database, identity).user_id
    database.owner_rows("DELETE FROM users")
    principal(api_database, identity)
    assert database.owner_rows("SELECT id FROM users") == []
    forget(user_id)
    principal(api_database, identity)
    assert database.owner_rows("SELECT id FROM users") == [(user_id,)]
