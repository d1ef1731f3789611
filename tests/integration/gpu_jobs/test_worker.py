"""The worker and its runner, from a message to an indexed video."""

from __future__ import annotations

import functools
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from common import log
from common.artifacts import encode
from common.database import Database
from common.domain import Lease
from common.errors import InputError, LeaseLostError, TransientError
from common.ledger.uploads import Uploads
from common.messages import RunReady
from common.messages import encode as encode_message
from gpu_jobs.hold import Hold
from gpu_jobs.stage import Pipeline
from gpu_jobs.worker import Worker
from tests.conftest import TestDatabase
from tests.ledger import (
    Upload,
    assert_legal_transitions,
    expire_lease,
    insert_run,
    record_transitions,
    take_stored,
    video_row,
)
from tests.tiny_pipeline import (
    ARTIFACTS,
    PIPELINE,
    STAGES,
    UPLOADS,
    Joined,
    Rig,
    TinyModels,
)

NewUpload = Callable[[], Upload]


@dataclass(kw_only=True)
class Spy:
    """Stands in for a stage's function: counts calls, and does what it is told first."""

    run: Callable[..., Any]
    calls: int = 0
    first: Callable[[], None] = lambda: None

    def __call__(self, **inputs: Any) -> Any:
        self.calls += 1
        self.first()
        return self.run(**inputs)


def spied(name: str, *, first: Callable[[], None] = lambda: None) -> tuple[Pipeline, Spy]:
    """The tiny pipeline with a spy on a stage of the gpu lane."""
    stage = PIPELINE.stage(name)
    spy = Spy(run=stage.run, first=first)

    @functools.wraps(stage.run)
    def call(**inputs: Any) -> Any:
        return spy(**inputs)

    return Pipeline(replace(row, run=call) if row is stage else row for row in STAGES), spy


def stage_rows(database: TestDatabase) -> dict[str, Any]:
    """The stages of the only video, by name."""
    return {row.stage: row for row in database.owner_rows("SELECT * FROM jobs")}


def test_an_upload_becomes_searchable(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """Both lanes run, every artifact is stored under its key, and the video is indexed."""
    record_transitions(database)
    upload = new_upload()
    rig.work()
    video = video_row(database, upload.video_id)
    assert (video.state, video.scene_count, video.index_version) == ("indexed", 1, "tiny-1")
    rows = stage_rows(database)
    assert sorted(rows) == ["first", "index", "join", "second", "size"]
    for row in rows.values():
        assert (row.state, row.progress, row.attempt) == ("done", 1.0, 1)
        info = rig.store.stat(ARTIFACTS, row.artifact_key)
        assert info is not None
        assert info.size_bytes == row.artifact_bytes
    assert rows["join"].note == "tiny models"
    (scene,) = database.owner_rows("SELECT video_id, end_ms FROM scenes")
    assert scene.video_id == upload.video_id
    assert scene.end_ms == 100
    (sidecar,) = rig.store.list(ARTIFACTS, "sidecars/")
    assert sidecar.name == f"sidecars/{upload.user_id}/{upload.video_id}/scene.json"
    assert rig.bus.messages("heimdex-media-work") == []
    assert rig.bus.messages("heimdex-gpu-work") == []
    assert_legal_transitions(database)


def test_one_execution_drains_many(rig: Rig, database: TestDatabase, new_upload: NewUpload) -> None:
    """A worker goes on to the next video; `once` stops it after one."""
    for _ in range(3):
        new_upload()
    rig.worker("media", once=True).run()
    done = database.owner_rows("SELECT 1 FROM runs WHERE lane = 'media' AND state = 'done'")
    assert len(done) == 1
    rig.work()
    states = database.owner_rows("SELECT state FROM videos")
    assert [row[0] for row in states] == ["indexed"] * 3


def test_a_worker_stops_claiming_in_time(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """Before the platform ends the task, the worker takes nothing new."""
    new_upload()
    worker = rig.worker("media")
    worker._schedule = replace(worker._schedule, stop_claiming_after_s=0.0)
    worker.run()
    (row,) = database.owner_rows("SELECT state FROM runs")
    assert row[0] == "ready"


def test_a_repeated_message_runs_nothing_twice(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """Messages of a finished run are acknowledged and forgotten."""
    pipeline, spy = spied("join")
    rig.pipeline = pipeline
    upload = new_upload()
    rig.work()
    for run in database.owner_rows("SELECT id, lane FROM runs"):
        message = RunReady(user_id=upload.user_id, run_id=run.id, lane=run.lane)
        data = encode_message(message).encode()
        rig.bus.publish(f"heimdex-{run.lane}", data, {}, effect="test.publish")
    rig.work()
    assert spy.calls == 1
    assert rig.bus.messages("heimdex-gpu-work") == []


def test_an_unreadable_message_goes_to_the_dead_letters(rig: Rig) -> None:
    """What cannot be decoded is kept for people and does not come again."""
    rig.bus.publish("heimdex-media", b"\xff not json", {}, effect="test.publish")
    rig.worker("media").run()
    assert rig.bus.messages("heimdex-media-work") == []
    assert rig.bus.messages("heimdex-dead-letter-hold") == [b"\xff not json"]


def test_a_message_of_an_unknown_run_is_dropped(rig: Rig) -> None:
    """A deleted video's message is acknowledged without a fuss."""
    message = RunReady(user_id=uuid4(), run_id=uuid4(), lane="media")
    data = encode_message(message).encode()
    rig.bus.publish("heimdex-media", data, {}, effect="test.publish")
    rig.worker("media").run()
    assert rig.bus.messages("heimdex-media-work") == []
    assert rig.bus.messages("heimdex-dead-letter-hold") == []


def test_a_bad_file_fails_the_video(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """The code that a stage raises is the video's, at once and for good."""

    def refuse() -> None:
        raise InputError("truncated")

    rig.pipeline, spy = spied("join", first=refuse)
    upload = new_upload()
    rig.work()
    video = video_row(database, upload.video_id)
    assert (video.state, video.error_code) == ("failed", "truncated")
    assert (spy.calls, stage_rows(database)["join"].state) == (1, "failed")


def test_a_replaced_upload_waits_for_its_event(
    rig: Rig, database: TestDatabase, new_upload: NewUpload, ingest_database: Database
) -> None:
    """The run of an object that was replaced is no reason to fail the video: a newer run comes."""
    upload = new_upload()
    newer = b"another video of 100".ljust(100, b".")
    info = rig.store.put(UPLOADS, upload.video_name, newer, "video/mp4")
    rig.worker("media").run()
    (run,) = database.owner_rows("SELECT state, error_code FROM runs")
    assert (run.state, run.error_code) == ("ready", "dependency_unavailable")
    database.owner_rows("UPDATE upload_objects SET crc32c = NULL")
    uploads = Uploads(ingest_database, grace_s=60.0)
    assert take_stored(rig.store, uploads, upload).outcome == "complete"
    rig.outbox.publish(upload.user_id, [row.id for row in database.owner_rows("TABLE outbox")])
    rig.work()
    video = video_row(database, upload.video_id)
    assert (video.state, video.generation) == ("indexed", info.generation)


@pytest.mark.parametrize("error", [TransientError(detail="x"), RuntimeError("a bug")], ids=repr)
def test_what_may_pass_is_tried_again_and_ends(
    rig: Rig,
    database: TestDatabase,
    new_upload: NewUpload,
    ingest_database: Database,
    error: Exception,
) -> None:
    """Transient failures and bugs are retried up to the cap; then the video fails."""

    def stumble() -> None:
        raise error

    rig.pipeline, spy = spied("join", first=stumble)
    upload = new_upload()
    rig.work()
    (run,) = database.owner_rows("SELECT id FROM runs WHERE lane = 'gpu'")
    message = RunReady(user_id=upload.user_id, run_id=run.id, lane="gpu")
    for _ in range(6):
        data = encode_message(message).encode()
        rig.bus.publish("heimdex-gpu", data, {}, effect="test.publish")
        rig.worker("gpu").run()
    assert spy.calls == 5
    video = video_row(database, upload.video_id)
    assert (video.state, video.error_code) == ("failed", "attempts_exhausted")
    assert len(rig.bus.messages("heimdex-dead-letter-hold")) == 1


def test_a_released_run_goes_on_where_it_was(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """A stop in the middle keeps the checkpoints; the next worker starts at the same stage."""
    upload = new_upload()
    rig.worker("media").run()
    workers: list[Worker] = []
    rig.pipeline, spy = spied("index", first=lambda: workers[-1].stop())
    workers.append(rig.worker("gpu"))
    workers[0].run()
    (run,) = database.owner_rows("SELECT state, attempt FROM runs WHERE lane = 'gpu'")
    assert (run.state, run.attempt) == ("ready", 1)
    assert [stage_rows(database)[name].state for name in ("join", "index")] == ["done", "running"]
    rig.pipeline = PIPELINE
    # The release owed a message, and the worker published it.
    rig.worker("gpu").run()
    attempts = {name: row.attempt for name, row in stage_rows(database).items()}
    assert (attempts["join"], attempts["index"], spy.calls) == (1, 2, 1)
    assert video_row(database, upload.video_id).state == "indexed"


def test_a_worker_that_lost_its_lease_writes_nothing(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """A run taken over in the middle of a stage is finished once, by the heir."""
    record_transitions(database)
    upload = new_upload()
    rig.worker("media").run()

    def be_overtaken() -> None:
        (run,) = database.owner_rows("SELECT id FROM runs WHERE lane = 'gpu'")
        expire_lease(database, run.id)
        heir = Rig(db=rig.db, directory=rig.directory)
        lease = heir.claims.claim(upload.user_id, run.id, "gpu", "heir")
        assert lease is not None
        taken.append(lease)

    taken: list[Any] = []
    rig.pipeline, _ = spied("index", first=be_overtaken)
    rig.worker("gpu").run()
    assert stage_rows(database)["index"].state == "running"
    assert database.owner_rows("SELECT 1 FROM scenes") == []
    (run,) = database.owner_rows("SELECT fencing_token, owner FROM runs WHERE lane = 'gpu'")
    assert (run.fencing_token, run.owner) == (2, "heir")
    assert_legal_transitions(database)


@pytest.mark.parametrize("overtaken", [True, False])
def test_a_silent_lease_is_confirmed_before_a_write(
    rig: Rig,
    database: TestDatabase,
    user_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    overtaken: bool,
) -> None:
    """A process that was paused past its lease asks the ledger before it does anything durable."""
    run_id = insert_run(database, user_id)
    lease = rig.claims.claim(user_id, run_id, "media", "zombie")
    assert lease is not None
    with Hold(rig.claims, lease, threading.Event()) as hold:
        if overtaken:
            expire_lease(database, run_id)
            assert rig.claims.claim(user_id, run_id, "media", "heir") is not None
        # Within its lease the worker may still take it for its own.
        hold.check()
        now = time.monotonic()
        monkeypatch.setattr("gpu_jobs.hold.time.monotonic", lambda: now + 61.0)
        if overtaken:
            with pytest.raises(LeaseLostError):
                hold.check()
        else:
            hold.check()


def test_heartbeats_keep_the_lease(rig: Rig, database: TestDatabase, user_id: UUID) -> None:
    """While a stage runs, the lease is extended again and again, until another one has it.

    In the run's trace, though the thread is another.
    """
    beats: list[float] = []
    traces: set[str] = set()
    enough = threading.Event()

    class Claims:
        lease_s = 0.03

        def heartbeat(self, lease: Lease) -> None:
            beats.append(time.monotonic())
            traces.add(log.traceparent())
            if len(beats) == 2:
                raise TransientError
            if len(beats) == 5:
                enough.set()
                raise LeaseLostError

    lease = rig.claims.claim(user_id, insert_run(database, user_id), "media", "w")
    assert lease is not None
    claims: Any = Claims()
    with log.bound(traceparent="t"), Hold(claims, lease, threading.Event()) as hold:
        assert enough.wait(10.0)
        with pytest.raises(LeaseLostError):
            hold.check()
    assert len(beats) >= 5
    assert traces == {"t"}


def test_a_video_deleted_meanwhile_gets_no_rows(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """The tombstone wins over a worker that is about to finish."""
    new_upload()
    rig.worker("media").run()

    def delete() -> None:
        database.owner_rows("UPDATE videos SET deleted_at = now()")

    rig.pipeline, spy = spied("index", first=delete)
    rig.worker("gpu").run()
    assert spy.calls == 1
    assert database.owner_rows("SELECT 1 FROM scenes") == []


def test_a_damaged_artifact_is_made_again(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """A checkpoint whose bytes do not have the recorded hash is computed again, and only it."""
    upload = new_upload()
    rig.worker("media").run()
    rig.pipeline, _ = spied("index", first=_raise_transient)
    rig.worker("gpu").run()
    row = stage_rows(database)["join"]
    other = encode(Joined(content=b"forged"))
    rig.store.put(ARTIFACTS, row.artifact_key, other, "application/zip")
    rig.pipeline, spy = spied("join")
    _ring(rig, database, upload, "gpu")
    rig.worker("gpu").run()
    assert spy.calls == 1
    assert stage_rows(database)["join"].artifact_sha256 == row.artifact_sha256
    assert stage_rows(database)["first"].attempt == 1
    assert video_row(database, upload.video_id).state == "indexed"


def _raise_transient() -> None:
    raise TransientError


def _ring(rig: Rig, database: TestDatabase, upload: Upload, lane: str) -> None:
    (run,) = database.owner_rows("SELECT id, lane FROM runs WHERE lane = :lane", lane=lane)
    message = RunReady(user_id=upload.user_id, run_id=run.id, lane=run.lane)
    data = encode_message(message).encode()
    rig.bus.publish(f"heimdex-{lane}", data, {}, effect="test.publish")


@pytest.mark.parametrize("damage", ["lost", "torn"])
def test_a_damaged_input_of_another_lane_is_repaired_there(
    rig: Rig, database: TestDatabase, new_upload: NewUpload, damage: str
) -> None:
    """The gpu lane sends the run back; the media lane makes the artifact again; then it goes on."""
    record_transitions(database)
    upload = new_upload()
    rig.worker("media").run()
    before = stage_rows(database)
    key = before["first"].artifact_key
    if damage == "lost":
        rig.store.delete(ARTIFACTS, key, effect="test.delete")
    else:
        rig.store.put(ARTIFACTS, key, b"torn", "application/zip")
    rig.worker("gpu").run()
    assert video_row(database, upload.video_id).state == "processing"
    rig.work()
    assert video_row(database, upload.video_id).state == "indexed"
    after = stage_rows(database)
    assert after["first"].artifact_sha256 == before["first"].artifact_sha256
    assert (after["first"].attempt, after["size"].attempt) == (2, 1)
    assert_legal_transitions(database)


def test_a_raised_version_runs_a_stage_again(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """A deployment in the middle of a run recomputes what changed, under a key of its own."""
    upload = new_upload()
    rig.worker("media").run()
    rig.pipeline, _ = spied("index", first=_raise_transient)
    rig.worker("gpu").run()
    rows = [replace(row, version=2) if row.name == "join" else row for row in STAGES]
    rig.pipeline = Pipeline(rows)
    _ring(rig, database, upload, "gpu")
    rig.worker("gpu").run()
    row = stage_rows(database)["join"]
    assert (row.version, row.attempt) == (2, 2)
    assert row.artifact_key.endswith("/join@2/artifact.zip")
    assert video_row(database, upload.video_id).state == "indexed"


def test_models_are_loaded_once_and_for_the_gpu_lane_alone(rig: Rig, new_upload: NewUpload) -> None:
    """The media lane loads no model; the gpu lane loads them once for many videos."""
    for _ in range(2):
        new_upload()
    loads: list[str] = []

    def load() -> TinyModels:
        loads.append("loaded")
        return TinyModels()

    for lane, expected in (("media", 0), ("gpu", 1)):
        worker = rig.worker("media" if lane == "media" else "gpu")
        runner: Any = worker._ports.runner
        runner._tools = replace(runner._tools, load_models=load)
        worker.run()
        assert len(loads) == expected


def test_scratch_is_removed(rig: Rig, new_upload: NewUpload, tmp_path: Any) -> None:
    """The raw upload does not stay on the worker's disk."""
    new_upload()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tempfile.tempdir = str(scratch)
    try:
        rig.worker("media").run()
    finally:
        tempfile.tempdir = None
    assert list(scratch.iterdir()) == []


def test_a_message_that_cannot_be_published_stays_owed(
    rig: Rig, database: TestDatabase, new_upload: NewUpload
) -> None:
    """When Pub/Sub is down as a run completes, the next lane's message waits in the outbox."""
    upload = new_upload()
    worker = rig.worker("media")
    real = rig.bus.publish

    def publish(*arguments: Any, **options: Any) -> str:
        raise TransientError

    rig.bus.publish = publish  # type: ignore[method-assign]
    worker.run()
    rig.bus.publish = real  # type: ignore[method-assign]
    (owed,) = database.owner_rows("SELECT id FROM outbox WHERE published_at IS NULL")
    assert rig.outbox.publish(upload.user_id, [owed.id]) == 1
    assert rig.outbox.publish(upload.user_id, [owed.id]) == 0
    rig.worker("gpu").run()
    assert video_row(database, upload.video_id).state == "indexed"
