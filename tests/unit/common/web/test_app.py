"""The application around the handlers: errors, headers, CORS, bounds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID, uuid4

import flask
import functions_framework
import pytest
import sqlalchemy
from flask.testing import FlaskClient

from common.database import Database
from common.errors import AuthError, InputError, TransientError
from common.web.app import MAX_BODY_BYTES, create_app, to_response
from common.web.headers import SECURITY_HEADERS
from common.web.language import Language
from common.web.models import BodyModel, QueryModel, ResponseModel
from common.web.routes import Principal, RequestHeaders, RouteTable
from tests.conftest import settings

routes: RouteTable[None] = RouteTable()


class Echo(ResponseModel):
    """What was understood."""

    text: str


class FailQuery(QueryModel):
    """How to fail."""

    how: str = ""


@routes.get("/v1/hello", summary="s", conditional=True)
def hello(services: None, *, language: Language) -> Echo:
    """Greet."""
    return Echo(text={"en": "hello", "ko": "안녕"}[language])


@routes.get("/v1/secret", summary="s")
def secret(services: None, *, principal: Principal) -> Echo:
    """Name the user."""
    return Echo(text=principal.firebase_uid)


@routes.get("/v1/fail", summary="s", errors=("wrong_state",))
def fail(services: None, *, query: FailQuery) -> Echo:
    """Fail."""
    if query.how == "transient":
        raise TransientError(detail="the database at 10.0.0.3")
    if query.how == "known":
        raise InputError("wrong_state", "internal detail")
    raise ZeroDivisionError("a password")


class EchoBody(BodyModel):
    """What to say."""

    text: str = ""


@routes.get("/v1/echo", summary="s")
def echo(services: None, *, body: EchoBody) -> Echo:
    """Say it again."""
    return Echo(text=body.text)


@dataclass(frozen=True, kw_only=True)
class Someone:
    """A principal."""

    user_id: UUID
    firebase_uid: str
    email_verified: bool = True


def _authenticate(headers: RequestHeaders, *, check_revoked: bool) -> Someone:
    if headers.getlist("Authorization") != ["Bearer good"]:
        raise AuthError
    return Someone(user_id=uuid4(), firebase_uid="somebody")


@pytest.fixture
def app() -> flask.Flask:
    """The application, with a database that is never reached."""
    return create_app(
        "test",
        routes,
        None,
        settings=settings(cors_origins=("https://app.example",)),
        authenticate=_authenticate,
        database=Database(sqlalchemy.create_engine("postgresql+pg8000://nowhere.invalid/")),
    )


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    """Calls it directly."""
    return app.test_client()


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/", "GET", 404, "not_found"),
        ("/v1/nothing", "GET", 404, "not_found"),
        ("/v1/hello/", "GET", 404, "not_found"),
        ("//v1/hello", "GET", 404, "not_found"),
        ("/v1//hello", "GET", 404, "not_found"),
        ("/v1/hello", "POST", 405, "method_not_allowed"),
        ("/v1/hello", "TRACE", 405, "method_not_allowed"),
        ("/v1/hello?x=1", "GET", 400, "invalid_request"),
        ("/v1/secret", "GET", 401, "unauthenticated"),
        ("/v1/fail?how=known", "GET", 409, "wrong_state"),
        ("/v1/fail?how=transient", "GET", 503, "unavailable"),
        ("/v1/fail", "GET", 500, "internal"),
    ],
)
def test_every_refusal_is_a_problem_document(
    client: FlaskClient, path: str, method: str, status: int, code: str
) -> None:
    """With the security headers, and nothing of our insides."""
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    problem = json.loads(answer.data)
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["instance"] == answer.headers["X-Request-Id"]
    assert dict(answer.headers) | SECURITY_HEADERS == dict(answer.headers)
    for inside in ("10.0.0.3", "a password", "internal detail", "Traceback", "ZeroDivision"):
        assert inside not in answer.text


def test_a_refusal_says_what_would_be_allowed_and_when(client: FlaskClient) -> None:
    """Allow, Retry-After and WWW-Authenticate."""
    assert set(client.post("/v1/hello").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert int(client.get("/v1/fail?how=transient").headers["Retry-After"]) > 0
    assert client.get("/v1/secret").headers["WWW-Authenticate"] == "Bearer"


def test_a_crash_is_logged_with_its_place_but_not_its_words(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception's message may quote what a user wrote."""
    with caplog.at_level("INFO", logger="heimdex"):
        client.get("/v1/fail")
    actions = [record.getMessage() for record in caplog.records]
    assert actions == ["http.crashed", "http.answered"]
    assert isinstance(caplog.records[0].__dict__["fields"]["error"], ZeroDivisionError)
    answered = caplog.records[1].__dict__["fields"]
    assert (answered["route"], answered["status"], answered["code"]) == (
        "/v1/fail",
        500,
        "internal",
    )


def test_the_log_names_the_route_and_not_the_address(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Addresses hold what people search for."""
    with caplog.at_level("INFO", logger="heimdex"):
        client.get("/v1/fail?how=known")
    assert "known" not in str([record.__dict__ for record in caplog.records])


def test_the_language_is_the_clients(client: FlaskClient) -> None:
    """For handlers and for problems; caches are told."""
    korean = {"Accept-Language": "ko-KR,ko;q=0.9"}
    assert client.get("/v1/hello", headers=korean).json == {"text": "안녕"}
    refused = client.get("/v1/nothing", headers=korean)
    assert "없습니다" in json.loads(refused.data)["detail"]
    assert refused.headers["Content-Language"] == "ko"
    assert "Accept-Language" in refused.headers["Vary"]


def test_a_request_keeps_the_trace_it_came_with(client: FlaskClient) -> None:
    """So that its log lines meet those of the load balancer."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    assert client.get("/v1/hello", headers=headers).headers["X-Request-Id"] == trace_id


def test_head_is_get_without_the_body(client: FlaskClient) -> None:
    """With its status and ETag."""
    got, headed = client.get("/v1/hello"), client.head("/v1/hello")
    assert (headed.status_code, headed.data) == (200, b"")
    assert headed.headers["ETag"] == got.headers["ETag"]


def test_a_page_of_a_known_origin_may_read_answers_and_refusals(client: FlaskClient) -> None:
    """Exactly that origin, and never with cookies."""
    for path in ("/v1/hello", "/v1/nothing"):
        answer = client.get(path, headers={"Origin": "https://app.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.evil.com",
        "http://app.example",
        "https://app.example:8443",
        "https://APP.example",
        "null",
    ],
)
def test_a_page_of_any_other_origin_may_not(client: FlaskClient, origin: str) -> None:
    """However similar it looks."""
    answer = client.get("/v1/hello", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_preflight_is_answered_without_a_token(client: FlaskClient) -> None:
    """Methods as routed, and the headers that the API reads."""
    answer = client.options(
        "/v1/secret",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"},
    )
    assert answer.status_code == 200
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    foreign = client.options("/v1/secret", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Methods" not in foreign.headers


@pytest.fixture
def framework(app: flask.Flask, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Calls it inside functions-framework, as deployed."""
    source = tmp_path_factory.mktemp("function") / "main.py"
    source.write_text("def target(request):\n    return answer(request)\n")
    outer = functions_framework.create_app("target", str(source), "http")
    # The framework loads a function from a file; this one is given the application under test.
    function = outer.view_functions["run"].__wrapped__.__wrapped__
    function.__globals__["answer"] = lambda request: to_response(app, request)
    framework_client: FlaskClient = outer.test_client()
    return framework_client


def test_functions_framework_passes_everything_through(framework: FlaskClient) -> None:
    """Path, query, body, status and headers; problems of unknown paths are ours too."""
    said = framework.get("/v1/echo", json={"text": "안녕"})
    assert (said.status_code, said.json) == (200, {"text": "안녕"})
    refused = framework.get("/v1/nothing?x=1")
    assert (refused.status_code, refused.mimetype) == (404, "application/problem+json")
    assert dict(refused.headers) | SECURITY_HEADERS == dict(refused.headers)
    assert framework.get("/v1/secret", headers={"Authorization": "Bearer good"}).json == {
        "text": "somebody"
    }


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, MAX_BODY_BYTES + 1, 3_000_000])
def test_a_body_is_bounded(client: FlaskClient, framework: FlaskClient, size: int) -> None:
    """64 KiB, on every path, whether a body is expected there or not."""
    body = b'{"text": "' + b"x" * (size - 12) + b'"}'
    assert len(body) == size
    for caller in (client, framework):
        for path in ("/v1/echo", "/v1/hello", "/v1/nothing"):
            answer = caller.get(path, data=body, content_type="application/json")
            if size > MAX_BODY_BYTES:
                assert json.loads(answer.data)["code"] == "request_too_large"
            else:
                assert answer.status_code != 413


def test_an_oversized_body_is_never_held_in_memory(framework: FlaskClient) -> None:
    """It is thrown away as it comes, so that nothing is left for the framework to collect."""
    with framework:
        answer = framework.post("/v1/echo", data=b"x" * 3_000_000)
        assert answer.status_code == 413
        assert flask.request.get_data() == b""
