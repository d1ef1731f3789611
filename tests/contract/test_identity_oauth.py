"""The OAuth token endpoint: only who holds a service account's key gets a token."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from local.identity import IdentityServer, hosts
from tests.contract.identity_process import PROJECT

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_URI = "https://oauth2.googleapis.com/token"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityServer]:
    """One stand-in for the module."""
    with IdentityServer(tmp_path_factory.mktemp("identity"), project=PROJECT) as running:
        yield running


@pytest.fixture(scope="module")
def account(server: IdentityServer) -> dict[str, str]:
    """The service-account file."""
    path = server.application_default_credentials_file()
    document: dict[str, str] = json.loads(path.read_text())
    return document


def _exchange(server: IdentityServer, **form: str) -> requests.Response:
    url = f"{server.url}/{hosts.OAUTH}/token"
    return requests.post(url, data=form, timeout=10)


def _claims(account: dict[str, str], **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    right = {"iss": account["client_email"], "aud": TOKEN_URI, "iat": now, "exp": now + 3600}
    return {name: value for name, value in (right | changes).items() if value is not None}


def test_an_assertion_becomes_an_access_token(
    server: IdentityServer, account: dict[str, str]
) -> None:
    """The token speaks for the account whose key signed the assertion."""
    assertion = jwt.encode(_claims(account), account["private_key"], algorithm="RS256")
    answer = _exchange(server, grant_type=GRANT, assertion=assertion).json()
    assert answer["token_type"] == "Bearer"
    assert server.email_of_access_token(answer["access_token"]) == account["client_email"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://example.com/token"},
        {"aud": None},
        {"iss": f"nobody@{PROJECT}.iam.gserviceaccount.com"},
        {"iss": "../../etc/passwd"},
        {"iss": None},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"iat": int(time.time()) + 7200, "exp": int(time.time()) + 9000},
    ],
)
def test_wrong_claims_are_an_invalid_grant(
    server: IdentityServer, account: dict[str, str], changes: dict[str, Any]
) -> None:
    """Though rightly signed, it is not for here, not from anybody, or not for now."""
    assertion = jwt.encode(_claims(account, **changes), account["private_key"], algorithm="RS256")
    answer = _exchange(server, grant_type=GRANT, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_another_key_is_an_invalid_grant(server: IdentityServer, account: dict[str, str]) -> None:
    """The signature is really checked."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assertion = jwt.encode(_claims(account), other, algorithm="RS256")
    answer = _exchange(server, grant_type=GRANT, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("assertion", ["", "a.b.c", "é"])
def test_what_is_no_assertion_is_an_invalid_grant(server: IdentityServer, assertion: str) -> None:
    """Garbage is refused, not stumbled over."""
    answer = _exchange(server, grant_type=GRANT, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_other_grants_are_not_supported(server: IdentityServer) -> None:
    """Only the assertion of a service account counts here."""
    answer = _exchange(server, grant_type="password", username="u", password="p")
    assert answer.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("signer@another-project.iam.gserviceaccount.com:signBlob", {"payload": ""}, "NOT_FOUND"),
        ("not-an-account:signBlob", {"payload": ""}, "NOT_FOUND"),
        (f"up@{PROJECT}.iam.gserviceaccount.com:signBlob", {"payload": "?"}, "INVALID_ARGUMENT"),
        (
            f"up@{PROJECT}.iam.gserviceaccount.com:generateAccessToken",
            {"scope": ["s"], "lifetime": "3601s"},
            "INVALID_ARGUMENT",
        ),
        (f"up@{PROJECT}.iam.gserviceaccount.com:generateAccessToken", {}, "INVALID_ARGUMENT"),
    ],
)
def test_iam_refuses_as_google_does(
    server: IdentityServer, account: dict[str, str], path: str, body: dict[str, Any], status: str
) -> None:
    """Accounts of other projects do not exist here; odd arguments are named."""
    assertion = jwt.encode(_claims(account), account["private_key"], algorithm="RS256")
    token = _exchange(server, grant_type=GRANT, assertion=assertion).json()["access_token"]
    response = requests.post(
        f"{server.url}/{hosts.IAM_CREDENTIALS}/v1/projects/-/serviceAccounts/{path}",
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert response.json()["error"]["status"] == status


def test_access_tokens_outlive_a_restart_but_not_their_hour(tmp_path: Path) -> None:
    """Processes keep their tokens over a restart; an hour later they are worth nothing."""
    now_s = time.time()
    server = IdentityServer(tmp_path, project=PROJECT, clock=lambda: now_s)
    with server:
        path = server.application_default_credentials_file()
        account = json.loads(path.read_text())
        assertion = jwt.encode(_claims(account), account["private_key"], algorithm="RS256")
        token = _exchange(server, grant_type=GRANT, assertion=assertion).json()["access_token"]
    again = IdentityServer(tmp_path, project=PROJECT, clock=lambda: now_s)
    assert again.email_of_access_token(token) == account["client_email"]
    assert again.application_default_credentials_file().read_text() == json.dumps(account, indent=2)
    now_s += 3600
    assert again.email_of_access_token(token) is None
