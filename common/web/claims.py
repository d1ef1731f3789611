"""What of a token firebase-admin does not look at.

Google signs no such token. If one comes it was signed with something that leaked or goes wrong,
and libraries that read the same bytes differently are how the one in front is got round.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from common.errors import AuthError

#: Seconds since 1970, whole numbers all three.
_TIMES = ("iat", "exp", "auth_time")


def check_claims(token: str, claims: Mapping[str, Any], *, latest_s: float) -> None:
    """Refuse a verified token that no Firebase project issues.

    Args:
        token: whose signature holds.
        claims: as the library read them.
        latest_s: the last moment at which anybody can have signed in, since 1970.

    Raises:
        AuthError: a name stands twice in it, a time is no time, somebody signed in in the future,
            or its id or address is no text that can be stored.
    """
    for segment in token.split(".")[:2]:
        json.loads(_decode(segment), object_pairs_hook=_unique)
    times = [claims.get(name) for name in _TIMES]
    if any(type(value) is not int for value in times):
        raise AuthError("a time is not a whole number")
    if claims["auth_time"] > latest_s:
        raise AuthError("signed in in the future")
    for name in ("uid", "email"):
        value = claims.get(name)
        if isinstance(value, str) and not _is_text(value):
            raise AuthError(f"{name} is no text")


def _decode(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise AuthError("a name stands twice in it")
    return value


def _is_text(value: str) -> bool:
    """Whether Postgres can store it: no NUL, no half of a surrogate pair."""
    return "\0" not in value and value.encode("utf-8", "ignore").decode() == value
