"""Who must not get in: the API function with the real firebase-admin, nothing patched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from common.web.headers import SECURITY_HEADERS
from local.identity import Faults, IdentityServer, hosts
from local.identity.keys import KeyRing
from local.identity.sessions import TOKEN_KEY
from local.postgres import Postgres
from tests.conftest import TestDatabase, new_database
from tests.contract.forged_tokens import BAD, Forge, Sent
from tests.contract.identity_client import IdentityClient
from tests.contract.identity_process import PROJECT, ClientProcess


@dataclass(frozen=True, kw_only=True)
class Door:
    """The running function, its identity provider, and a forge with the provider's keys."""

    server: IdentityServer
    process: ClientProcess
    forge: Forge
    database: TestDatabase

    def ask(self, sent: Sent, *, method: str = "GET") -> dict[str, Any]:
        """What the function answers."""
        return self.process.request(method, sent.path, sent.headers)

    def users(self) -> int:
        """How many tenants there are."""
        return len(self.database.owner_rows("SELECT 1 FROM users"))


@pytest.fixture(scope="module")
def door(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One for all cases."""
    root = tmp_path_factory.mktemp("identity")
    keys = KeyRing(root / "keys")
    with (
        new_database(postgres) as database,
        IdentityServer(root, project=PROJECT) as server,
        ClientProcess(server, database_url=database.url("heimdex_api")) as process,
    ):
        forge = Forge(keys.make(TOKEN_KEY), keys.make("another-purpose"))
        yield Door(server=server, process=process, forge=forge, database=database)


def _shape(answer: Mapping[str, Any]) -> tuple[object, ...]:
    """Everything that could tell one refusal from another."""
    varying = ("X-Request-Id",)
    headers = tuple((name, value) for name, value in answer["headers"] if name not in varying)
    return answer["status"], headers, tuple((answer["body"] | {"instance": ""}).items())


def _bearer(token: str, path: str = "/v1/me") -> Sent:
    return Sent(headers=(("Authorization", f"Bearer {token}"),), path=path)


def test_there_are_at_least_40() -> None:
    """No case is lost on the way, and each says why it is there."""
    assert len(BAD) >= 40
    assert all(case.why.endswith((".", "?")) for case in BAD.values())


@pytest.mark.parametrize("name", BAD)
def test_an_intruder_gets_the_one_answer(door: Door, name: str) -> None:
    """401, the same to the last byte and header whatever is wrong, and no tenant appears."""
    before = door.users()
    answer = door.ask(BAD[name].make(door.forge))
    assert answer["status"] == 401
    assert _shape(answer) == _shape(door.ask(Sent(headers=())))
    headers = dict(answer["headers"])
    assert headers | SECURITY_HEADERS == headers
    assert headers["WWW-Authenticate"] == "Bearer"
    assert answer["body"]["code"] == "unauthenticated"
    assert door.users() == before


@pytest.mark.parametrize("changes", [{}, {"iat": 9}, {"exp": -8}, {"sub": "s" * 128}], ids=str)
def test_whoever_is_right_gets_in(door: Door, changes: dict[str, Any]) -> None:
    """The forge makes good tokens, so the table fails for the reason that it names."""
    times = {k: int(time.time()) + v for k, v in changes.items() if isinstance(v, int)}
    answer = door.ask(_bearer(door.forge.token(**(changes | times))))
    assert (answer["status"], answer["body"].get("email", "")) == (200, None)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("update_user", {"disabled": True}), ("delete_user", {}), ("revoke_refresh_tokens", {})],
)
def test_who_is_gone_destroys_nothing(
    door: Door, operation: str, arguments: dict[str, Any]
) -> None:
    """An account that is disabled, deleted or signed out is refused where something would go."""
    user = IdentityClient(door.server.url).sign_up(f"{uuid4().hex}@example.com", "secret1")
    delete = _bearer(user.id_token, f"/v1/videos/{uuid4()}")
    assert door.ask(delete, method="DELETE")["status"] == 404
    if operation == "revoke_refresh_tokens":
        time.sleep(1.1)  # revocation counts in whole seconds
    door.process.ask("admin", operation=operation, arguments={"uid": user.uid, **arguments})
    refused = door.ask(delete, method="DELETE")
    assert _shape(refused) == _shape(door.ask(Sent(headers=())))
    assert door.ask(_bearer(user.id_token))["status"] == 200  # reading goes on until it expires


def test_an_outage_of_the_certificates_refuses_nobody(postgres: Postgres, tmp_path: Path) -> None:
    """503 with Retry-After for whoever may be right; 401 for what is wrong by itself."""
    faults = Faults(unavailable_hosts={hosts.CERTIFICATES})
    with (
        new_database(postgres) as database,
        IdentityServer(tmp_path, project=PROJECT, faults=faults) as server,
        ClientProcess(server, database_url=database.url("heimdex_api")) as process,
    ):
        token = IdentityClient(server.url).sign_up("a@example.com", "secret1").id_token
        answer = process.request("GET", "/v1/me", _bearer(token).headers)
        assert (answer["status"], answer["body"]["code"]) == (503, "unavailable")
        assert "Retry-After" in dict(answer["headers"])
        assert process.request("GET", "/v1/me", ())["status"] == 401
        faults.unavailable_hosts.clear()
        assert process.request("GET", "/v1/me", _bearer(token).headers)["status"] == 200
