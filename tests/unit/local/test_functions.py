"""Functions as processes: an address from the beginning, an answer once they serve."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.functions import FunctionProcess, FunctionSpec

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HEIMDEX_PROJECT": "heimdex-test",
    "HEIMDEX_UPLOADS_BUCKET": "uploads",
    "HEIMDEX_ARTIFACTS_BUCKET": "artifacts",
    "HEIMDEX_TOKEN_KEY": "a key",
    "HEIMDEX_DATABASE_URL": "postgresql+pg8000://nobody@127.0.0.1:1/none",
}


@pytest.fixture
def function(tmp_path: Path) -> Iterator[FunctionProcess]:
    """The API's process, not started."""
    process = FunctionProcess(FunctionSpec(name="api", signature="http"), tmp_path / "api.log")
    yield process
    process.stop()


def _health(function: FunctionProcess) -> int:
    return requests.get(f"{function.url}/v1/healthz", timeout=60).status_code


def test_a_request_before_the_start_waits_and_is_answered(function: FunctionProcess) -> None:
    """The port is taken from the beginning: nobody else can get it, and nothing is refused."""
    statuses: list[int] = []
    early = threading.Thread(target=lambda: statuses.append(_health(function)))
    early.start()
    function.start(_ENVIRONMENT)
    function.wait_ready()
    early.join()
    assert statuses == [200]
    assert _health(function) == 200
    function.stop()
    with pytest.raises(requests.ConnectionError):
        _health(function)


def test_a_function_that_cannot_start_says_why(function: FunctionProcess) -> None:
    """The error ends with the process's own words, and nothing listens any more."""
    function.start({"PATH": os.environ["PATH"], "PYTHONHOME": "/nowhere"})
    with pytest.raises(RuntimeError, match=r"(?s)function api did not start.*encodings"):
        function.wait_ready()
    with pytest.raises(requests.ConnectionError):
        _health(function)


def test_one_that_was_never_started_leaves_its_port(function: FunctionProcess) -> None:
    """Stopping frees it, as often as it is called."""
    function.stop()
    function.stop()
    with pytest.raises(requests.ConnectionError):
        _health(function)
