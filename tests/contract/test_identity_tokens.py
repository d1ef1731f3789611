"""ID tokens of the stand-in under the real firebase-admin; hostile ones are in their own suite."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.identity import Faults, IdentityServer, hosts
from local.identity.keys import KeyRing, SigningKey
from local.identity.sessions import TOKEN_KEY
from tests.contract.forged_tokens import BAD, Forge
from tests.contract.identity_client import Credentials, IdentityClient
from tests.contract.identity_process import PROJECT, ClientProcess

REFUSED = {"error": "AuthError", "code": "unauthenticated"}
UNAVAILABLE = {"error": "TransientError", "code": "unavailable"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A running stand-in, a client process, and the real signing key to forge with."""

    server: IdentityServer
    process: ClientProcess
    key: SigningKey

    def user(self) -> Credentials:
        """Somebody new."""
        return IdentityClient(self.server.url).sign_up(f"{uuid4().hex}@example.com", "secret1")


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """One stand-in and one client process for the module."""
    root = tmp_path_factory.mktemp("identity")
    with IdentityServer(root, project=PROJECT) as server, ClientProcess(server) as process:
        yield Setting(server=server, process=process, key=KeyRing(root / "keys").make(TOKEN_KEY))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("signed by another key", "InvalidIdTokenError"),
        ("expired", "ExpiredIdTokenError"),
        ("aud of another project", "InvalidIdTokenError"),
        ("alg none", "InvalidIdTokenError"),
        ("HS256 with the public key", "InvalidIdTokenError"),
        ("unknown kid", "InvalidIdTokenError"),
    ],
)
def test_firebase_admin_itself_refuses(setting: Setting, name: str, error: str) -> None:
    """The checks are the library's own, in production mode, not Heimdex's."""
    assert setting.process.verify(BAD[name].make(Forge(setting.key)).token) == {"error": error}


@pytest.mark.parametrize("changes", [{}, {"iat": 9}, {"exp": -2}, {"sub": "s" * 128}])
def test_good_and_nearly_good_tokens_pass(setting: Setting, changes: dict[str, Any]) -> None:
    """The forge makes good tokens, so the table above fails for the reason it names."""
    times = {k: int(time.time()) + v for k, v in changes.items() if isinstance(v, int)}
    token = Forge(setting.key).token(**(changes | times))
    assert setting.process.authenticate(token)["uid"] == changes.get("sub", "somebody")


def test_claims_are_firebases(setting: Setting) -> None:
    """firebase-admin finds in the token what Firebase puts there."""
    user = setting.user()
    claims = setting.process.verify(user.id_token, check_revoked=True)
    assert claims["uid"] == claims["sub"] == claims["user_id"] == user.uid
    assert claims["iss"] == f"https://securetoken.google.com/{PROJECT}"
    assert claims["firebase"]["sign_in_provider"] == "password"
    assert claims["firebase"]["identities"] == {"email": [claims["email"]]}
    assert claims["exp"] - claims["iat"] == 3600


def test_a_sign_in_is_as_old_as_firebase_says(setting: Setting) -> None:
    """The time of the sign-in is the token's `auth_time`, however new the token is."""
    at = int(time.time()) - 4_000
    token = Forge(setting.key).token(auth_time=at)
    assert setting.process.authenticate(token)["signed_in_s"] == at


def test_anonymous_accounts_have_no_email(setting: Setting) -> None:
    """An anonymous sign-up gives a verifiable token without an address."""
    token = IdentityClient(setting.server.url).toolkit("signUp", returnSecureToken=True)["idToken"]
    assert setting.process.authenticate(token)["email"] is None


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("update_user", {"disabled": True}), ("delete_user", {})],
)
def test_disabled_and_deleted_users_are_seen(
    setting: Setting, operation: str, arguments: dict[str, Any]
) -> None:
    """With check_revoked an account that is gone ends the token at once; without, at its expiry."""
    user = setting.user()
    setting.process.ask("admin", operation=operation, arguments={"uid": user.uid, **arguments})
    assert setting.process.authenticate(user.id_token, check_revoked=True) == REFUSED
    assert setting.process.authenticate(user.id_token)["uid"] == user.uid


def test_revoked_sessions_are_seen(tmp_path: Path) -> None:
    """Tokens issued before a revocation fail when it is checked, later ones pass."""
    offset_s = -30.0
    server = IdentityServer(tmp_path, project=PROJECT, clock=lambda: time.time() + offset_s)
    with server, ClientProcess(server) as process:
        client = IdentityClient(server.url)
        user = client.sign_up("a@example.com", "secret1")
        offset_s = 0.0
        process.ask("admin", operation="revoke_refresh_tokens", arguments={"uid": user.uid})
        assert process.verify(user.id_token, check_revoked=True) == {"error": "RevokedIdTokenError"}
        assert process.authenticate(user.id_token, check_revoked=True) == REFUSED
        assert process.authenticate(user.id_token)["uid"] == user.uid
        again = client.sign_in("a@example.com", "secret1")
        assert process.authenticate(again.id_token, check_revoked=True)["uid"] == user.uid


def test_a_certificate_outage_is_not_the_persons_fault(tmp_path: Path) -> None:
    """Without certificates nobody is refused: the answer is to try again, and then it works."""
    faults = Faults(unavailable_hosts={hosts.CERTIFICATES})
    with (
        IdentityServer(tmp_path, project=PROJECT, faults=faults) as server,
        ClientProcess(server) as process,
    ):
        token = IdentityClient(server.url).sign_up("a@example.com", "secret1").id_token
        assert process.authenticate(token) == UNAVAILABLE
        faults.unavailable_hosts.clear()
        assert process.authenticate(token)["email"] == "a@example.com"


def test_cached_certificates_outlive_an_outage(tmp_path: Path) -> None:
    """With nothing answering any more, plain verification goes on; checks of revocation cannot."""
    server = IdentityServer(tmp_path, project=PROJECT)
    with server, ClientProcess(server) as process:
        token = IdentityClient(server.url).sign_up("a@example.com", "secret1").id_token
        before = process.authenticate(token)
        server.stop()
        assert process.authenticate(token) == before
        assert process.authenticate(token, check_revoked=True) == UNAVAILABLE


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Keys, accounts and sessions are the same after a restart; old tokens still verify."""
    with IdentityServer(tmp_path, project=PROJECT) as server:
        user = IdentityClient(server.url).sign_up("a@example.com", "secret1")
    with IdentityServer(tmp_path, project=PROJECT) as server, ClientProcess(server) as process:
        client = IdentityClient(server.url)
        assert process.authenticate(user.id_token, check_revoked=True)["uid"] == user.uid
        assert client.refresh(user.refresh_token).uid == user.uid
        assert client.sign_in("a@example.com", "secret1").uid == user.uid


def test_an_erased_account_cannot_sign_in_or_be_used(setting: Setting) -> None:
    """Deleting it again is no error; what asks Firebase about its token refuses it."""
    user, other = setting.user(), setting.user()
    process = setting.process
    assert process.authenticate(user.id_token, check_revoked=True)["uid"] == user.uid
    for _ in range(2):
        assert process.ask("delete_account", uid=user.uid) == {}
    assert process.authenticate(user.id_token, check_revoked=True) == REFUSED
    with pytest.raises(requests.HTTPError):
        IdentityClient(setting.server.url).refresh(user.refresh_token)
    assert process.authenticate(other.id_token, check_revoked=True)["uid"] == other.uid


def test_without_firebase_an_account_is_deleted_later(setting: Setting) -> None:
    """Firebase that does not answer is no deletion, and no crash."""
    user, faults = setting.user(), setting.server.faults
    faults.unavailable_hosts.add(hosts.IDENTITY_TOOLKIT)
    try:
        answer = setting.process.ask("delete_account", uid=user.uid)
    finally:
        faults.unavailable_hosts.clear()
    assert answer == {"error": "TransientError"}
    assert setting.process.authenticate(user.id_token, check_revoked=True)["uid"] == user.uid
