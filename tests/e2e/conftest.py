"""A whole local cloud, shared by the end-to-end tests of one test process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local.client import Client, sign_in
from local.cloud import Cloud, started
from tests.checkpoints import faces
from tests.spans import SpanReceiver

#: Of each process, when a test fails.
_LOG_TAIL_CHARACTERS = 4_000
#: A clip of a few seconds is indexed in a few seconds; a machine under load is slower.
INDEX_TIMEOUT_S = 180.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the cloud's processes logged last, when a test on it fails."""
    report = yield
    running = getattr(item, "funcargs", {}).get("cloud")
    if report.failed and isinstance(running, Cloud):
        for path in sorted(running.logs.glob("*.log"), key=lambda p: p.stat().st_mtime):
            tail = path.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]
            report.sections.append((f"end of {path.name}", tail))
    return report


@pytest.fixture(scope="session")
def spans() -> Iterator[SpanReceiver]:
    """Takes the spans of the cloud's processes."""
    with SpanReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, spans: SpanReceiver) -> Iterator[Cloud]:
    """Every stand-in and every function, in real processes, with a tiny face model."""
    # As `--state` of the command line has it.
    directory = tmp_path_factory.mktemp("state") / "cloud"
    models = tmp_path_factory.mktemp("faces")
    given = {
        "HEIMDEX_FACE_DETECTOR_FILE": str(faces.detector(models)),
        "HEIMDEX_FACE_RECOGNISER_FILE": str(faces.recogniser(models, dimensions=128, batch=1)),
        "HEIMDEX_FEATURE_FACE": "true",
        "HEIMDEX_FEATURE_FACE_DETECTION": "true",
        "HEIMDEX_FEATURE_FACE_ENROLLMENT": "true",
        "HEIMDEX_TRACE_ENDPOINT": spans.url,
    }
    with ExitStack() as stack:
        # Processes are given their settings when the cloud starts; other tests of this process not.
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            running = stack.enter_context(started(directory))
        yield running


@pytest.fixture
def new_client(cloud: Cloud) -> Callable[[], Client]:
    """Signs up a new user each time it is called."""

    def make() -> Client:
        endpoints = cloud.address.endpoints
        email = f"{uuid4().hex}@example.com"
        return Client(endpoints, sign_in(endpoints, email, "a password for tests"))

    return make


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    """A new user."""
    return new_client()


def wait_for_end(client: Client, video_id: str) -> dict[str, Any]:
    """The status once the video is indexed or has failed."""
    deadline = time.monotonic() + INDEX_TIMEOUT_S
    while True:
        status = client.status(video_id)
        if status["state"] in ("indexed", "failed"):
            return status
        assert time.monotonic() < deadline, f"stuck: {status}"
        time.sleep(0.2)


def index(client: Client, video: Path, **options: Any) -> str:
    """Upload and wait until the video is indexed; returns its id."""
    video_id = client.upload(video, **options)
    status = wait_for_end(client, video_id)
    assert status["state"] == "indexed", status
    return video_id
