"""The calls of a signed-out browser, for the command line and tests."""

from __future__ import annotations

from dataclasses import dataclass

import requests

from local.identity import hosts

_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a client holds after signing in."""

    uid: str
    id_token: str
    refresh_token: str


class IdentityClient:
    """Signs up, signs in and refreshes, with the requests that the Firebase SDK sends.

    Args:
        url: plain address of the stand-in.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def sign_up(self, email: str, password: str) -> Credentials:
        """Make an account. Raises requests.HTTPError if Google would refuse."""
        return self._enter("signUp", email, password)

    def sign_in(self, email: str, password: str) -> Credentials:
        """Enter with a password. Raises requests.HTTPError if Google would refuse."""
        return self._enter("signInWithPassword", email, password)

    def sign_up_or_in(self, email: str, password: str) -> Credentials:
        """The account of `email`, made if there is none."""
        try:
            return self.sign_up(email, password)
        except requests.HTTPError as error:
            if "EMAIL_EXISTS" not in error.response.text:
                raise
            return self.sign_in(email, password)

    def refresh(self, refresh_token: str) -> Credentials:
        """A fresh ID token. Raises requests.HTTPError if Google would refuse."""
        body = self.post(
            f"{hosts.SECURE_TOKEN}/v1/token",
            {"grant_type": "refresh_token", "refresh_token": refresh_token},
        )
        return Credentials(
            uid=body["user_id"], id_token=body["id_token"], refresh_token=body["refresh_token"]
        )

    def post(self, path: str, body: dict[str, object]) -> dict[str, str]:
        """One call, e.g. to `identitytoolkit.googleapis.com/v1/accounts:lookup`.

        Raises:
            requests.HTTPError: the answer is an error; its `response` says which.
        """
        response = requests.post(
            f"{self._url}/{path}", params={"key": "local"}, json=body, timeout=_TIMEOUT_S
        )
        response.raise_for_status()
        answer: dict[str, str] = response.json()
        return answer

    def _enter(self, call: str, email: str, password: str) -> Credentials:
        body = self.post(
            f"{hosts.IDENTITY_TOOLKIT}/v1/accounts:{call}",
            {"email": email, "password": password, "returnSecureToken": True},
        )
        return Credentials(
            uid=body["localId"], id_token=body["idToken"], refresh_token=body["refreshToken"]
        )
