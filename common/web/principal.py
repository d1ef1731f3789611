"""Who asks: what the web layer needs to know of a signed-in user, and of whoever verifies that."""

from __future__ import annotations

from typing import Final, Protocol
from uuid import UUID

#: What a session alone must not be enough for takes a sign-in within this time.
RECENT_SIGN_IN_S: Final = 300


class Principal(Protocol):
    """Who asks, from a verified token."""

    @property
    def user_id(self) -> UUID:
        """Our id of the user: the tenant."""

    @property
    def firebase_uid(self) -> str:
        """Firebase's id of the user."""

    @property
    def email_verified(self) -> bool:
        """Whether their address is theirs, as the token says."""

    @property
    def signed_in_s(self) -> float:
        """When they last proved who they are, in seconds since 1970; refreshing is no proof."""


class RequestHeaders(Protocol):
    """Headers that may repeat, such as `flask.request.headers`."""

    def getlist(self, key: str, /) -> list[str]:
        """All values of a header, whatever the case of its name."""


class Authenticate(Protocol):
    """Turns a request's headers into a principal."""

    def __call__(self, headers: RequestHeaders, *, check_revoked: bool) -> Principal:
        """Verify the Authorization header.

        Raises:
            AuthError: there is none, or its token does not verify.
            TransientError: it cannot be verified now.
        """
