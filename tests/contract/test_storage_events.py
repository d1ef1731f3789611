"""Object-finalize events: what they say, and that they arrive whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.storage import StorageServer
from tests.contract.storage_rig import BUCKET, EventSink, Rig, connected, server

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def sink() -> Iterator[EventSink]:
    """A function that is up."""
    with EventSink() as started:
        yield started


@pytest.fixture
def running(tmp_path: Path, sink: EventSink) -> Iterator[StorageServer]:
    """A stand-in that tells it."""
    with server(tmp_path, event_targets={BUCKET: sink.url}) as started:
        yield started


@pytest.fixture
def rig(running: StorageServer) -> Iterator[Rig]:
    """The adapter on it."""
    with connected(running.url) as connection:
        yield connection


def write(rig: Rig, name: str, data: bytes = b"hello") -> int:
    """Store bytes and return their generation."""
    stored = rig.store.write(
        rig.bucket, name, data, content_type="text/plain", effect="object.write"
    )
    return stored.generation


def test_what_an_event_says(rig: Rig, sink: EventSink) -> None:
    """The event is a CloudEvent as Eventarc sends it, with the object's resource as its data."""
    generation = write(rig, "videos/비디오 1.mp4")
    headers, body = sink.received.get(timeout=20)
    assert headers["content-type"] == "application/json"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "google.cloud.storage.object.v1.finalized"
    assert headers["ce-source"] == f"//storage.googleapis.com/projects/_/buckets/{BUCKET}"
    assert headers["ce-subject"] == "objects/videos/%EB%B9%84%EB%94%94%EC%98%A4%201.mp4"
    assert headers["ce-id"]
    data = json.loads(body)
    assert headers["ce-time"] == data["timeCreated"]
    assert (data["bucket"], data["name"]) == (BUCKET, "videos/비디오 1.mp4")
    assert (data["generation"], data["metageneration"]) == (str(generation), "1")
    assert (data["size"], data["contentType"]) == ("5", "text/plain")
    assert (data["crc32c"], data["md5Hash"]) == ("mnG7TA==", "XUFAKrxLKna5cZ2REBfFkg==")


def test_one_event_per_object(rig: Rig, sink: EventSink, running: StorageServer) -> None:
    """Every new generation has its own event; reading, refusing and deleting have none."""
    first, second = write(rig, "a", b"1"), write(rig, "a", b"2")
    upload = rig.store.sign_upload(
        BUCKET, "a", content_type="video/mp4", size_bytes=1, resumable=False
    )
    assert (
        requests.put(upload.url, data=b"1", headers=upload.headers, timeout=10).status_code == 412
    )
    rig.store.delete(BUCKET, "a", effect="object.delete")
    third = write(rig, "a", b"3")
    assert running.wait_delivered(20)
    events = [sink.next_event() for _ in range(3)]
    assert {int(event.data["generation"]) for event in events} == {first, second, third}
    assert len({event["id"] for event in events}) == 3
    assert sink.received.empty()
    assert running.pending_events == 0


def test_resumable_upload_has_one_event_with_a_trace_of_its_own(
    rig: Rig, sink: EventSink, running: StorageServer
) -> None:
    """As Eventarc's: the trace of the delivery, not of the request that started the upload."""
    upload = rig.store.sign_upload(
        BUCKET, "a", content_type="video/mp4", size_bytes=5, resumable=True
    )
    headers = {**upload.headers, "traceparent": TRACE}
    session = requests.post(upload.url, headers=headers, timeout=10).headers["Location"]
    for _ in range(2):
        assert requests.put(session, data=b"12345", timeout=10).status_code == 200
    assert running.wait_delivered(20)
    received, _ = sink.received.get(timeout=20)
    assert received["traceparent"].split("-")[1] != TRACE.split("-")[1]
    assert "ce-traceparent" not in received
    assert sink.received.empty()


def test_repeated_until_accepted(tmp_path: Path) -> None:
    """A function that fails gets the same event again until it answers 2xx."""
    with (
        EventSink(answers=(500, 429, 404)) as sink,
        server(tmp_path, event_targets={BUCKET: sink.url}) as running,
        connected(running.url) as rig,
    ):
        write(rig, "a")
        assert running.wait_delivered(20)
        assert len({sink.next_event()["id"] for _ in range(4)}) == 1
        assert sink.received.empty()


def test_delivered_once_the_function_is_up(tmp_path: Path) -> None:
    """An event for a function that is not up yet arrives when it is."""
    with EventSink() as sink:
        port = sink.port
    targets = {BUCKET: f"http://127.0.0.1:{port}/"}
    with server(tmp_path, event_targets=targets) as running, connected(running.url) as rig:
        generation = write(rig, "a")
        assert running.pending_events == 1
        with EventSink(port=port) as sink:
            assert sink.next_event().data["generation"] == str(generation)


def test_delivered_after_a_restart(tmp_path: Path) -> None:
    """An event that could not be delivered survives the end of the process, in order to arrive."""
    with (
        server(tmp_path, event_targets={BUCKET: "http://127.0.0.1:1/"}) as running,
        connected(running.url) as rig,
    ):
        generation = write(rig, "a")
    with EventSink() as sink, server(tmp_path, event_targets={BUCKET: sink.url}):
        assert sink.next_event().data["generation"] == str(generation)


def test_duplicates(rig: Rig, sink: EventSink, running: StorageServer) -> None:
    """Duplicates are the same event, identity included."""
    running.faults.event_duplicates = 3
    write(rig, "a")
    events = [sink.next_event() for _ in range(4)]
    assert len({(event["id"], event.data["generation"]) for event in events}) == 1


def test_lost_event(rig: Rig, sink: EventSink, running: StorageServer) -> None:
    """A lost event never arrives, the next one does."""
    running.faults.lose_events = 1
    write(rig, "lost")
    write(rig, "next")
    assert running.wait_delivered(20)
    assert sink.next_event().data["name"] == "next"
    assert sink.received.empty()
    assert running.pending_events == 0


def test_reordered(rig: Rig, sink: EventSink, running: StorageServer) -> None:
    """With reordering the second event overtakes the first."""
    running.faults.event_reorder_s = 0.5
    write(rig, "first")
    write(rig, "second")
    assert [sink.next_event().data["name"] for _ in range(2)] == ["second", "first"]


def test_delayed(rig: Rig, sink: EventSink, running: StorageServer) -> None:
    """A delayed event is kept back, and stays back while the server is stopped."""
    running.faults.event_delay_s = 3600
    write(rig, "a")
    assert not running.wait_delivered(0.1)
    assert running.pending_events == 1
    running.stop()
    running.faults.event_delay_s = 0
    running.start()
    assert sink.next_event().data["name"] == "a"


def test_bucket_without_a_target(tmp_path: Path) -> None:
    """A bucket that no function listens to keeps no events."""
    with server(tmp_path) as running, connected(running.url) as rig:
        write(rig, "a")
        assert running.pending_events == 0
