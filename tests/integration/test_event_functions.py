"""upload_finalized and start_jobs as functions-framework serves them, and the sweep."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import functions_framework
import pytest

from common.arrivals import Arrivals
from common.database import Database
from common.errors import TransientError
from common.ledger.claims import Claims
from common.ledger.outbox import Outbox
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from common.messages import RunReady, encode
from functions.start_jobs import main as start_jobs
from functions.start_jobs.doorbell import Doorbell
from functions.start_jobs.sweeping import Buckets, Sweeper, Timing
from functions.upload_finalized import main as upload_finalized
from tests.conftest import TestDatabase
from tests.fakes import FakeJobs, FileBus, FileStore
from tests.ledger import (
    POLICY,
    Upload,
    declare,
    end_pause,
    expire_lease,
    insert_run,
    run_row,
    stand_upload,
    video_row,
)

_FUNCTIONS = Path(__file__).parents[2] / "functions"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Cloud:
    """Both functions, wired to one database and one directory."""

    def __init__(self, db: Database, directory: Path) -> None:
        self.store = FileStore(directory / "objects")
        self.bus = FileBus(directory / "messages", ack_deadline_s=0.0)
        self.jobs = FakeJobs()
        uploads, outbox = Uploads(db, grace_s=60.0), Outbox(db, self.bus)
        self.arrivals = Arrivals(uploads, outbox)
        self.sweeper = Sweeper(
            sweep=Sweep(db),
            uploads=uploads,
            arrivals=self.arrivals,
            outbox=outbox,
            buckets=Buckets(store=self.store, uploads="uploads", artifacts="artifacts"),
            timing=Timing(ring_again_after_s=60.0, lease_s=60.0),
        )
        self.doorbell = Doorbell(Claims(db, POLICY), self.jobs)


@pytest.fixture
def cloud(ingest_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Functions whose services are the test's."""
    made = Cloud(ingest_database, tmp_path)
    wired = upload_finalized.Services(arrivals=made.arrivals, store=made.store, bucket="uploads")
    monkeypatch.setattr(upload_finalized, "_services", lambda: wired)
    services = start_jobs.Services(doorbell=made.doorbell, sweeper=made.sweeper)
    monkeypatch.setattr(start_jobs, "_services", lambda: services)
    return made


def _client(function: Any, signature: str, tmp_path: Path) -> Any:
    """A test client of the framework serving a function that is imported already."""
    source = tmp_path / f"{function.__name__}.py"
    source.write_text(f"from {function.__module__} import {function.__name__}\n")
    app = functions_framework.create_app(function.__name__, str(source), signature)
    return app.test_client()


def _finalized(cloud: Cloud, upload: Upload, **changes: Any) -> dict[str, Any]:
    """The data of the event for the stored video."""
    info = cloud.store.stat("uploads", upload.video_name)
    assert info is not None
    return {
        "kind": "storage#object",
        "bucket": "uploads",
        "name": info.name,
        "generation": str(info.generation),
        "metageneration": "1",
        "contentType": info.content_type,
        "size": str(info.size_bytes),
        "crc32c": info.crc32c,
        **changes,
    }


def _post_event(client: Any, data: object) -> Any:
    headers = {
        "ce-id": uuid4().hex,
        "ce-source": "//storage.googleapis.com/projects/_/buckets/uploads",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-traceparent": TRACE,
        "content-type": "application/json",
    }
    return client.post("/", headers=headers, data=json.dumps(data))


def _push(client: Any, subscription: str, data: bytes) -> Any:
    body = {
        "message": {
            "data": base64.b64encode(data).decode(),
            "attributes": {"traceparent": TRACE},
            "messageId": "1",
        },
        "subscription": f"projects/p/subscriptions/{subscription}",
    }
    return client.post("/", json=body)


def _stand(cloud: Cloud, database: TestDatabase, user_id: UUID) -> Upload:
    return stand_upload(cloud.store, database, user_id)


def _messages(cloud: Cloud) -> list[dict[str, Any]]:
    return [json.loads(data) for data in cloud.bus.messages("heimdex-media-work")]


# --- upload_finalized ----------------------------------------------------------------------------


def test_an_event_starts_processing(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """The finalize event of the last object makes the run ready and publishes its message."""
    upload = _stand(cloud, database, user_id)
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    assert _post_event(client, _finalized(cloud, upload)).status_code == 200
    (run,) = database.owner_rows("SELECT id, traceparent FROM runs")
    assert run.traceparent == TRACE
    (message,) = _messages(cloud)
    assert message == {
        "version": 1,
        "user_id": str(user_id),
        "run_id": str(run.id),
        "lane": "media",
    }
    (row,) = database.owner_rows("SELECT published_at FROM outbox")
    assert row.published_at is not None


@pytest.mark.parametrize("event_is_lost", [False, True])
def test_an_upload_goes_on_in_the_trace_that_it_began_in(
    cloud: Cloud,
    database: TestDatabase,
    user_id: UUID,
    tmp_path: Path,
    event_is_lost: bool,
) -> None:
    """Whatever trace an event says, and without an event too: run and message have the ledger's."""
    began_in = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    upload = _stand(cloud, database, user_id)
    database.owner_rows(
        "UPDATE videos SET created_at = now() - interval '61 s', traceparent = :t", t=began_in
    )
    if event_is_lost:
        assert cloud.sweeper.sweep().done["uploads"] == 1
    else:
        client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
        assert _post_event(client, _finalized(cloud, upload)).status_code == 200
    rows = database.owner_rows(
        "SELECT r.traceparent AS run, o.traceparent AS message FROM runs r, outbox o"
    )
    assert [(row.run, row.message) for row in rows] == [(began_in, began_in)]


def test_a_delivery_has_a_trace_where_the_ledger_knows_none(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """For uploads that began before their traces were kept: that of the request with the event."""
    upload = _stand(cloud, database, user_id)
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    headers = {
        "ce-id": uuid4().hex,
        "ce-source": "//storage.googleapis.com/projects/_/buckets/uploads",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "traceparent": TRACE,
        "content-type": "application/json",
    }
    body = json.dumps(_finalized(cloud, upload))
    assert client.post("/", headers=headers, data=body).status_code == 200
    (run,) = database.owner_rows("SELECT traceparent FROM runs")
    assert run.traceparent == TRACE


def test_the_same_event_ten_times(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """Repeated deliveries are answered with success and change nothing."""
    upload = _stand(cloud, database, user_id)
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    for _ in range(10):
        assert _post_event(client, _finalized(cloud, upload)).status_code == 200
    assert len(database.owner_rows("SELECT 1 FROM runs")) == 1
    assert len(_messages(cloud)) == 1


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"bucket": "uploads"},
        {"bucket": "another", "name": "x", "generation": "1", "size": "1"},
        {"bucket": "uploads", "name": "x", "generation": "no", "size": "1"},
        ["no object"],
    ],
    ids=repr,
)
def test_an_unreadable_event_is_not_repeated(
    cloud: Cloud, tmp_path: Path, data: object, database: TestDatabase
) -> None:
    """What no retry can mend is logged and answered with success."""
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    assert _post_event(client, data).status_code == 200
    assert database.owner_rows("SELECT 1 FROM runs") == []


def test_an_object_without_a_row_is_discarded(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """An upload that finishes after its video was deleted does not stay in the bucket."""
    upload = _stand(cloud, database, user_id)
    database.owner_rows("UPDATE videos SET deleted_at = now()")
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    assert _post_event(client, _finalized(cloud, upload)).status_code == 200
    assert cloud.store.stat("uploads", upload.video_name) is None


def test_a_foreign_object_is_left_alone(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """Only names that the API makes are ours to delete."""
    upload = _stand(cloud, database, user_id)
    info = cloud.store.put("uploads", "backup/notes.txt", b"x", "text/plain")
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    data = _finalized(cloud, upload, name=info.name)
    assert _post_event(client, data).status_code == 200
    assert cloud.store.stat("uploads", info.name) == info


def test_a_transient_failure_asks_for_the_event_again(
    cloud: Cloud,
    database: TestDatabase,
    user_id: UUID,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the database the function fails, so Eventarc delivers again."""
    upload = _stand(cloud, database, user_id)

    def take(*_: object, **__: object) -> None:
        raise TransientError

    monkeypatch.setattr(cloud.arrivals, "take", take)
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    assert _post_event(client, _finalized(cloud, upload)).status_code == 500


def test_pub_sub_being_down_does_not_lose_the_upload(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """The message is owed, and the sweep publishes it."""
    upload = _stand(cloud, database, user_id)
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    cloud.bus.down = True
    assert _post_event(client, _finalized(cloud, upload)).status_code == 200
    assert _messages(cloud) == []
    cloud.bus.down = False
    database.owner_rows("UPDATE outbox SET created_at = created_at - interval '11 s'")
    assert cloud.sweeper.sweep().done["published"] == 1
    assert len(_messages(cloud)) == 1


# --- start_jobs: doorbell ------------------------------------------------------------------------


def _ready(user_id: UUID, run_id: UUID) -> bytes:
    return encode(RunReady(user_id=user_id, run_id=run_id, lane="media")).encode()


def test_the_doorbell_starts_an_execution_while_the_run_waits(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """An execution is started for a ready run, and none for one that is held or unknown."""
    client = _client(start_jobs.start_jobs, "http", tmp_path)
    run_id = insert_run(database, user_id)
    assert _push(client, "heimdex-media-doorbell", _ready(user_id, run_id)).status_code == 204
    assert cloud.jobs.started == ["media"]
    database.owner_rows("UPDATE runs SET state = 'running', lease_until = now() + interval '1 min'")
    for known in (run_id, uuid4()):
        assert _push(client, "heimdex-media-doorbell", _ready(user_id, known)).status_code == 204
    assert cloud.jobs.started == ["media"]


def test_without_quota_the_doorbell_rings_again(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """A RunJob that failed burns no attempt; Pub/Sub pushes again."""
    run_id = insert_run(database, user_id)
    cloud.jobs.out_of_quota = True
    client = _client(start_jobs.start_jobs, "http", tmp_path)
    assert _push(client, "heimdex-media-doorbell", _ready(user_id, run_id)).status_code == 503
    row = run_row(database, run_id)
    assert (row.state, row.attempt) == ("ready", 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"message": {}}',
        b'{"message": {"data": "!!"}, "subscription": "s/heimdex-sweep-push"}',
        b'{"message": {"data": ""}, "subscription": "projects/p/subscriptions/another"}',
        b'{"message": {"data": "e30="}, "subscription": "s/heimdex-gpu-doorbell"}',
    ],
    ids=repr,
)
def test_an_unreadable_push_is_not_repeated(cloud: Cloud, tmp_path: Path, body: bytes) -> None:
    """A body that no retry can mend is logged and answered with success."""
    client = _client(start_jobs.start_jobs, "http", tmp_path)
    assert client.post("/", data=body).status_code == 204
    assert cloud.jobs.started == []


# --- start_jobs: sweep ---------------------------------------------------------------------------


def test_the_sweep_is_a_push(cloud: Cloud, tmp_path: Path) -> None:
    """Cloud Scheduler's message makes a sweep, whatever it says."""
    client = _client(start_jobs.start_jobs, "http", tmp_path)
    swept: list[bool] = []
    sweeper: Any = SimpleNamespace(sweep=lambda: swept.append(True))
    services = start_jobs.Services(doorbell=cloud.doorbell, sweeper=sweeper)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_jobs, "_services", lambda: services)
        assert _push(client, "heimdex-sweep-push", b"anything").status_code == 204
    assert swept == [True]


def test_an_expired_lease_is_rung_for_once(
    cloud: Cloud, database: TestDatabase, user_id: UUID
) -> None:
    """A dead worker's run is rung for at the next sweep, and not again at once."""
    run_id = insert_run(database, user_id)
    database.owner_rows("UPDATE runs SET state = 'running', lease_until = now() + interval '1 min'")
    assert cloud.sweeper.sweep().done["rung"] == 0
    expire_lease(database, run_id)
    database.owner_rows("UPDATE runs SET rung_at = now() - interval '5 s'")
    assert [cloud.sweeper.sweep().done["rung"] for _ in range(3)] == [1, 0, 0]
    assert len(_messages(cloud)) == 1
    database.owner_rows("UPDATE runs SET rung_at = now() - interval '61 s'")
    assert cloud.sweeper.sweep().done["rung"] == 1


def test_a_ready_run_is_rung_for_when_it_is_due(
    cloud: Cloud, database: TestDatabase, user_id: UUID
) -> None:
    """A pause after a failure is kept; a lost message is made good after a while."""
    run_id = insert_run(database, user_id)
    assert cloud.sweeper.sweep().done["rung"] == 0
    database.owner_rows(
        "UPDATE runs SET not_before = now() + interval '1 min', rung_at = now() - interval '1 h'"
    )
    assert cloud.sweeper.sweep().done["rung"] == 0
    end_pause(database, run_id)
    assert cloud.sweeper.sweep().done["rung"] == 1
    # Purged from the topic:
    database.owner_rows("UPDATE runs SET rung_at = now() - interval '61 s'")
    assert cloud.sweeper.sweep().done["rung"] == 1


def test_a_lost_event_is_made_good(cloud: Cloud, database: TestDatabase, user_id: UUID) -> None:
    """An object that is in the bucket counts as arrived, event or not."""
    upload = _stand(cloud, database, user_id)
    database.owner_rows("UPDATE videos SET created_at = now() - interval '61 s'")
    assert cloud.sweeper.sweep().done["uploads"] == 1
    assert video_row(database, upload.video_id).state == "queued"
    assert len(_messages(cloud)) == 1


def test_an_upload_that_never_arrived_ends(
    cloud: Cloud, database: TestDatabase, user_id: UUID
) -> None:
    """The video fails with a code of its own once the time is over, and not before."""
    upload = declare(database, user_id)
    database.owner_rows("UPDATE videos SET created_at = now() - interval '1 h'")
    assert cloud.sweeper.sweep().done["uploads"] == 0
    database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '61 s'")
    assert cloud.sweeper.sweep().done["uploads"] == 1
    video = video_row(database, upload.video_id)
    assert (video.state, video.error_code) == ("failed", "upload_expired")


def test_a_deleted_video_leaves_no_object(
    cloud: Cloud, database: TestDatabase, user_id: UUID
) -> None:
    """Objects go at once, and once more when no worker can write any more; others' stay."""
    upload, other = _stand(cloud, database, user_id), _stand(cloud, database, user_id)
    video = upload.video_id
    ours = [
        ("uploads", upload.subtitle_name()),
        ("artifacts", f"artifacts/{user_id}/{video}/7/one@1/artifact.zip"),
        ("artifacts", f"sidecars/{user_id}/{video}/{uuid4()}.json"),
    ]
    theirs = ("artifacts", f"sidecars/{user_id}/{other.video_id}/{uuid4()}.json")
    for bucket, name in [*ours, theirs]:
        cloud.store.put(bucket, name, b"x", "text/plain")
    database.owner_rows("UPDATE videos SET deleted_at = now() WHERE id = :id", id=video)
    database.owner_rows(
        "INSERT INTO erasures (user_id, id, video_id) VALUES (:user_id, :id, :video_id)",
        user_id=user_id,
        id=uuid4(),
        video_id=video,
    )
    assert cloud.sweeper.sweep().done["erased"] == 0
    for bucket, name in [("uploads", upload.video_name), *ours]:
        assert cloud.store.stat(bucket, name) is None
    late = ours[1]
    cloud.store.put(*late, b"a worker that did not know", "text/plain")
    database.owner_rows("UPDATE erasures SET created_at = now() - interval '181 s'")
    assert cloud.sweeper.sweep().done["erased"] == 0, "its URL still works"
    cloud.store.put(*late, b"a worker that did not know", "text/plain")
    database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '3601 s'")
    assert cloud.sweeper.sweep().done["erased"] == 1
    assert cloud.store.stat(*late) is None
    assert cloud.sweeper.sweep().done["erased"] == 0
    assert cloud.store.stat(*theirs) is not None
    assert cloud.store.stat("uploads", other.video_name) is not None


def test_an_upload_that_ends_after_everything_is_gone_is_discarded(
    cloud: Cloud, database: TestDatabase, user_id: UUID, tmp_path: Path
) -> None:
    """Not even a row tells of its video any more; its object does not stay."""
    upload = _stand(cloud, database, user_id)
    event = _finalized(cloud, upload)
    database.owner_rows("DELETE FROM videos")
    client = _client(upload_finalized.upload_finalized, "cloudevent", tmp_path)
    assert _post_event(client, event).status_code == 200
    assert cloud.store.stat("uploads", upload.video_name) is None


def test_one_failure_does_not_stop_the_sweep(
    cloud: Cloud, database: TestDatabase, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be done for one row is done for the others."""
    uploads = [_stand(cloud, database, user_id) for _ in range(3)]
    database.owner_rows("UPDATE videos SET created_at = now() - interval '61 s'")
    real = cloud.store.stat

    def stat(bucket: str, name: str) -> Any:
        if name == uploads[1].video_name:
            raise TransientError
        return real(bucket, name)

    monkeypatch.setattr(cloud.store, "stat", stat)
    report = cloud.sweeper.sweep()
    assert (report.done["uploads"], report.errors) == (2, 1)


def test_the_sweep_forgets_what_is_over(
    cloud: Cloud, database: TestDatabase, user_id: UUID
) -> None:
    """Idempotency keys are good for a day; what is owed is never forgotten."""
    database.owner_rows(
        "INSERT INTO idempotency_keys (user_id, key, request_sha256, created_at) VALUES "
        "(:u, 'old', 'x', now() - interval '25 h'), (:u, 'new', 'x', now())",
        u=user_id,
    )
    database.owner_rows(
        "INSERT INTO outbox (user_id, id, topic, payload, created_at, published_at) VALUES "
        "(:u, gen_random_uuid(), 'heimdex-media', '{}', now() - interval '2 days', "
        "now() - interval '2 days'), "
        "(:u, gen_random_uuid(), 'heimdex-media', '{}', now() - interval '2 days', NULL)",
        u=user_id,
    )
    assert cloud.sweeper.sweep().done["forgotten"] == 2
    (key,) = database.owner_rows("SELECT key FROM idempotency_keys")
    assert key.key == "new"
    assert len(database.owner_rows("SELECT 1 FROM outbox")) == 1
    assert len(_messages(cloud)) == 1
