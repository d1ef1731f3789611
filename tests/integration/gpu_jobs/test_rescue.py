"""An operator's rerun: through the ledger, fenced, once, and on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from common.database import Database
from common.domain import Lease
from common.errors import InputError, LeaseLostError, NotFoundError, TransientError
from common.ledger.outbox import Outbox
from common.ledger.rescue import Order, Rescue, Rescues
from tests.conftest import TestDatabase
from tests.ledger import (
    Upload,
    assert_legal_transitions,
    declare,
    expire_lease,
    record_transitions,
    video_row,
)
from tests.tiny_pipeline import Rig

NewUpload = Callable[[], Upload]
WHY = Order(operator="minji", reason="the decoder was mended")


@pytest.fixture
def operator(database: TestDatabase) -> Iterator[Database]:
    """A pool as `heimdex_operator`."""
    pool = database.as_role("heimdex_operator")
    yield pool
    pool.close()


@pytest.fixture
def rerun(operator: Database, rig: Rig) -> Callable[..., Rescue]:
    """Reruns a video and publishes what that owes."""

    def act(upload: Upload, from_stage: str = "") -> Rescue:
        order = Order(operator=WHY.operator, reason=WHY.reason, from_stage=from_stage)
        rescue = Rescues(operator).rerun(upload.user_id, upload.video_id, order)
        Outbox(operator, rig.bus).publish(upload.user_id, rescue.message_ids)
        return rescue

    return act


def _claim(rig: Rig, database: TestDatabase, upload: Upload, lane: str = "media") -> Lease:
    (run,) = database.owner_rows(
        "SELECT id FROM runs WHERE video_id = :id AND lane = :lane", id=upload.video_id, lane=lane
    )
    lease = rig.claims.claim(upload.user_id, run.id, "gpu" if lane == "gpu" else "media", "w")
    assert lease is not None
    return lease


def _die(rig: Rig, database: TestDatabase, upload: Upload) -> None:
    """Use up the attempts of the media run."""
    for _ in range(rig.policy.max_attempts):
        rig.endings.fail(_claim(rig, database, upload), TransientError("stage_failed"))
    assert video_row(database, upload.video_id).state == "failed"


def _attempts(database: TestDatabase) -> dict[str, int]:
    return {row.stage: row.attempt for row in database.owner_rows("SELECT * FROM jobs")}


def test_a_dead_video_lives_again(
    rig: Rig, database: TestDatabase, new_upload: NewUpload, rerun: Callable[..., Rescue]
) -> None:
    """Its attempts count anew, it is processed to the end, and who and why is on record."""
    record_transitions(database)
    upload = new_upload()
    _die(rig, database, upload)
    assert rerun(upload).outcome == "ready"
    assert video_row(database, upload.video_id).error_code is None
    rig.work()
    assert video_row(database, upload.video_id).state == "indexed"
    (run, _) = database.owner_rows("SELECT attempt, fencing_token FROM runs ORDER BY lane DESC")
    assert (run.attempt, run.fencing_token) == (1, rig.policy.max_attempts + 2)
    (note,) = database.owner_rows("SELECT * FROM interventions")
    assert (note.operator, note.reason, note.lane) == (WHY.operator, WHY.reason, "media")
    assert_legal_transitions(database, rescued=True)


def test_a_rerun_goes_on_where_the_video_ended(
    rig: Rig, database: TestDatabase, new_upload: NewUpload, rerun: Callable[..., Rescue]
) -> None:
    """What is done is not done again."""
    upload = new_upload()
    rig.worker("media").run()
    lease = _claim(rig, database, upload, "gpu")
    rig.endings.fail(lease, InputError("subtitle_unreadable"))
    assert rerun(upload).lane == "gpu"
    rig.work()
    assert video_row(database, upload.video_id).state == "indexed"
    assert set(_attempts(database).values()) == {1}


@pytest.mark.parametrize(
    ("stage", "again"),
    [
        # Rows that share a function are made together.
        ("second", {"first", "second", "join", "index"}),
        ("size", {"size", "first", "second", "join", "index"}),
        ("join", {"join", "index"}),
        ("index", {"index"}),
    ],
)
def test_from_a_stage_on_everything_is_made_again(
    rig: Rig,
    database: TestDatabase,
    new_upload: NewUpload,
    rerun: Callable[..., Rescue],
    stage: str,
    again: set[str],
) -> None:
    """The stage, those after it, and the lanes after it; the video stays one set of scenes."""
    record_transitions(database)
    upload = new_upload()
    rig.work()
    assert rerun(upload, stage).outcome == "ready"
    rig.work()
    assert video_row(database, upload.video_id).state == "indexed"
    assert {name for name, count in _attempts(database).items() if count == 2} == again
    assert len(database.owner_rows("SELECT 1 FROM scenes")) == 1
    assert_legal_transitions(database, rescued=True)


def test_repeating_a_rerun_changes_nothing(
    rig: Rig, database: TestDatabase, new_upload: NewUpload, rerun: Callable[..., Rescue]
) -> None:
    """One message, one note, one token more, however often it is asked for meanwhile."""
    upload = new_upload()
    _die(rig, database, upload)
    rig.worker("media").run()
    outcomes = [rerun(upload).outcome for _ in range(3)]
    assert outcomes == ["ready", "under_way", "under_way"]
    assert len(database.owner_rows("SELECT 1 FROM interventions")) == 1
    assert len(rig.bus.messages("heimdex-media-work")) == 1
    lease = _claim(rig, database, upload)
    assert rerun(upload, "size").outcome == "under_way"
    rig.claims.heartbeat(lease)


def test_a_complete_video_needs_a_stage(
    rig: Rig, new_upload: NewUpload, rerun: Callable[..., Rescue]
) -> None:
    """Nothing is guessed: without a stage there is nothing left to do."""
    upload = new_upload()
    rig.work()
    assert rerun(upload).outcome == "complete"


def test_a_zombie_of_before_loses_the_run(
    rig: Rig, database: TestDatabase, new_upload: NewUpload, rerun: Callable[..., Rescue]
) -> None:
    """A worker that slept through death and rerun writes nothing."""
    upload = new_upload()
    zombie = _claim(rig, database, upload)
    expire_lease(database, zombie.run.run_id)
    for _ in range(rig.policy.max_attempts - 1):
        rig.endings.fail(_claim(rig, database, upload), TransientError("stage_failed"))
    assert rerun(upload).outcome == "ready"
    with pytest.raises(LeaseLostError):
        rig.endings.complete(zombie, next_lane="gpu")
    with pytest.raises(LeaseLostError):
        rig.claims.heartbeat(zombie)


def test_what_cannot_go_on_is_refused(
    rig: Rig,
    database: TestDatabase,
    user_id: UUID,
    new_upload: NewUpload,
    rerun: Callable[..., Rescue],
) -> None:
    """An upload that never arrived, an unknown stage, a deleted and an unknown video."""
    waiting = declare(database, user_id)
    with pytest.raises(InputError, match="upload never completed"):
        rerun(waiting)
    upload = new_upload()
    rig.work()
    with pytest.raises(InputError, match="known: size, first, second, join, index"):
        rerun(upload, "no_such_stage")
    database.owner_rows("UPDATE videos SET deleted_at = now()")
    for gone in (upload, Upload(user_id=user_id), Upload(user_id=uuid4())):
        with pytest.raises(NotFoundError):
            rerun(gone)
    assert database.owner_rows("SELECT 1 FROM interventions") == []
