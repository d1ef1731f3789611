"""ID tokens of the stand-in under the real firebase-admin, and everything that must not pass."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from local.identity import Faults, IdentityServer, hosts
from local.identity.keys import KeyRing, SigningKey
from local.identity.sessions import TOKEN_KEY
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


class Forge:
    """Makes tokens that are right but for what is asked for."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        right = {
            "iss": f"https://securetoken.google.com/{PROJECT}",
            "aud": PROJECT,
            "sub": "somebody",
            "iat": now - 5,
            "exp": now + 600,
            "auth_time": now - 5,
            "firebase": {"identities": {}, "sign_in_provider": "password"},
        }
        merged = right | changes
        return {name: value for name, value in merged.items() if value is not None}

    def token(self, *, kid: str | None = "", **changes: Any) -> str:
        header = {} if kid is None else {"kid": kid or self.key.key_id}
        return self.sealed({"alg": "RS256", "typ": "JWT", **header}, self.claims(**changes))

    def sealed(self, header: Any, payload: Any) -> str:
        """Signed with the real key, whatever is in it."""
        body = f"{_segment(json.dumps(header))}.{_segment(json.dumps(payload))}"
        return f"{body}.{_segment(self.key.sign(body.encode()))}"

    def signed(self, key: Any, algorithm: str) -> str:
        return jwt.encode(self.claims(), key, algorithm=algorithm, headers={"kid": self.key.key_id})


def _segment(data: str | bytes) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _hs256_with_public_key(forge: Forge) -> str:
    # PyJWT refuses to make this mistake, so it is made by hand.
    header = {"alg": "HS256", "kid": forge.key.key_id}
    body = f"{_segment(json.dumps(header))}.{_segment(json.dumps(forge.claims()))}"
    mac = hmac.new(forge.key.certificate_pem.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{_segment(mac)}"


def _alg_none(forge: Forge) -> str:
    header = {"alg": "none", "kid": forge.key.key_id}
    return f"{_segment(json.dumps(header))}.{_segment(json.dumps(forge.claims()))}."


def _other_key(forge: Forge) -> str:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return forge.signed(other, "RS256")


def _swapped_payload(forge: Forge) -> str:
    head, _, signature = forge.token().split(".")
    return f"{head}.{_segment(json.dumps(forge.claims(sub='somebody-else')))}.{signature}"


def _custom_token(forge: Forge) -> str:
    audience = (
        "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
    )
    return forge.token(aud=audience, uid="somebody")


def _legacy_token(forge: Forge) -> str:
    return forge.sealed({"alg": "HS256"}, forge.claims(v=0, d=7))


def _deep(forge: Forge) -> str:
    header = {"alg": "RS256", "kid": forge.key.key_id}
    body = f"{_segment(json.dumps(header))}.{_segment('[' * 1_700 + ']' * 1_000)}"
    return f"{body}.{_segment(b'x')}"


BAD: dict[str, Callable[[Forge], str]] = {
    "no kid": lambda f: f.token(kid=None),
    "unknown kid": lambda f: f.token(kid="0" * 40),
    "kid is a path": lambda f: f.token(kid="../../etc/passwd"),
    "kid is a list": lambda f: f.sealed({"alg": "RS256", "kid": [f.key.key_id]}, f.claims()),
    "alg none": _alg_none,
    "alg missing": lambda f: f.sealed({"kid": f.key.key_id}, f.claims()),
    "alg is a list": lambda f: f.sealed({"alg": ["RS256"], "kid": f.key.key_id}, f.claims()),
    "HS256 with the public key": _hs256_with_public_key,
    "RS512": lambda f: f.signed(f.key.private_key, "RS512"),
    "signed by another key": _other_key,
    "payload swapped": _swapped_payload,
    "signature stripped": lambda f: f.token().rpartition(".")[0] + ".",
    "signature cut": lambda f: f.token()[:-8],
    "aud of another project": lambda f: f.token(aud="another"),
    "aud is a list": lambda f: f.token(aud=[PROJECT]),
    "no aud": lambda f: f.token(aud=None),
    "iss of another project": lambda f: f.token(iss="https://securetoken.google.com/another"),
    "iss with a trailing slash": lambda f: f.token(
        iss=f"https://securetoken.google.com/{PROJECT}/"
    ),
    "iss is a number": lambda f: f.token(iss=7),
    "no iss": lambda f: f.token(iss=None),
    "sub empty": lambda f: f.token(sub=""),
    "sub is a number": lambda f: f.token(sub=7),
    "sub of 129 characters": lambda f: f.token(sub="s" * 129),
    "no sub": lambda f: f.token(sub=None),
    "expired": lambda f: f.token(iat=int(time.time()) - 3700, exp=int(time.time()) - 20),
    "expired in the last century": lambda f: f.token(exp=-1),
    "exp is a string": lambda f: f.token(exp="tomorrow"),
    "exp is a list": lambda f: f.token(exp=[1]),
    "no exp": lambda f: f.token(exp=None),
    "issued in the future": lambda f: f.token(iat=int(time.time()) + 60),
    "iat is a string": lambda f: f.token(iat="yesterday"),
    "no iat": lambda f: f.token(iat=None),
    "custom token": _custom_token,
    "legacy token with an odd payload": _legacy_token,
    "other Identity Platform tenant": lambda f: f.token(
        firebase={"tenant": "elsewhere", "sign_in_provider": "password"}
    ),
    "payload is a list": lambda f: f.sealed({"alg": "RS256", "kid": f.key.key_id}, [1]),
    "payload is a number": lambda f: f.sealed({"alg": "RS256", "kid": f.key.key_id}, 1),
    "payload is nested too deep": _deep,
    "header is a list": lambda f: f.sealed(["RS256"], f.claims()),
    "two dots only": lambda f: "..",
    "one segment": lambda f: "abc",
    "four segments": lambda f: f.token() + ".abc",
    "not base64": lambda f: "a.b.c",
    "longer than 4 KiB": lambda f: f.token(name="n" * 4_000),
    "a megabyte": lambda f: "a" * 1_000_000,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tokens_are_refused_in_one_shape(setting: Setting, name: str) -> None:
    """Whatever is wrong with a token, the answer is the same `unauthenticated`."""
    assert setting.process.authenticate(BAD[name](Forge(setting.key))) == REFUSED


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
    assert setting.process.verify(BAD[name](Forge(setting.key))) == {"error": error}


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
