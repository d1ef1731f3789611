"""ID tokens and the refresh tokens behind them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import jwt

from local.identity.accounts import Account, Accounts
from local.identity.keys import KeyRing
from local.identity.state import State
from local.identity.wire import ApiError

#: Lifetime of an ID token. https://firebase.google.com/docs/auth/admin/manage-sessions
TOKEN_LIFETIME_S: Final = 3600
#: Name of the key that signs ID tokens, as Google's account for it.
TOKEN_KEY: Final = "securetoken@system.gserviceaccount.com"

_REFRESH_BYTES = 48


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a sign-in gives."""

    account: Account
    id_token: str
    refresh_token: str


class Sessions:
    """Issues, refreshes and reads ID tokens of one project.

    Args:
        state: keeps the refresh tokens (their SHA-256 only).
        accounts: whose tokens they are.
        keys: has the signing key.
        project: Firebase project id: audience and end of the issuer.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        state: State,
        accounts: Accounts,
        keys: KeyRing,
        project: str,
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._accounts = accounts
        self._key = keys.make(TOKEN_KEY)
        self._project = project
        self._clock = clock
        self._issuer = f"https://securetoken.google.com/{project}"

    @property
    def certificates(self) -> Mapping[str, str]:
        """PEM certificate by key id, as Google publishes them."""
        return {self._key.key_id: self._key.certificate_pem}

    def start(self, account: Account, provider: str) -> Session:
        """Sign in now.

        Args:
            account: must be saved.
            provider: `password` or `anonymous`.

        Raises:
            ApiError: the account is disabled (USER_DISABLED).
        """
        if account.disabled:
            raise ApiError.toolkit("USER_DISABLED")
        now = self._clock()
        account = replace(account, last_sign_in_at_ms=int(now * 1000))
        self._accounts.save(account)
        refresh_token = secrets.token_urlsafe(_REFRESH_BYTES)
        with self._state.transaction() as connection:
            connection.execute(
                "INSERT INTO refresh_tokens (sha256, uid, provider, auth_time_s) "
                "VALUES (?, ?, ?, ?)",
                (_digest(refresh_token), account.uid, provider, int(now)),
            )
        id_token = self._issue(account, provider, auth_time_s=int(now))
        return Session(account=account, id_token=id_token, refresh_token=refresh_token)

    def refresh(self, refresh_token: str) -> Session:
        """A new ID token for a refresh token; the authentication time stays.

        Raises:
            ApiError: INVALID_REFRESH_TOKEN, TOKEN_EXPIRED, USER_NOT_FOUND or USER_DISABLED.
        """
        with self._state.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM refresh_tokens WHERE sha256 = ?", (_digest(refresh_token),)
            ).fetchone()
        if row is None:
            raise ApiError.toolkit("INVALID_REFRESH_TOKEN")
        account = self._living(row["uid"])
        if row["revoked"] or row["auth_time_s"] < account.valid_since_s:
            raise ApiError.toolkit("TOKEN_EXPIRED")
        id_token = self._issue(account, row["provider"], auth_time_s=row["auth_time_s"])
        return Session(account=account, id_token=id_token, refresh_token=refresh_token)

    def account_of(self, id_token: str) -> Account:
        """Whose valid ID token this is.

        Raises:
            ApiError: INVALID_ID_TOKEN, TOKEN_EXPIRED, USER_NOT_FOUND or USER_DISABLED.
        """
        claims = self._verified(id_token)
        account = self._living(claims["sub"])
        if claims["exp"] <= self._clock() or claims["iat"] < account.valid_since_s:
            raise ApiError.toolkit("TOKEN_EXPIRED")
        return account

    def revoke(self, account: Account, *, since_s: int | None = None) -> Account:
        """End all sessions: refresh tokens at once, ID tokens of earlier seconds when checked.

        Args:
            account: as it is to be saved.
            since_s: the first second whose ID tokens are good; now, unless given.
        """
        since_s = int(self._clock()) if since_s is None else since_s
        account = replace(account, valid_since_s=since_s)
        self._accounts.save(account)
        with self._state.transaction() as connection:
            connection.execute(
                "UPDATE refresh_tokens SET revoked = 1 WHERE uid = ?", (account.uid,)
            )
        return account

    def _living(self, uid: str) -> Account:
        account = self._accounts.find(uid)
        if account is None:
            raise ApiError.toolkit("USER_NOT_FOUND")
        if account.disabled:
            raise ApiError.toolkit("USER_DISABLED")
        return account

    def _issue(self, account: Account, provider: str, *, auth_time_s: int) -> str:
        now = int(self._clock())
        claims = {
            **json.loads(account.custom_claims or "{}"),
            "iss": self._issuer,
            "aud": self._project,
            "auth_time": auth_time_s,
            "user_id": account.uid,
            "sub": account.uid,
            "iat": now,
            "exp": now + TOKEN_LIFETIME_S,
            **_profile(account, provider),
        }
        header = {"kid": self._key.key_id}
        return jwt.encode(claims, self._key.private_key, algorithm="RS256", headers=header)

    def _verified(self, id_token: str) -> dict[str, Any]:
        try:
            # Times are checked by the caller, on the injected clock.
            return jwt.decode(
                id_token,
                self._key.private_key.public_key(),
                algorithms=["RS256"],
                audience=self._project,
                issuer=self._issuer,
                options={"verify_exp": False, "verify_iat": False, "require": ["sub"]},
            )
        except jwt.PyJWTError as error:
            raise ApiError.toolkit("INVALID_ID_TOKEN") from error


def _profile(account: Account, provider: str) -> dict[str, Any]:
    claims: dict[str, Any] = {"firebase": {"identities": {}, "sign_in_provider": provider}}
    if provider == "anonymous":
        claims["provider_id"] = "anonymous"
    if account.email:
        claims["firebase"]["identities"]["email"] = [account.email]
        claims |= {"email": account.email, "email_verified": account.email_verified}
    if account.display_name:
        claims["name"] = account.display_name
    if account.photo_url:
        claims["picture"] = account.photo_url
    return claims


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
