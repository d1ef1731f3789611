"""The API function as deployed: its main, inside functions-framework, over a socket."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import functions_framework
import pytest
from werkzeug.serving import make_server

from common.web.app import MAX_BODY_BYTES
from common.web.headers import SECURITY_HEADERS
from tests.conftest import TestDatabase

_ROOT = Path(__file__).parents[3]
_SOURCE = _ROOT / "functions" / "api" / "main.py"


@pytest.fixture
def environment(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the function is told."""
    values = {
        "HEIMDEX_PROJECT": "heimdex-test",
        "HEIMDEX_UPLOADS_BUCKET": "uploads",
        "HEIMDEX_ARTIFACTS_BUCKET": "artifacts",
        "HEIMDEX_TOKEN_KEY": "a key",
        "HEIMDEX_DATABASE_URL": database.url("heimdex_api"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def connection(environment: dict[str, str]) -> Iterator[http.client.HTTPConnection]:
    """A connection to the running function."""
    app = functions_framework.create_app("api", str(_SOURCE), "http")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_function_answers(connection: http.client.HTTPConnection) -> None:
    """Public routes, routes that need a token, and addresses that are not there."""
    for path, status in (
        ("/v1/healthz", 200),
        ("/v1/openapi.json", 200),
        ("/v1/videos", 401),
        ("/v1/nothing", 404),
        ("/", 404),
    ):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (path, answer.status) == (path, status)
        assert dict(answer.getheaders()) | SECURITY_HEADERS == dict(answer.getheaders())
        assert isinstance(json.loads(answer.read()), dict)


@pytest.mark.parametrize("size", [10, MAX_BODY_BYTES + 1, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_to_its_end_whatever_the_answer(
    connection: http.client.HTTPConnection, size: int, *, chunked: bool
) -> None:
    """The client sees the refusal instead of a cut connection, and nobody waits for ever."""
    connection.request(
        "POST",
        "/v1/uploads",
        body=iter([b"x" * size]) if chunked else b"x" * size,
        headers={"Content-Type": "application/json"},
        encode_chunked=chunked,
    )
    answer = connection.getresponse()
    assert answer.status == (413 if size > MAX_BODY_BYTES else 401)
    answer.read()


def test_the_function_starts_quickly_and_without_heavy_libraries(
    environment: dict[str, str],
) -> None:
    """A cold start loads no model code."""
    code = (
        "import sys, functions.api.main\n"
        "print(sorted({'torch', 'cv2', 'av', 'onnxruntime', 'aiohttp'} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert loaded.stdout.strip() == "[]"
