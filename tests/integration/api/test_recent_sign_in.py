"""What a session alone is not enough for: it takes somebody who has just signed in."""

from __future__ import annotations

import pytest

from common.people.consent import POLICY_VERSION
from functions.api.routes import routes
from tests.integration.api.world import Answer, ApiClient, Ledger

_BODIES: dict[str, dict[str, str]] = {
    "/v1/exports": {},
    "/v1/faces/consent": {"policy_version": POLICY_VERSION},
}
_GUARDED = [(route.method, route.path) for route in routes if route.recent_sign_in]


def _ask(client: ApiClient, method: str, path: str) -> Answer:
    if method == "DELETE":
        return client.delete(f"{path}?confirm=delete-everything")
    return client.post(path, _BODIES[path])


def test_what_is_guarded() -> None:
    """Leaving, taking everything along, and consent to faces are all there is."""
    assert set(_GUARDED) == {("DELETE", "/v1/me"), *(("POST", path) for path in _BODIES)}


@pytest.mark.parametrize(("method", "path"), _GUARDED, ids=str)
def test_an_old_session_is_asked_to_sign_in_again(
    method: str, path: str, stale: ApiClient, client: ApiClient, ledger: Ledger
) -> None:
    """The refusal says how recent a sign-in it takes; then the same request is granted."""
    assert stale.get("/v1/me").status_code == 200
    refused = _ask(stale, method, path)
    assert (refused.status_code, refused.json["code"]) == (401, "sign_in_again")
    assert refused.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age="300"'
    )
    assert client.get("/v1/me").status_code == 200
    assert _ask(client, method, path).status_code in (200, 202, 204)
