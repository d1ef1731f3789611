"""Accounts: who may sign in."""

from __future__ import annotations

import secrets
import sqlite3
import string
from dataclasses import astuple, dataclass, fields

from local.identity.state import State
from local.identity.wire import ApiError

_UID_LETTERS = string.ascii_letters + string.digits
#: As long as Firebase's own.
_UID_LENGTH = 28


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account. Fields are columns, in the order of the table."""

    uid: str
    #: Lower case; None for an anonymous account.
    email: str | None
    #: See `local.identity.passwords`; None when only mail links or nothing signs in.
    password_hash: str | None = None
    email_verified: bool = False
    display_name: str | None = None
    photo_url: str | None = None
    disabled: bool = False
    #: JSON object merged into ID tokens.
    custom_claims: str | None = None
    #: ID tokens issued before this second are revoked.
    valid_since_s: int
    created_at_ms: int
    last_sign_in_at_ms: int
    password_changed_at_ms: int = 0


_COLUMNS = tuple(field.name for field in fields(Account))
_FLAGS = ("email_verified", "disabled")


def new_uid() -> str:
    """An id that was never used."""
    return "".join(secrets.choice(_UID_LETTERS) for _ in range(_UID_LENGTH))


class Accounts:
    """The table of accounts."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, uid: str) -> Account | None:
        """By id."""
        return self._one("SELECT * FROM accounts WHERE uid = ?", uid)

    def find_by_email(self, email: str) -> Account | None:
        """By address, whatever its case."""
        return self._one("SELECT * FROM accounts WHERE email = ?", email.lower())

    def save(self, account: Account) -> None:
        """Create or replace.

        Raises:
            ApiError: another account has the email (EMAIL_EXISTS).
        """
        updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
        sql = (
            f"INSERT INTO accounts ({', '.join(_COLUMNS)}) "
            f"VALUES ({', '.join('?' for _ in _COLUMNS)}) "
            f"ON CONFLICT (uid) DO UPDATE SET {updates}"
        )
        try:
            with self._state.transaction() as connection:
                connection.execute(sql, astuple(account))
        except sqlite3.IntegrityError as error:
            raise ApiError.toolkit("EMAIL_EXISTS") from error

    def delete(self, uid: str) -> None:
        """Remove the account and its refresh tokens."""
        with self._state.transaction() as connection:
            connection.execute("DELETE FROM refresh_tokens WHERE uid = ?", (uid,))
            connection.execute("DELETE FROM accounts WHERE uid = ?", (uid,))

    def _one(self, sql: str, key: str) -> Account | None:
        with self._state.transaction() as connection:
            row = connection.execute(sql, (key,)).fetchone()
        if row is None:
            return None
        values = {name: row[name] for name in _COLUMNS}
        return Account(**values | {name: bool(values[name]) for name in _FLAGS})
