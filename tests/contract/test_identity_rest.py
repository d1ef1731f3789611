"""Accounts by the REST calls that Firebase's web SDK makes, with Google's error bodies."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from local.identity import Faults, IdentityServer, Mail, hosts
from tests.contract.identity_client import IdentityClient
from tests.contract.identity_process import PROJECT

EMAIL = "min@example.com"
INVALID = "INVALID_LOGIN_CREDENTIALS"
WEAK = "WEAK_PASSWORD : Password should be at least 6 characters"


@dataclass(kw_only=True)
class Clock:
    """A clock that tests move."""

    now_s: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The stand-in's clock."""
    return Clock()


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[IdentityServer]:
    """A stand-in of the test's own."""
    with IdentityServer(tmp_path, project=PROJECT, clock=clock) as running:
        yield running


@pytest.fixture
def client(server: IdentityServer) -> IdentityClient:
    """Calls to it."""
    return IdentityClient(server.url)


def test_sign_up_answers_as_google_does(client: IdentityClient) -> None:
    """The answer has the members that the SDK reads; the address is kept in lower case."""
    answer = client.toolkit("signUp", email="Min@Example.com", password="secret1")
    assert answer["kind"] == "identitytoolkit#SignupNewUserResponse"
    assert answer["email"] == EMAIL
    assert answer["expiresIn"] == "3600"
    assert len(answer["localId"]) == 28
    assert {"idToken", "refreshToken"} <= answer.keys()


@pytest.mark.parametrize(
    ("call", "body", "message"),
    [
        ("signUp", {"email": EMAIL, "password": "secret1"}, "EMAIL_EXISTS"),
        ("signUp", {"email": EMAIL.upper(), "password": "secret1"}, "EMAIL_EXISTS"),
        ("signUp", {"email": "other@example.com", "password": "short"}, WEAK),
        ("signUp", {"email": "other@example.com"}, "MISSING_PASSWORD"),
        ("signUp", {"password": "secret1"}, "MISSING_EMAIL"),
        ("signUp", {"email": "not an address", "password": "secret1"}, "INVALID_EMAIL"),
        ("signInWithPassword", {"email": EMAIL, "password": "wrong-1"}, INVALID),
        ("signInWithPassword", {"email": "who@example.com", "password": "secret1"}, INVALID),
        ("signInWithPassword", {"email": EMAIL}, "MISSING_PASSWORD"),
        ("lookup", {"idToken": "a.b.c"}, "INVALID_ID_TOKEN"),
        ("lookup", {}, "MISSING_ID_TOKEN"),
        ("update", {"idToken": "a.b.c", "displayName": "x"}, "INVALID_ID_TOKEN"),
        ("update", {"oobCode": "none"}, "INVALID_OOB_CODE"),
        ("resetPassword", {"oobCode": "none", "newPassword": "secret2"}, "INVALID_OOB_CODE"),
        ("signInWithEmailLink", {"email": EMAIL, "oobCode": "none"}, "INVALID_OOB_CODE"),
        ("sendOobCode", {"requestType": "POSTCARD", "email": EMAIL}, "INVALID_REQ_TYPE"),
    ],
)
def test_refusals_have_googles_messages(
    client: IdentityClient, call: str, body: dict[str, str], message: str
) -> None:
    """The SDK turns these very messages into its error codes."""
    client.sign_up(EMAIL, "secret1")
    assert client.refusal(call, **body) == message


def test_the_error_body_is_googles(server: IdentityServer) -> None:
    """Code, message and the list of causes stand where the SDKs look for them."""
    url = f"{server.url}/{hosts.IDENTITY_TOOLKIT}/v1/accounts:signInWithPassword?key=local"
    body = {"email": "who@example.com", "password": "secret1"}
    cause = {"message": INVALID, "domain": "global", "reason": "invalid"}
    response = requests.post(url, json=body, timeout=10)
    assert response.status_code == 400
    assert response.json() == {"error": {"code": 400, "message": INVALID, "errors": [cause]}}


def test_a_call_without_an_api_key_is_forbidden(server: IdentityServer) -> None:
    """As at Google, a client must name its project by key."""
    url = f"{server.url}/{hosts.IDENTITY_TOOLKIT}/v1/accounts:signUp"
    assert requests.post(url, json={}, timeout=10).json()["error"]["status"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("body", ["[1]", "{", '{"email": 7}', r'{"email": "\ud800"}', "\x00"])
def test_malformed_bodies_are_refused(server: IdentityServer, body: str) -> None:
    """What is not a JSON object of the right types is an invalid argument, not a crash."""
    url = f"{server.url}/{hosts.IDENTITY_TOOLKIT}/v1/accounts:signUp?key=local"
    response = requests.post(url, data=body, timeout=10)
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_signing_in_gives_the_same_account(client: IdentityClient) -> None:
    """Whatever the case of the address."""
    user = client.sign_up(EMAIL, "secret1")
    assert client.sign_in("MIN@example.com", "secret1").uid == user.uid


def test_refresh_keeps_the_time_of_authentication(client: IdentityClient, clock: Clock) -> None:
    """A refreshed token is new, but says when the person last proved who they are."""
    user = client.sign_up(EMAIL, "secret1")
    clock.now_s += 1800
    refreshed = client.refresh(user.refresh_token)
    before, after = (
        jwt.decode(token, options={"verify_signature": False})
        for token in (user.id_token, refreshed.id_token)
    )
    assert after["iat"] - before["iat"] == 1800
    assert after["auth_time"] == before["auth_time"]
    assert refreshed.uid == user.uid


def test_refresh_takes_the_sdks_form_too(server: IdentityServer, client: IdentityClient) -> None:
    """The SDK sends the refresh as a form, with no JSON."""
    user = client.sign_up(EMAIL, "secret1")
    answer = requests.post(
        f"{server.url}/{hosts.SECURE_TOKEN}/v1/token?key=local",
        data={"grant_type": "refresh_token", "refresh_token": user.refresh_token},
        timeout=10,
    ).json()
    assert (answer["user_id"], answer["expires_in"]) == (user.uid, "3600")
    assert answer["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "none"}, "INVALID_REFRESH_TOKEN"),
        ({"grant_type": "refresh_token"}, "MISSING_REFRESH_TOKEN"),
        ({"grant_type": "password"}, "INVALID_GRANT_TYPE"),
    ],
)
def test_bad_refreshes_are_refused(
    client: IdentityClient, body: dict[str, str], message: str
) -> None:
    """With the message that the SDK knows."""
    with pytest.raises(requests.HTTPError) as caught:
        client.post(f"{hosts.SECURE_TOKEN}/v1/token", body)
    assert caught.value.response.json()["error"]["message"] == message


def test_lookup_shows_the_profile(client: IdentityClient) -> None:
    """The SDK's `reload()` finds address, provider and times."""
    user = client.sign_up(EMAIL, "secret1")
    (record,) = client.toolkit("lookup", idToken=user.id_token)["users"]
    assert record["localId"] == user.uid
    assert record["emailVerified"] is False
    assert record["providerUserInfo"][0]["providerId"] == "password"
    assert int(record["createdAt"]) <= int(record["lastLoginAt"])


def test_an_expired_token_looks_up_nothing(client: IdentityClient, clock: Clock) -> None:
    """After an hour the client must refresh."""
    user = client.sign_up(EMAIL, "secret1")
    clock.now_s += 3600
    assert client.refusal("lookup", idToken=user.id_token) == "TOKEN_EXPIRED"


def test_the_profile_can_be_changed(client: IdentityClient) -> None:
    """Name and photo come, show in new tokens, and go."""
    user = client.sign_up(EMAIL, "secret1")
    changed = client.toolkit(
        "update",
        idToken=user.id_token,
        displayName="민지",
        photoUrl="https://example.com/p",
        returnSecureToken=True,
    )
    claims = jwt.decode(changed["idToken"], options={"verify_signature": False})
    assert (claims["name"], claims["picture"]) == ("민지", "https://example.com/p")
    gone = client.toolkit("update", idToken=user.id_token, deleteAttribute=["DISPLAY_NAME"])
    assert "displayName" not in gone
    assert gone["photoUrl"] == "https://example.com/p"


def test_an_address_in_use_cannot_be_taken(client: IdentityClient) -> None:
    """Changing to somebody's address is refused and changes nothing."""
    client.sign_up(EMAIL, "secret1")
    other = client.sign_up("other@example.com", "secret1")
    assert client.refusal("update", idToken=other.id_token, email=EMAIL) == "EMAIL_EXISTS"
    assert client.sign_in("other@example.com", "secret1").uid == other.uid


def test_a_new_password_ends_all_sessions(client: IdentityClient, clock: Clock) -> None:
    """Old password, ID tokens and refresh tokens stop working; the caller gets new ones."""
    user = client.sign_up(EMAIL, "secret1")
    clock.now_s += 1
    changed = client.toolkit(
        "update", idToken=user.id_token, password="secret2", returnSecureToken=True
    )
    assert client.refusal("signInWithPassword", email=EMAIL, password="secret1") == INVALID
    assert client.refusal("lookup", idToken=user.id_token) == "TOKEN_EXPIRED"
    with pytest.raises(requests.HTTPError, match="400"):
        client.refresh(user.refresh_token)
    assert client.sign_in(EMAIL, "secret2").uid == user.uid
    assert client.refresh(changed["refreshToken"]).uid == user.uid


def test_an_anonymous_account_can_be_named(client: IdentityClient) -> None:
    """Somebody who tried first and signed up later keeps their account."""
    anonymous = client.toolkit("signUp", returnSecureToken=True)
    named = client.toolkit("signUp", idToken=anonymous["idToken"], email=EMAIL, password="secret1")
    assert named["localId"] == anonymous["localId"] == client.sign_in(EMAIL, "secret1").uid


def test_a_deleted_account_is_gone(client: IdentityClient) -> None:
    """Its tokens find nobody, and the address is free again."""
    user = client.sign_up(EMAIL, "secret1")
    client.toolkit("delete", idToken=user.id_token)
    assert client.refusal("lookup", idToken=user.id_token) == "USER_NOT_FOUND"
    assert client.refusal("signInWithPassword", email=EMAIL, password="secret1") == INVALID
    assert client.sign_up(EMAIL, "secret1").uid != user.uid


def _only_mail(server: IdentityServer) -> Mail:
    (mail,) = server.outbox()
    return mail


def test_a_password_can_be_reset_by_mail(server: IdentityServer, client: IdentityClient) -> None:
    """The code is shown first, sets a new password once, and ends all sessions."""
    user = client.sign_up(EMAIL, "secret1")
    client.toolkit("sendOobCode", requestType="PASSWORD_RESET", email=EMAIL)
    code = _only_mail(server).code
    shown = client.toolkit("resetPassword", oobCode=code)
    assert (shown["email"], shown["requestType"]) == (EMAIL, "PASSWORD_RESET")
    assert client.refusal("resetPassword", oobCode=code, newPassword="x") == WEAK
    client.toolkit("resetPassword", oobCode=code, newPassword="secret2")
    reuse = client.refusal("resetPassword", oobCode=code, newPassword="secret3")
    assert reuse == "INVALID_OOB_CODE"
    assert client.sign_in(EMAIL, "secret2").uid == user.uid
    with pytest.raises(requests.HTTPError, match="400"):
        client.refresh(user.refresh_token)


def test_a_reset_for_nobody_looks_the_same(server: IdentityServer, client: IdentityClient) -> None:
    """Who has an account cannot be found out by asking for mail."""
    answer = client.toolkit("sendOobCode", requestType="PASSWORD_RESET", email="who@example.com")
    assert answer["email"] == "who@example.com"
    assert server.outbox() == ()


def test_codes_expire(server: IdentityServer, client: IdentityClient, clock: Clock) -> None:
    """An hour later the mail is worth nothing."""
    client.sign_up(EMAIL, "secret1")
    client.toolkit("sendOobCode", requestType="PASSWORD_RESET", email=EMAIL)
    clock.now_s += 3600
    code = _only_mail(server).code
    assert client.refusal("resetPassword", oobCode=code) == "EXPIRED_OOB_CODE"


def test_codes_are_for_one_purpose(server: IdentityServer, client: IdentityClient) -> None:
    """A magic link resets no password."""
    client.sign_up(EMAIL, "secret1")
    client.toolkit("sendOobCode", requestType="EMAIL_SIGNIN", email=EMAIL)
    code = _only_mail(server).code
    refusal = client.refusal("resetPassword", oobCode=code, newPassword="secret2")
    assert refusal == "INVALID_OOB_CODE"


def test_a_magic_link_signs_in_once(server: IdentityServer, client: IdentityClient) -> None:
    """It makes the account at the first time, verifies the address, and is spent."""
    client.toolkit(
        "sendOobCode", requestType="EMAIL_SIGNIN", email=EMAIL, continueUrl="http://localhost/"
    )
    mail = _only_mail(server)
    link = parse_qs(urlsplit(mail.link).query)
    assert (link["mode"], link["oobCode"]) == (["signIn"], [mail.code])
    assert link["continueUrl"] == ["http://localhost/"]
    other = client.refusal("signInWithEmailLink", email="who@example.com", oobCode=mail.code)
    assert other == "INVALID_EMAIL"
    entered = client.toolkit("signInWithEmailLink", email=EMAIL, oobCode=mail.code)
    assert entered["isNewUser"] is True
    (record,) = client.toolkit("lookup", idToken=entered["idToken"])["users"]
    assert record["emailVerified"] is True
    again = client.refusal("signInWithEmailLink", email=EMAIL, oobCode=mail.code)
    assert again == "INVALID_OOB_CODE"


def test_an_address_is_verified_by_mail(server: IdentityServer, client: IdentityClient) -> None:
    """The code of the mail confirms the address of who asked for it."""
    user = client.sign_up(EMAIL, "secret1")
    client.toolkit("sendOobCode", requestType="VERIFY_EMAIL", idToken=user.id_token)
    client.toolkit("update", oobCode=_only_mail(server).code)
    (record,) = client.toolkit("lookup", idToken=user.id_token)["users"]
    assert record["emailVerified"] is True


def test_the_outbox_is_listed_as_by_firebases_emulator(
    server: IdentityServer, client: IdentityClient
) -> None:
    """Tests of a front end read codes where they are used to."""
    client.toolkit("sendOobCode", requestType="EMAIL_SIGNIN", email=EMAIL)
    listed = requests.get(f"{server.url}/emulator/v1/projects/{PROJECT}/oobCodes", timeout=10)
    (shown,) = listed.json()["oobCodes"]
    assert shown["oobCode"] == _only_mail(server).code
    assert (shown["email"], shown["requestType"]) == (EMAIL, "EMAIL_SIGNIN")


def test_a_browser_may_call_from_anywhere(server: IdentityServer) -> None:
    """Preflight and answer allow any origin and the SDK's headers, without credentials."""
    url = f"{server.url}/{hosts.IDENTITY_TOOLKIT}/v1/accounts:signUp?key=local"
    asked = {
        "Origin": "http://localhost:5173",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-client-version,x-firebase-gmpid",
    }
    preflight = requests.options(url, headers=asked, timeout=10)
    assert preflight.status_code == 204
    allowed = preflight.headers["Access-Control-Allow-Headers"]
    assert allowed == asked["Access-Control-Request-Headers"]
    answer = requests.post(url, json={}, headers={"Origin": asked["Origin"]}, timeout=10)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_certificates_are_served_with_their_age(server: IdentityServer) -> None:
    """A verifier caches them by Cache-Control; the plain address has them too."""
    url = (
        f"{server.url}/{hosts.CERTIFICATES}/robot/v1/metadata/x509/"
        "securetoken@system.gserviceaccount.com"
    )
    response = requests.get(url, timeout=10)
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert all(pem.startswith("-----BEGIN CERTIFICATE") for pem in response.json().values())


@pytest.mark.parametrize(
    "path",
    [
        f"{hosts.IDENTITY_TOOLKIT}/v1/projects/{PROJECT}/accounts:lookup",
        f"{hosts.IDENTITY_TOOLKIT}/v1/projects/{PROJECT}/accounts:delete",
        f"{hosts.IAM_CREDENTIALS}/v1/projects/-/serviceAccounts/"
        f"up@{PROJECT}.iam.gserviceaccount.com:signBlob",
    ],
)
@pytest.mark.parametrize("token", ["", "ya29.forged", "ya29.e30=.00", "ya29.é"])
def test_admin_calls_need_an_access_token(server: IdentityServer, path: str, token: str) -> None:
    """An API key is not enough to look up anybody or to sign."""
    headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
    response = requests.post(f"{server.url}/{path}?key=local", headers=headers, timeout=10)
    assert (response.status_code, response.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_what_does_not_exist_is_not_found(server: IdentityServer) -> None:
    """Unknown hosts, paths and methods get Google's 404 body."""
    for path in ("", "v1/accounts:signUp", "example.com/", f"{hosts.OAUTH}/nothing"):
        response = requests.get(f"{server.url}/{path}", timeout=10)
        assert (response.status_code, response.json()["error"]["code"]) == (404, 404)


def test_faults_are_one_hosts(tmp_path: Path) -> None:
    """A host that is down answers 503 while the others work, and comes back."""
    faults = Faults(unavailable_hosts={hosts.SECURE_TOKEN})
    with IdentityServer(tmp_path, project=PROJECT, faults=faults) as server:
        client = IdentityClient(server.url)
        user = client.sign_up(EMAIL, "secret1")
        with pytest.raises(requests.HTTPError, match="503"):
            client.refresh(user.refresh_token)
        faults.unavailable_hosts.clear()
        assert client.refresh(user.refresh_token).uid == user.uid


def test_answers_can_be_slow(tmp_path: Path) -> None:
    """A client with a shorter patience gives up, as it would with a slow network."""
    with IdentityServer(tmp_path, project=PROJECT, faults=Faults(delay_s=0.5)) as server:
        url = f"{server.url}/{hosts.IDENTITY_TOOLKIT}/v1/accounts:signUp?key=local"
        with pytest.raises(requests.ReadTimeout):
            requests.post(url, json={}, timeout=0.1)


def test_no_secret_is_kept_readable(tmp_path: Path) -> None:
    """Neither password nor refresh token is in the database; key files are their owner's only."""
    with IdentityServer(tmp_path, project=PROJECT) as server:
        user = IdentityClient(server.url).sign_up(EMAIL, "a secret to be found")
        server.application_default_credentials_file()
    with sqlite3.connect(tmp_path / "identity.sqlite") as connection:
        kept = "\n".join(connection.iterdump())
    connection.close()
    assert EMAIL in kept
    assert "a secret to be found" not in kept
    assert user.refresh_token not in kept
    secrets = [*tmp_path.glob("keys/*"), *tmp_path.glob("authority/*-key.pem")]
    secrets += [tmp_path / "access-token-secret", *tmp_path.glob("*.json")]
    assert len(secrets) >= 5
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
