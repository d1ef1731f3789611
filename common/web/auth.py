"""From an Authorization header to a tenant: the only way in.

The tenant comes from the verified token and from nothing else in the request. Every token that
does not verify ends in the same `AuthError`; when it cannot be checked at all (no certificates, no
connection) that is a `TransientError`, since the person may well be right.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

import firebase_admin
from firebase_admin import auth, exceptions
from google.auth.exceptions import GoogleAuthError
from sqlalchemy import text

from common import audit, config
from common.database import Database
from common.errors import AuthError, TransientError
from common.web.claims import check_claims

#: Difference between our clock and Google's that is forgiven (firebase-admin-python#624).
CLOCK_SKEW_S: Final = 10
#: Longest Authorization header that is looked at.
MAX_HEADER_BYTES: Final = 4096

_BEARER = re.compile(r"Bearer ([A-Za-z0-9_.-]+)")
#: Bound on each call that verification makes.
_TIMEOUT_S: Final = 10
#: Ids of users, derived from Firebase's; made once with uuid4 and fixed for ever.
_USERS: Final = UUID("c296e56a-82a3-4823-940e-f01587893eb7")

#: What firebase-admin raises when the token is at fault.
_TOKEN_FAULTS: Final = (
    auth.InvalidIdTokenError,  # expired and revoked too
    auth.UserDisabledError,
    auth.UserNotFoundError,
)
#: What it and the libraries below it let through when claims have types nobody expected, e.g.
#: `iat` a string, or JSON nested 1,000 deep.
_ODD_FAULTS: Final = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)

_CREATE_USER = text("""
    INSERT INTO users (id, firebase_uid, email)
    SELECT CAST(:id AS uuid), CAST(:uid AS text), CAST(:email AS text)
    WHERE NOT EXISTS (SELECT FROM erasure_receipts
                      WHERE subject = 'account' AND subject_sha256 = app_user_sha256())
    ON CONFLICT DO NOTHING
""")
_FIND_USER = text("SELECT 1 FROM users WHERE id = :id AND deleted_at IS NULL")

_KNOWN_FOR_S: Final = 60.0
_KNOWN_AT_MOST: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class FirebaseIdentity:
    """Who a verified token speaks for."""

    #: Firebase's id of the account, 1–128 characters.
    uid: str
    #: None for an anonymous account.
    email: str | None
    email_verified: bool = False
    #: When they last proved who they are, in seconds since 1970.
    signed_in_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The tenant of a request; its `users` row exists."""

    user_id: UUID
    firebase_uid: str
    email_verified: bool = False
    #: When they last proved who they are, in seconds since 1970.
    signed_in_s: float = 0.0


class RequestHeaders(Protocol):
    """Headers that may repeat, such as `flask.request.headers`."""

    def getlist(self, key: str, /) -> list[str]:
        """All values of a header, whatever the case of its name."""


def authenticate(headers: RequestHeaders, *, check_revoked: bool) -> FirebaseIdentity:
    """Verify the request's one ID token.

    Args:
        headers: of the request.
        check_revoked: also ask Firebase whether the account is disabled, deleted or signed out;
            for destructive routes.

    Raises:
        AuthError: there is no token, or it does not verify, for whatever reason.
        TransientError: Google's certificates or accounts cannot be had now (`unavailable`).
    """
    token = _bearer_token(headers.getlist("Authorization"))
    try:
        claims = auth.verify_id_token(
            token, app=app(), check_revoked=check_revoked, clock_skew_seconds=CLOCK_SKEW_S
        )
        check_claims(token, claims, latest_s=time.time() + CLOCK_SKEW_S)
    except _TOKEN_FAULTS as error:
        raise AuthError(type(error).__name__) from error
    except OSError as error:  # requests' exceptions, some of which are ValueErrors as well
        raise TransientError("unavailable", f"firebase: {type(error).__name__}") from error
    except _ODD_FAULTS as error:
        raise AuthError(type(error).__name__) from error
    except (exceptions.FirebaseError, GoogleAuthError) as error:
        raise TransientError("unavailable", f"firebase: {type(error).__name__}") from error
    return _identity(claims)


def principal(db: Database, identity: FirebaseIdentity) -> Principal:
    """The tenant of a verified identity; the first request of a person makes the `users` row.

    A token outlives its account by up to an hour, and must not bring it back.

    Raises:
        AuthError: the account was deleted.
        TransientError: the database cannot be reached.
    """
    user_id = user_id_of(_project(), identity.uid)
    if not _known.has(user_id):
        with db.tenant(user_id, effect="user.create") as tx:
            values = {"id": user_id, "uid": identity.uid, "email": identity.email}
            if tx.execute(_CREATE_USER, values).rowcount == 1:
                audit.record(tx, user_id, "account.created")
            if tx.execute(_FIND_USER, values).one_or_none() is None:
                raise AuthError("the account was deleted")
        _known.add(user_id)
    return Principal(
        user_id=user_id,
        firebase_uid=identity.uid,
        email_verified=identity.email_verified,
        signed_in_s=identity.signed_in_s,
    )


def user_id_of(project: str, firebase_uid: str) -> UUID:
    """The tenant of a Firebase account: always the same, so first requests may race.

    Args:
        project: Firebase project id, which cannot contain a slash.
        firebase_uid: the account's id there.
    """
    return uuid5(_USERS, f"{project}/{firebase_uid}")


def forget(user_id: UUID) -> None:
    """The user was deleted: look at the next request, not after a minute."""
    _known.remove(user_id)


def _bearer_token(values: list[str]) -> str:
    if len(values) != 1:
        raise AuthError(f"expected one Authorization header, got {len(values)}")
    # Servers join repeated headers with commas, which no token contains.
    match = _BEARER.fullmatch(values[0]) if len(values[0]) <= MAX_HEADER_BYTES else None
    if match is None:
        raise AuthError("not a bearer token of an acceptable length")
    return match[1]


def _identity(claims: Mapping[str, Any]) -> FirebaseIdentity:
    provider = claims.get("firebase")
    if isinstance(provider, dict) and provider.get("tenant"):
        # Accounts of Identity Platform's tenants have uids of their own; Heimdex has none.
        raise AuthError("token of an Identity Platform tenant")
    email = claims.get("email")
    return FirebaseIdentity(
        uid=claims["uid"],
        email=email if isinstance(email, str) else None,
        # What is not true is not verified, whatever else it is.
        email_verified=claims.get("email_verified") is True,
        signed_in_s=float(claims["auth_time"]),
    )


@cache
def _project() -> str:
    return config.load().project


_app_lock = threading.Lock()


def app() -> firebase_admin.App:
    """Firebase, as all of this process uses it."""
    with _app_lock:
        return _initialised()


@cache
def _initialised() -> firebase_admin.App:
    options = {"projectId": _project(), "httpTimeout": _TIMEOUT_S}
    return firebase_admin.initialize_app(options=options, name="heimdex")


class _KnownUsers:
    """Users whose row was there a moment ago; the oldest go first when there are too many."""

    def __init__(self) -> None:
        self._until: OrderedDict[UUID, float] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, user_id: UUID) -> bool:
        return self._until.get(user_id, 0.0) > time.monotonic()

    def add(self, user_id: UUID) -> None:
        with self._lock:
            self._until[user_id] = time.monotonic() + _KNOWN_FOR_S
            self._until.move_to_end(user_id)
            while len(self._until) > _KNOWN_AT_MOST:
                self._until.popitem(last=False)

    def remove(self, user_id: UUID) -> None:
        with self._lock:
            self._until.pop(user_id, None)


_known = _KnownUsers()
