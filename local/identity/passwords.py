"""Passwords at rest: scrypt with a salt each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

#: Interactive parameters of RFC 7914 section 2: 16 MiB and some 50 ms.
_COST = 2**14
_BLOCK = 8
_PARALLEL = 1
_SALT_BYTES = 16


def hash_password(password: str) -> str:
    """`scrypt$<cost>$<salt>$<hash>`, salt and hash in base64."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${_COST}${_encode(salt)}${_encode(_derive(password, salt, _COST))}"


def matches(password: str, stored: str) -> bool:
    """Whether `password` is the one that `hash_password` made `stored` from."""
    _, cost, salt, expected = stored.split("$")
    found = _derive(password, base64.b64decode(salt), int(cost))
    return hmac.compare_digest(found, base64.b64decode(expected))


def _derive(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=_BLOCK, p=_PARALLEL)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
