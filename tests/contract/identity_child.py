"""A process as a function's: Google's libraries and Heimdex's `authenticate`, nothing patched.

Reads one JSON call per line from stdin and answers with one JSON line on stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import firebase_admin
import functions_framework
import google.auth
import grpc
import requests
from firebase_admin import auth
from google.auth import impersonated_credentials
from google.cloud.storage import Client
from werkzeug.datastructures import Headers

from common.errors import HeimdexError
from common.web.auth import authenticate
from common.web.firebase import FirebaseAccounts

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def verify(*, token: str, check_revoked: bool) -> dict[str, Any]:
    """firebase-admin itself."""
    try:
        claims = auth.verify_id_token(token, check_revoked=check_revoked, clock_skew_seconds=10)
    except Exception as error:  # noqa: BLE001 - the answer is which
        return {"error": type(error).__name__}
    return dict(claims)


def authenticate_header(*, header: str, check_revoked: bool) -> dict[str, Any]:
    """What the functions do with an Authorization header."""
    try:
        identity = authenticate(Headers({"Authorization": header}), check_revoked=check_revoked)
    except HeimdexError as error:
        return {"error": type(error).__name__, "code": error.code}
    return {
        "uid": identity.uid,
        "email": identity.email,
        "signed_in_s": identity.signed_in_s,
    }


@cache
def _api() -> Any:
    """The API function as deployed; its database is one of the test's."""
    return functions_framework.create_app("api", "functions/api/main.py", "http").test_client()


def request(*, method: str, path: str, headers: list[list[str]]) -> dict[str, Any]:
    """A request to the API function, and everything of its answer."""
    pairs = Headers([(name, value) for name, value in headers])
    answer = _api().open(path, method=method, headers=pairs)
    return {
        "status": answer.status_code,
        "headers": sorted(answer.headers.items()),
        "body": answer.get_json(silent=True),
    }


def admin(*, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One call of firebase-admin that changes or reads accounts."""
    answer = getattr(auth, operation)(**arguments)
    return {"uid": getattr(answer, "uid", None), "email": getattr(answer, "email", None)}


def delete_account(*, uid: str) -> dict[str, Any]:
    """What an erasure does with an account at last."""
    try:
        FirebaseAccounts().delete(uid, effect="test.delete")
    except HeimdexError as error:
        return {"error": type(error).__name__}
    return {}


def sign(*, email: str, message: str) -> dict[str, Any]:
    """IAM signBlob, as impersonated credentials call it."""
    return {"signature": _impersonated(email).sign_bytes(message.encode()).hex()}


def sign_url(*, email: str, endpoint: str) -> dict[str, Any]:
    """A V4 upload URL made by google-cloud-storage."""
    credentials, project = google.auth.default(scopes=_SCOPES)
    client = Client(project, credentials, client_options={"api_endpoint": endpoint})
    url = (
        client.bucket("bucket")
        .blob("videos/한 clip.mp4")
        .generate_signed_url(
            version="v4",
            expiration=600,
            method="PUT",
            content_type="video/mp4",
            headers={"x-goog-content-length-range": "1,1000"},
            credentials=_impersonated(email),
            api_access_endpoint=endpoint,
        )
    )
    return {"url": url}


def impersonate(*, email: str) -> dict[str, Any]:
    """IAM generateAccessToken."""
    credentials = _impersonated(email)
    credentials.refresh(google.auth.transport.requests.Request())
    return {"token": credentials.token, "valid": credentials.valid}


def fetch(*, url: str) -> dict[str, Any]:
    """Any address, as anything in the process might."""
    try:
        return {"status": requests.get(url, timeout=5).status_code}
    except requests.RequestException as error:
        return {"error": type(error).__name__}


def grpc_call(*, target: str) -> dict[str, Any]:
    """One call over an insecure channel, as Pub/Sub's and Cloud Run's clients make."""
    with grpc.insecure_channel(target) as channel:
        echo = channel.unary_unary("/test/Echo", bytes, bytes)
        return {"answer": echo(b"ping", timeout=10).decode()}


def _impersonated(email: str) -> Any:
    source, _ = google.auth.default(scopes=_SCOPES)
    return impersonated_credentials.Credentials(source, email, _SCOPES)


_CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    "verify": verify,
    "authenticate": authenticate_header,
    "request": request,
    "admin": admin,
    "delete_account": delete_account,
    "sign": sign,
    "sign_url": sign_url,
    "impersonate": impersonate,
    "fetch": fetch,
    "grpc": grpc_call,
}

if __name__ == "__main__":
    # A function logs to standard output, which is for answers here.
    answers, sys.stdout = sys.stdout, sys.stderr
    firebase_admin.initialize_app(options={"httpTimeout": 10})
    for line in sys.stdin:
        call = json.loads(line)
        print(json.dumps(_CALLS[call.pop("call")](**call)), file=answers, flush=True)
