"""upload_finalized under events that are not what they should be."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.conftest import TestDatabase
from tests.integration.functions.hostile_events import EVENTS, right, structured
from tests.integration.test_event_functions import Cloud
from tests.ledger import Upload, stand_upload, video_row


def _data(cloud: Cloud, upload: Upload) -> dict[str, Any]:
    """What Cloud Storage says of the stored video."""
    info = cloud.store.stat("uploads", upload.video_name)
    assert info is not None
    return {
        "bucket": "uploads",
        "name": info.name,
        "generation": str(info.generation),
        "contentType": info.content_type,
        "size": str(info.size_bytes),
        "crc32c": info.crc32c,
    }


def _runs(database: TestDatabase, upload: Upload) -> list[Any]:
    return database.owner_rows(
        "SELECT traceparent FROM runs WHERE video_id = :id", id=upload.video_id
    )


def test_there_are_at_least_35() -> None:
    """No case is lost on the way, and each says why it is there."""
    assert len(EVENTS) >= 35
    assert all(case.why.endswith(".") for case in EVENTS.values())


@pytest.mark.parametrize("name", EVENTS)
def test_a_hostile_event_starts_nothing(
    cloud: Cloud, events: Any, database: TestDatabase, user_id: UUID, name: str
) -> None:
    """It is answered for good, no run starts, no object goes, and the right event still works."""
    case = EVENTS[name]
    upload = stand_upload(cloud.store, database, user_id)
    data = _data(cloud, upload)
    headers, _ = right(data)
    sent, body = case.make(headers, dict(data))
    answer = events.post("/", headers=sent, data=body)
    assert answer.status_code == case.status
    assert _runs(database, upload) == []
    assert cloud.store.stat("uploads", upload.video_name) is not None
    assert video_row(database, upload.video_id).state == case.state
    if case.state == "uploading":
        headers, body = right(data)
        assert events.post("/", headers=headers, data=body).status_code == 200
        assert len(_runs(database, upload)) == 1


def test_structured_events_are_taken_too(
    cloud: Cloud, events: Any, database: TestDatabase, user_id: UUID
) -> None:
    """The cases in structured mode are refused for what is wrong with them, not for the mode."""
    upload = stand_upload(cloud.store, database, user_id)
    data = _data(cloud, upload)
    headers, body = structured(right(data)[0], data)
    assert events.post("/", headers=headers, data=body).status_code == 200
    assert len(_runs(database, upload)) == 1


@pytest.mark.parametrize(
    "trace",
    ["\0", "x" * 2**20, "00-zz", "\ud800", 7, ["00"]],
    ids=str.split("NUL long short surrogate number list"),
)
def test_a_trace_that_is_none_does_not_cost_the_upload(
    cloud: Cloud, events: Any, database: TestDatabase, user_id: UUID, trace: object
) -> None:
    """Only a W3C trace context is kept; anything else is as good as none."""
    upload = stand_upload(cloud.store, database, user_id)
    data = _data(cloud, upload)
    headers, body = structured(right(data)[0], data, traceparent=trace)
    assert events.post("/", headers=headers, data=body).status_code == 200
    (run,) = _runs(database, upload)
    assert run.traceparent == ""


def test_an_older_generation_changes_nothing(
    cloud: Cloud, events: Any, database: TestDatabase, user_id: UUID
) -> None:
    """Events may overtake each other; what is known of newer bytes stays."""
    upload = stand_upload(cloud.store, database, user_id)
    data = _data(cloud, upload)
    for changed in (data, data | {"generation": "1", "size": "5"}):
        headers, body = right(changed)
        assert events.post("/", headers=headers, data=body).status_code == 200
    (row,) = database.owner_rows(
        "SELECT generation, error_code FROM upload_objects WHERE video_id = :id",
        id=upload.video_id,
    )
    assert (str(row.generation), row.error_code) == (data["generation"], None)


def test_the_id_of_an_event_is_no_proof(
    cloud: Cloud, events: Any, database: TestDatabase, user_id: UUID
) -> None:
    """A second event under a known id is judged by what it says, not by its id."""
    uploads = [stand_upload(cloud.store, database, user_id) for _ in range(2)]
    for upload in uploads:
        headers, body = right(_data(cloud, upload))
        answer = events.post("/", headers=headers | {"ce-id": "the same"}, data=body)
        assert answer.status_code == 200
    assert [len(_runs(database, upload)) for upload in uploads] == [1, 1]


@pytest.mark.parametrize("body", [b"{", b'{"a secret": "2a437cd0b3e8479393518317a994e175"}'])
def test_a_refusal_repeats_nothing_of_what_was_sent(events: Any, body: bytes) -> None:
    """The framework's own refusal would quote all headers and the body."""
    headers = {"Authorization": "Bearer a-secret", "content-type": "application/json"}
    answer = events.post("/", headers=headers, data=body)
    assert answer.status_code == 400
    assert b"secret" not in answer.data
