"""Requests that must not get in, why each of them could come, and the forge that makes them.

The forge has the real signing key, so a token is wrong in the one thing that it is here for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from local.identity.keys import SigningKey
from tests.contract.identity_process import PROJECT


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What a client sends."""

    headers: tuple[tuple[str, str], ...]
    path: str = "/v1/me"

    @property
    def token(self) -> str:
        """The one bearer token."""
        return self.headers[0][1].removeprefix("Bearer ")


@dataclass(frozen=True, kw_only=True)
class Intruder:
    """A request that is answered with 401."""

    name: str
    #: Why it has to be thought of.
    why: str
    make: Callable[[Forge], Sent]


class Forge:
    """Makes tokens that are right but for what is asked for."""

    def __init__(self, key: SigningKey, other: SigningKey | None = None) -> None:
        self.key = key
        #: Another of the issuer's keys, for another purpose.
        self.other = other or key

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
        return self.sealed_text(json.dumps(header), json.dumps(payload))

    def sealed_text(self, header: str, payload: str) -> str:
        """The same for what json.dumps would not write."""
        body = f"{_segment(header)}.{_segment(payload)}"
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


def _of_another_certificate(forge: Forge) -> str:
    header = {"alg": "RS256", "kid": forge.other.key_id}
    body = f"{_segment(json.dumps(header))}.{_segment(json.dumps(forge.claims()))}"
    return f"{body}.{_segment(forge.other.sign(body.encode()))}"


def _repeated(forge: Forge, name: str, value: str, *, in_header: bool) -> str:
    """A name twice, the right value last, where a lenient reader looks."""
    header = json.dumps({"alg": "RS256", "kid": forge.key.key_id})
    payload = json.dumps(forge.claims())
    twice = f'{{"{name}": "{value}", '
    if in_header:
        return forge.sealed_text(twice + header[1:], payload)
    return forge.sealed_text(header, twice + payload[1:])


def _deep(forge: Forge) -> str:
    header = {"alg": "RS256", "kid": forge.key.key_id}
    body = f"{_segment(json.dumps(header))}.{_segment('[' * 1_700 + ']' * 1_000)}"
    return f"{body}.{_segment(b'x')}"


def _claims(**changes: Any) -> Callable[[Forge], str]:
    return lambda forge: forge.token(**changes)


def _in(seconds: float, name: str) -> Callable[[Forge], str]:
    """A time that far from now, as the test runs."""

    def make(forge: Forge) -> str:
        changes: dict[str, Any] = {name: int(time.time() + seconds)}
        return forge.token(**changes)

    return make


def _header(**changes: Any) -> Callable[[Forge], str]:
    def make(forge: Forge) -> str:
        header = {"alg": "RS256", "kid": forge.key.key_id} | changes
        return forge.sealed({n: v for n, v in header.items() if v is not None}, forge.claims())

    return make


def _payload(payload: Any) -> Callable[[Forge], str]:
    return lambda forge: forge.sealed({"alg": "RS256", "kid": forge.key.key_id}, payload)


_FIREBASE = "https://securetoken.google.com"

_KEYS: tuple[tuple[str, str, Callable[[Forge], str]], ...] = (
    ("no kid", "Which key?", _header(kid=None)),
    ("unknown kid", "A key that was withdrawn.", _header(kid="0" * 40)),
    ("kid is a path", "Keys read from files by name.", _header(kid="../../etc/passwd")),
    ("kid is a list", "A type that nobody expects.", lambda f: _header(kid=[f.key.key_id])(f)),
    ("kid is SQL", "Keys read from a table by name.", _header(kid="' OR 1=1 --")),
    ("kid of another set", "A key of the issuer's, for something else.", _of_another_certificate),
    ("alg none", "Libraries that believe the header.", _alg_none),
    ("alg missing", "The same, by leaving it out.", _header(alg=None)),
    ("alg is a list", "A type that nobody expects.", _header(alg=["RS256"])),
    ("alg in lower case", "Compared without case, it would be another name.", _header(alg="rs256")),
    ("HS256 with the public key", "A public key taken for a secret.", _hs256_with_public_key),
    ("RS512", "Right key, other algorithm.", lambda f: f.signed(f.key.private_key, "RS512")),
    ("signed by another key", "The kid says who signed; it did not.", _other_key),
    ("payload swapped", "A right signature of something else.", _swapped_payload),
    ("signature stripped", "Nothing to verify.", lambda f: f.token().rpartition(".")[0] + "."),
    ("signature cut", "Almost a signature.", lambda f: f.token()[:-8]),
    (
        "alg twice in the header",
        "Two readers, two algorithms.",
        lambda f: _repeated(f, "alg", "none", in_header=True),
    ),
)

_CLAIMS: tuple[tuple[str, str, Callable[[Forge], str]], ...] = (
    ("aud of another project", "Any Firebase project can be had for free.", _claims(aud="another")),
    ("aud is a list", "A token for several projects.", _claims(aud=[PROJECT])),
    ("no aud", "A token for nobody.", _claims(aud=None)),
    ("iss of another project", "Its users are not ours.", _claims(iss=f"{_FIREBASE}/another")),
    ("iss with a trailing slash", "Compared by prefix.", _claims(iss=f"{_FIREBASE}/{PROJECT}/")),
    ("iss is a number", "A type that nobody expects.", _claims(iss=7)),
    ("no iss", "Issued by nobody.", _claims(iss=None)),
    (
        "session cookie",
        "Firebase's, but for a browser's cookie.",
        _claims(iss=f"https://session.firebase.google.com/{PROJECT}"),
    ),
    (
        "Google's own ID token",
        "Of a service account that may call the function.",
        _claims(iss="https://accounts.google.com"),
    ),
    ("sub empty", "Everybody's account.", _claims(sub="")),
    ("sub is a number", "A type that nobody expects.", _claims(sub=7)),
    ("sub of 129 characters", "Longer than an account's id.", _claims(sub="s" * 129)),
    ("sub with a NUL", "Cut short somewhere, it is another's.", _claims(sub="some\0body")),
    ("sub is half a character", "No text that can be stored.", _claims(sub="\ud800")),
    ("no sub", "Nobody's token.", _claims(sub=None)),
    ("e-mail with a NUL", "No text that can be stored.", _claims(email="a\0@example.com")),
    (
        "sub twice",
        "Two readers, two people.",
        lambda f: _repeated(f, "sub", "victim", in_header=False),
    ),
    (
        "expired",
        "Stolen yesterday.",
        lambda f: f.token(iat=int(time.time()) - 3700, exp=int(time.time()) - 20),
    ),
    ("just expired", "Beyond the 10 s that clocks may differ.", _in(-12, "exp")),
    ("expired in the last century", "A negative time.", _claims(exp=-1)),
    ("exp is a string", "A type that nobody expects.", _claims(exp="tomorrow")),
    ("exp is a list", "A type that nobody expects.", _claims(exp=[1])),
    ("exp is a fraction", "Firebase's are whole.", _claims(exp=time.time() + 600.5)),
    ("exp is infinite", "Never expires.", _claims(exp=float("inf"))),
    ("no exp", "Never expires.", _claims(exp=None)),
    ("issued in the future", "A clock that was set forward.", _in(60, "iat")),
    ("issued in a moment", "Beyond the 10 s that clocks may differ.", _in(13, "iat")),
    ("iat is a string", "A type that nobody expects.", _claims(iat="yesterday")),
    ("no iat", "Issued never.", _claims(iat=None)),
    ("signed in in the future", "Younger than any revocation.", _in(60, "auth_time")),
    ("no auth_time", "How long ago was the password asked for?", _claims(auth_time=None)),
    ("auth_time is true", "Counts as 1.", _claims(auth_time=True)),
    (
        "other Identity Platform tenant",
        "Accounts with ids of their own.",
        _claims(firebase={"tenant": "elsewhere", "sign_in_provider": "password"}),
    ),
    ("custom token", "Made by a server to sign in with.", _custom_token),
    ("legacy token with an odd payload", "firebase-admin trips over it.", _legacy_token),
)

_SHAPES: tuple[tuple[str, str, Callable[[Forge], str]], ...] = (
    ("payload is a list", "JSON, but no object.", _payload([1])),
    ("payload is a number", "JSON, but no object.", _payload(1)),
    ("payload is nested too deep", "A stack overflow, if parsed by recursion.", _deep),
    ("header is a list", "JSON, but no object.", lambda f: f.sealed(["RS256"], f.claims())),
    ("two dots only", "Nothing at all.", lambda f: ".."),
    ("one segment", "No token.", lambda f: "abc"),
    ("four segments", "Which is the signature?", lambda f: f.token() + ".abc"),
    ("not base64", "Nothing that can be decoded.", lambda f: "a.b.c"),
    ("longer than 4 KiB", "More than is looked at.", _claims(name="n" * 4_000)),
    ("a megabyte", "Far more.", lambda f: "a" * 1_000_000),
)


def _authorization(*values: str) -> Sent:
    return Sent(headers=tuple(("Authorization", value) for value in values))


def _bearer(make: Callable[[Forge], str]) -> Callable[[Forge], Sent]:
    return lambda forge: _authorization(f"Bearer {make(forge)}")


def _elsewhere(name: str, value: str = "{}") -> Callable[[Forge], Sent]:
    return lambda forge: Sent(headers=((name, value.format(forge.token())),))


_HEADERS: tuple[tuple[str, str, Callable[[Forge], Sent]], ...] = (
    ("no header", "Nobody.", lambda f: Sent(headers=())),
    ("empty header", "Nobody.", lambda f: _authorization("")),
    ("no token", "The word alone.", lambda f: _authorization("Bearer")),
    (
        "lower-case bearer",
        "One spelling, so that no proxy reads another.",
        lambda f: _authorization(f"bearer {f.token()}"),
    ),
    ("two spaces", "The same.", lambda f: _authorization(f"Bearer  {f.token()}")),
    ("Basic", "Another scheme.", lambda f: _authorization(f"Basic {f.token()}")),
    ("no scheme", "The token alone.", lambda f: _authorization(f.token())),
    (
        "twice",
        "A proxy checks one, we another.",
        lambda f: _authorization(f"Bearer {f.token()}", f"Bearer {f.token()}"),
    ),
    (
        "two in one",
        "The same, joined.",
        lambda f: _authorization(f"Bearer {f.token()}, Bearer {f.token()}"),
    ),
    ("bytes", "No ASCII.", lambda f: _authorization("Bearer \xff\xfe.b.c")),
    (
        "in the query",
        "URLs are logged.",
        lambda f: Sent(headers=(), path=f"/v1/me?access_token={f.token()}"),
    ),
    ("in a cookie", "Sent along by any page.", _elsewhere("Cookie", "__session={}")),
    ("for App Check", "Says which app, not who.", _elsewhere("X-Firebase-AppCheck")),
    (
        "behind a gateway",
        "Set by a gateway that is not there.",
        _elsewhere("X-Forwarded-Authorization", "Bearer {}"),
    ),
    ("as user info", "The same, already unpacked.", _elsewhere("X-Apigateway-Api-Userinfo")),
)

BAD: Mapping[str, Intruder] = {
    name: Intruder(name=name, why=why, make=make)
    for name, why, make in (
        *((name, why, _bearer(make)) for name, why, make in (*_KEYS, *_CLAIMS, *_SHAPES)),
        *_HEADERS,
    )
}
