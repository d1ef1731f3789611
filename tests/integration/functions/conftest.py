"""The event functions as deployed: their mains, inside functions-framework.

Making a database for each of a hundred cases would take longer than the cases: they share one, and
each has a user and a video of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import functions_framework
import pytest

from local.postgres import Postgres
from tests.conftest import TestDatabase, new_database
from tests.integration.test_event_functions import Cloud

_FUNCTIONS = Path(__file__).parents[3] / "functions"


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[TestDatabase]:
    """One for all cases of a module."""
    with new_database(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def cloud(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """What both functions talk to."""
    pool = database.as_role("heimdex_ingest")
    yield Cloud(pool, tmp_path_factory.mktemp("cloud"))
    pool.close()


@pytest.fixture
def user_id(database: TestDatabase, cloud: Cloud) -> UUID:
    """A user of the case's own; no execution has been started yet."""
    cloud.jobs.started.clear()
    user = uuid4()
    database.owner_rows(
        "INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=user, uid=f"uid-{user}"
    )
    return user


def _served(name: str, signature: str) -> tuple[Any, Any]:
    """A test client of the framework, and the module that it loaded."""
    app = functions_framework.create_app(name, str(_FUNCTIONS / name / "main.py"), signature)
    # The framework imports the file under this name; the next function it loads replaces it.
    return app.test_client(), sys.modules["main"]


@pytest.fixture(scope="module")
def events(cloud: Cloud) -> Any:
    """Posts to upload_finalized."""
    client, main = _served("upload_finalized", "cloudevent")
    wired = main.Services(arrivals=cloud.arrivals, store=cloud.store, bucket="uploads")
    main._services = lambda: wired
    return client


@pytest.fixture(scope="module")
def pushes(cloud: Cloud) -> Any:
    """Posts to start_jobs."""
    client, main = _served("start_jobs", "http")
    wired = main.Services(doorbell=cloud.doorbell, sweeper=cloud.sweeper)
    main._services = lambda: wired
    return client
