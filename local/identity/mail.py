"""Out-of-band codes: what Firebase would send by mail, kept in a local outbox."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import urlencode

from local.identity.state import State
from local.identity.wire import ApiError

RequestType = Literal["PASSWORD_RESET", "EMAIL_SIGNIN", "VERIFY_EMAIL"]
REQUEST_TYPES: Final[tuple[str, ...]] = get_args(RequestType)

#: How long a code works.
LIFETIME_S: Final = 3600

#: The `mode` parameter of the link, which the SDK's `parseActionCodeURL` reads.
_MODES: Final = {
    "PASSWORD_RESET": "resetPassword",
    "EMAIL_SIGNIN": "signIn",
    "VERIFY_EMAIL": "verifyEmail",
}


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One message in the outbox."""

    email: str
    #: One of `REQUEST_TYPES`.
    request_type: str
    code: str
    #: What the person would click.
    link: str


class Outbox:
    """Codes that were sent, and their single use.

    Args:
        state: keeps them.
        project: names the host of links, `{project}.firebaseapp.com`.
        clock: seconds since the epoch.
    """

    def __init__(self, *, state: State, project: str, clock: Callable[[], float]) -> None:
        self._state = state
        self._action_url = f"https://{project}.firebaseapp.com/__/auth/action"
        self._clock = clock

    def send(self, request_type: str, email: str, *, continue_url: str = "") -> Mail:
        """Put a fresh code into the outbox."""
        code = secrets.token_urlsafe(40)
        query = {"mode": _MODES[request_type], "oobCode": code, "apiKey": "local"}
        if continue_url:
            query["continueUrl"] = continue_url
        link = f"{self._action_url}?{urlencode(query)}"
        with self._state.transaction() as connection:
            connection.execute(
                "INSERT INTO mail (code, request_type, email, link, sent_at_s) "
                "VALUES (?, ?, ?, ?, ?)",
                (code, request_type, email, link, int(self._clock())),
            )
        return Mail(email=email, request_type=request_type, code=code, link=link)

    def open(self, code: str, *request_types: str, use: bool) -> Mail:
        """The mail of a code, which `use` spends.

        Raises:
            ApiError: INVALID_OOB_CODE (unknown, spent, of another kind) or EXPIRED_OOB_CODE.
        """
        with self._state.transaction() as connection:
            row = connection.execute("SELECT * FROM mail WHERE code = ?", (code,)).fetchone()
            if row is None or row["used"] or row["request_type"] not in request_types:
                raise ApiError.toolkit("INVALID_OOB_CODE")
            if row["sent_at_s"] + LIFETIME_S <= self._clock():
                raise ApiError.toolkit("EXPIRED_OOB_CODE")
            if use:
                connection.execute("UPDATE mail SET used = 1 WHERE code = ?", (code,))
        return _mail(row)

    def unread(self) -> tuple[Mail, ...]:
        """Mail whose code was not used yet, oldest first."""
        with self._state.transaction() as connection:
            rows = connection.execute("SELECT * FROM mail WHERE NOT used ORDER BY sequence")
            return tuple(_mail(row) for row in rows)


def _mail(row: sqlite3.Row) -> Mail:
    return Mail(
        email=row["email"],
        request_type=row["request_type"],
        code=row["code"],
        link=row["link"],
    )
