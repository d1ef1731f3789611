"""The API function with a real Postgres, a real V4 signer and a stand-in for Firebase."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import flask
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from google.oauth2 import service_account
from jsonschema import (  # type: ignore[import-untyped]  # ships no types
    Draft202012Validator,
    FormatChecker,
)
from werkzeug.datastructures import Headers

from common.errors import AuthError
from common.storage import ObjectStore, Signers
from common.web import openapi
from common.web.headers import SECURITY_HEADERS
from common.web.routes import RequestHeaders, Route
from functions.api.routes import routes
from tests.conftest import TestDatabase

DOCUMENT = openapi.document(routes, title="Heimdex", version="0", description="")

_JSON_COLUMNS = ("transcript", "screen_text", "tags")


@dataclass(frozen=True, kw_only=True)
class FakePrincipal:
    """A signed-in user."""

    user_id: UUID
    firebase_uid: str
    email_verified: bool = True
    #: Just now, whenever that is.
    signed_in_s: float = math.inf


def authenticate(headers: RequestHeaders, *, check_revoked: bool) -> FakePrincipal:
    """Tokens are user ids; `revoked-…` verifies until somebody asks Firebase.

    The address of `unverified-…` is not verified; `stale-…` signed in a while ago.
    """
    match = re.fullmatch(
        r"Bearer (revoked-|unverified-|stale-)?([0-9a-f-]{36})",
        ", ".join(headers.getlist("Authorization")),
    )
    if match is None or (match[1] == "revoked-" and check_revoked):
        raise AuthError("no such token")
    return FakePrincipal(
        user_id=UUID(match[2]),
        firebase_uid=match[2],
        email_verified=match[1] != "unverified-",
        signed_in_s=time.time() - 310 if match[1] == "stale-" else math.inf,
    )


def make_signer() -> ObjectStore:
    """The real signer, with a service account of its own; it makes no request."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    credentials = service_account.Credentials.from_service_account_info(
        {
            "client_email": "signer@heimdex-test.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
            "private_key": pem.decode(),
        }
    )
    client = Client(project="heimdex-test", credentials=AnonymousCredentials())
    return ObjectStore(
        client, signers=Signers(upload=lambda: credentials, download=lambda: credentials)
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status_code: int
    headers: Headers
    mimetype: str
    data: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.data)


class ApiClient:
    """A user's client. Every answer is checked against the OpenAPI document.

    Args:
        app: the API function's application.
        token: sent as the bearer token, if any.
    """

    def __init__(self, app: flask.Flask, token: str = "") -> None:
        self._client: FlaskClient = app.test_client()
        self._token = token

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send a request; `raw` is a body that is not (valid) JSON."""
        sent = dict(headers or {})
        if self._token:
            sent.setdefault("Authorization", f"Bearer {self._token}")
        if body is not None or raw is not None:
            sent.setdefault("Content-Type", "application/json")
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        response = self._client.open(path, method=method, data=data, headers=sent)
        answer = Answer(
            status_code=response.status_code,
            headers=response.headers,
            mimetype=response.mimetype or "",
            data=response.data,
        )
        check_documented(method, path, answer)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> Answer:
        """POST."""
        return self.call("POST", path, body=body, **options)

    def patch(self, path: str, body: object = None, **options: Any) -> Answer:
        """PATCH."""
        return self.call("PATCH", path, body=body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """DELETE."""
        return self.call("DELETE", path, **options)


def check_documented(method: str, path: str, answer: Answer) -> None:
    """Assert that the document allows this answer, and that it carries the security headers."""
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])
    route = _route_of("GET" if method == "HEAD" else method, urlsplit(path).path)
    if route is None:
        assert answer.status_code in (404, 405, 413)
        _validate({"$ref": "#/components/schemas/Problem"}, answer)
        return
    documented = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    content = _resolved(documented[str(answer.status_code)]).get("content")
    if content is None or method == "HEAD":
        assert answer.data == b""
    else:
        _validate(content[answer.mimetype]["schema"], answer)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    return dict(DOCUMENT["components"]["responses"][node["$ref"].rpartition("/")[2]])


def _validate(schema: Mapping[str, Any], answer: Answer) -> None:
    Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, format_checker=FormatChecker()
    ).validate(answer.json)


def _route_of(method: str, path: str) -> Route | None:
    for route in routes:
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path)
        if route.method == method and re.fullmatch(pattern, path):
            return route
    return None


def upload_request(**changes: object) -> dict[str, object]:
    """A valid upload of a video."""
    return {"video": {"content_type": "video/mp4", "size_bytes": 1000}} | changes


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Puts rows where the event functions and workers would."""

    database: TestDatabase
    user_id: UUID

    def video(self, **columns: object) -> UUID:
        """A video; title, state and the like may be given."""
        values = {"user_id": self.user_id, "id": uuid4(), "title": "a video"} | columns
        self._insert("videos", values)
        return UUID(str(values["id"]))

    def scene(self, video_id: UUID, ordinal: int = 0, **columns: object) -> UUID:
        """A scene of four seconds with one line of each kind."""
        segment = {"start_ms": 0, "end_ms": 900, "text": "안녕", "language": "ko", "words": []}
        line = {"time_ms": 100, "text": "EXIT", "box": [0, 0, 0.5, 0.1], "confidence": 0.9}
        values = {
            "user_id": self.user_id,
            "id": uuid4(),
            "video_id": video_id,
            "index_version": "offline-1",
            "ordinal": ordinal,
            "start_ms": ordinal * 4000,
            "end_ms": ordinal * 4000 + 4000,
            "transcript": json.dumps([segment]),
            "languages": ["ko"],
            "screen_text": json.dumps([line]),
            "tags": json.dumps([{"tag": "night", "score": 0.75}]),
            "best_frame_ms": ordinal * 4000 + 100,
            "transcript_length": 1,
            "screen_length": 1,
        } | columns
        self._insert("scenes", values)
        return UUID(str(values["id"]))

    def run(self, video_id: UUID, lane: str, **columns: object) -> UUID:
        """A run of generation 1."""
        values = {
            "user_id": self.user_id,
            "id": uuid4(),
            "video_id": video_id,
            "generation": 1,
            "lane": lane,
        } | columns
        self._insert("runs", values)
        return UUID(str(values["id"]))

    def stage(self, run_id: UUID, stage: str, ordinal: int, **columns: object) -> None:
        """A checkpoint of a run."""
        values = {
            "user_id": self.user_id,
            "run_id": run_id,
            "stage": stage,
            "ordinal": ordinal,
            "version": 1,
        } | columns
        self._insert("jobs", values)

    def count(self, table: str) -> int:
        """Rows in a table, of whichever tenant."""
        (row,) = self.database.owner_rows(f"SELECT count(*) FROM {table}")
        return int(str(row[0]))

    def _insert(self, table: str, values: Mapping[str, object]) -> None:
        names = ", ".join(values)
        parameters = ", ".join(
            f"CAST(:{name} AS jsonb)"
            if name in ("transcript", "screen_text", "tags")
            else f":{name}"
            for name in values
        )
        self.database.owner_rows(f"INSERT INTO {table} ({names}) VALUES ({parameters})", **values)
