"""start_jobs under pushes that are not what they should be."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.conftest import TestDatabase
from tests.integration.functions.hostile_pushes import PUSHES, body
from tests.integration.test_event_functions import Cloud
from tests.ledger import insert_run, run_row


def _message(user_id: UUID, run_id: UUID) -> dict[str, Any]:
    return {"version": 1, "user_id": str(user_id), "run_id": str(run_id), "lane": "media"}


def test_there_are_at_least_25() -> None:
    """No case is lost on the way, and each says why it is there."""
    assert len(PUSHES) >= 25
    assert all(case.why.endswith((".", "?")) for case in PUSHES.values())


@pytest.mark.parametrize("name", PUSHES)
def test_a_hostile_push_starts_nothing(
    cloud: Cloud, pushes: Any, database: TestDatabase, user_id: UUID, name: str
) -> None:
    """It is answered for good and nothing starts; the right push still rings."""
    right = _message(user_id, insert_run(database, user_id))
    answer = pushes.post("/", data=PUSHES[name].make(dict(right)))
    assert (answer.status_code, answer.data) == (204, b"")
    assert cloud.jobs.started == []
    assert pushes.post("/", data=body(right)).status_code == 204
    assert cloud.jobs.started == ["media"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"googclient_deliveryattempt": "999", "attempt": "0"},
        {"traceparent": "\0" * 3},
        {"traceparent": "x" * 100_000},
        {"user_id": "00000000-0000-4000-8000-000000000000", "lane": "gpu"},
    ],
    ids=["attempts", "NUL", "long trace", "another tenant"],
)
def test_attributes_decide_nothing(
    cloud: Cloud,
    pushes: Any,
    database: TestDatabase,
    user_id: UUID,
    attributes: dict[str, str],
) -> None:
    """Attempts are counted in the ledger and the tenant stands in the message: forging is idle."""
    run_id = insert_run(database, user_id)
    pushed = body(_message(user_id, run_id), attributes=attributes, deliveryAttempt=999)
    assert pushes.post("/", data=pushed).status_code == 204
    assert cloud.jobs.started == ["media"]
    row = run_row(database, run_id)
    assert (row.state, row.attempt) == ("ready", 0)


def test_fields_of_a_later_version_are_ignored(
    cloud: Cloud, pushes: Any, database: TestDatabase, user_id: UUID
) -> None:
    """Producers may go first; what they add is no reason to lose a doorbell."""
    message = _message(user_id, insert_run(database, user_id)) | {"priority": 9, "admin": True}
    assert pushes.post("/", data=body(message)).status_code == 204
    assert cloud.jobs.started == ["media"]


@pytest.mark.usefixtures("user_id")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_start_nothing(cloud: Cloud, pushes: Any, method: str) -> None:
    """Pub/Sub only posts."""
    assert pushes.open("/", method=method).status_code in (204, 405)
    assert cloud.jobs.started == []
