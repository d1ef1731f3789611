"""The calls that the Firebase SDK in a browser makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
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

    def refresh(self, refresh_token: str) -> Credentials:
        """A fresh ID token. Raises requests.HTTPError if Google would refuse."""
        body = self.post(
            f"{hosts.SECURE_TOKEN}/v1/token",
            {"grant_type": "refresh_token", "refresh_token": refresh_token},
        )
        return Credentials(
            uid=body["user_id"], id_token=body["id_token"], refresh_token=body["refresh_token"]
        )

    def toolkit(self, call: str, **body: object) -> dict[str, Any]:
        """`accounts:{call}`. Raises requests.HTTPError if Google would refuse."""
        return self.post(f"{hosts.IDENTITY_TOOLKIT}/v1/accounts:{call}", body)

    def refusal(self, call: str, **body: object) -> str:
        """The message with which `accounts:{call}` is refused."""
        with pytest.raises(requests.HTTPError) as caught:
            self.toolkit(call, **body)
        return str(caught.value.response.json()["error"]["message"])

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call, e.g. to `identitytoolkit.googleapis.com/v1/accounts:lookup`.

        Raises:
            requests.HTTPError: the answer is an error; its `response` says which.
        """
        response = requests.post(
            f"{self._url}/{path}", params={"key": "local"}, json=body, timeout=_TIMEOUT_S
        )
        response.raise_for_status()
        return dict(response.json())

    def _enter(self, call: str, email: str, password: str) -> Credentials:
        body = self.toolkit(call, email=email, password=password, returnSecureToken=True)
        return Credentials(
            uid=body["localId"], id_token=body["idToken"], refresh_token=body["refreshToken"]
        )
