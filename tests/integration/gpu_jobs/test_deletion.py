"""Deletion is real: whatever is under way, nothing is left, and a receipt says so."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from common import effects
from common.arrivals import Arrivals
from common.database import Database
from common.errors import AuthError, NotFoundError, TransientError
from common.index_version import scene_id
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from common.videos.erasing import erase_account, erase_video, sha256_of
from common.web import auth
from common.web.auth import FirebaseIdentity, principal
from functions.start_jobs.sweeping import Buckets, Report, Sweeper, Timing
from tests.conftest import TestDatabase
from tests.ledger import Upload, stand_upload, take_stored
from tests.residue import residue
from tests.tiny_pipeline import ARTIFACTS, INDEX_VERSION, UPLOADS, Rig

NewUpload = Callable[[], Upload]


@dataclass(kw_only=True)
class FakeAccounts:
    """Firebase's accounts, as a set."""

    uids: set[str] = field(default_factory=set)
    down: bool = False

    def delete(self, firebase_uid: str, *, effect: str) -> None:
        """Forget the account."""
        if self.down:
            raise TransientError
        with effects.effect(effect):
            self.uids.discard(firebase_uid)


@pytest.fixture
def accounts() -> FakeAccounts:
    """Firebase."""
    return FakeAccounts()


@pytest.fixture
def sweep(rig: Rig, ingest_database: Database, accounts: FakeAccounts) -> Callable[[], Report]:
    """Makes one sweep, on the worker's own buckets."""
    uploads = Uploads(ingest_database, grace_s=60.0)
    outbox = Outbox(ingest_database, rig.bus)
    photos = Photos(ingest_database, grace_s=60.0)
    sweeper = Sweeper(
        sweep=Sweep(ingest_database),
        uploads=uploads,
        photos=photos,
        arrivals=Arrivals(uploads, photos, outbox),
        outbox=outbox,
        buckets=Buckets(store=rig.store, uploads=UPLOADS, artifacts=ARTIFACTS),
        timing=Timing(ring_again_after_s=60.0, lease_s=60.0, grace_s=60.0),
        accounts=accounts,
    )
    return sweeper.sweep


def _let_time_pass(database: TestDatabase) -> None:
    """Until no worker and no upload URL of before works any more."""
    database.owner_rows("UPDATE erasures SET created_at = created_at - interval '1 h'")
    database.owner_rows("UPDATE upload_objects SET expires_at = expires_at - interval '1 h'")


def _traces(database: TestDatabase, upload: Upload) -> list[UUID]:
    """The ids by which anything could still be about the video."""
    runs = database.owner_rows(
        "SELECT id, generation FROM runs WHERE video_id = :id", id=upload.video_id
    )
    generations = {row.generation for row in runs}
    scenes = [scene_id(upload.video_id, each, INDEX_VERSION, 0) for each in generations]
    return [upload.video_id, *(row.id for row in runs), *scenes]


def _receipts(database: TestDatabase) -> list[Any]:
    return database.owner_rows("SELECT * FROM erasure_receipts ORDER BY requested_at")


def test_a_deleted_video_leaves_nothing_but_a_receipt(
    rig: Rig,
    database: TestDatabase,
    api_database: Database,
    new_upload: NewUpload,
    sweep: Callable[[], Report],
) -> None:
    """Rows, vectors, messages, answers and objects go; another video of the user stays whole."""
    upload, other = new_upload(), new_upload()
    rig.work()
    user_id = upload.user_id
    database.owner_rows(
        "INSERT INTO idempotency_keys (user_id, key, request_sha256, status, response) "
        "VALUES (:user_id, 'key', 'x', 201, :response)",
        user_id=user_id,
        response=json.dumps({"body": str(upload.video_id)}),
    )
    (run, *_) = database.owner_rows("SELECT id FROM runs WHERE video_id = :i", i=upload.video_id)
    database.owner_rows(
        "INSERT INTO dead_letters (id, user_id, run_id, reason, subscription, delivery_attempts, "
        "payload) VALUES ('1', :user_id, :run_id, 'run_died', '', 0, '')",
        user_id=user_id,
        run_id=run.id,
    )
    traces = _traces(database, upload)
    before = residue(database, rig.store, traces)
    assert {"scenes.id", "frame_vectors.scene_id", "jobs.artifact_key", "outbox.payload"} < {
        *before
    }
    assert {"idempotency_keys.response", "dead_letters.run_id", UPLOADS, ARTIFACTS} < {*before}
    kept = residue(database, rig.store, _traces(database, other))

    with api_database.tenant(user_id, effect="video.erase") as tx:
        erase_video(tx, user_id, upload.video_id)
    sweep()
    soon = residue(database, rig.store, traces)
    assert not {"scenes.id", "frame_vectors.scene_id", UPLOADS, ARTIFACTS} & {*soon}
    (receipt,) = _receipts(database)
    assert receipt.finished_at is None
    _let_time_pass(database)
    assert sweep().done["erased"] == 1
    assert residue(database, rig.store, traces) == {}
    assert residue(database, rig.store, _traces(database, other)) == kept

    (receipt,) = _receipts(database)
    assert (receipt.subject, receipt.requested_by) == ("video", "user")
    assert receipt.subject_sha256 == sha256_of(upload.video_id)
    assert receipt.user_sha256 == sha256_of(user_id)
    assert receipt.finished_at is not None
    counted = {"scenes": 1, "frame_vectors": 1, "videos": 1, "runs": 2, "stages": 5}
    assert receipt.removed.items() >= (counted | {"objects": 7, "declared_objects": 1}).items()
    assert sweep().done["erased"] == 0


@dataclass(kw_only=True)
class Deleter:
    """Deletes a video at the n-th time that a durable effect is about to happen, or just did.

    A sweep follows at once, so that what the worker still writes comes after the first clearing.
    Where the worker holds the video's row in an open transaction, the deletion waits for it.
    """

    db: Database
    sweep: Callable[[], Report]
    upload: Upload
    point: str
    nth: int
    seen: Counter[str] = field(default_factory=Counter)
    thread: threading.Thread | None = None

    def __call__(self, point: str) -> None:
        if threading.current_thread() is self.thread:
            return
        self.seen[point] += 1
        if (point, self.seen[point]) == (self.point, self.nth):
            self.thread = threading.Thread(target=self._delete)
            self.thread.start()
            self.thread.join(0.2)

    def _delete(self) -> None:
        with self.db.tenant(self.upload.user_id, effect="video.erase") as tx:
            erase_video(tx, self.upload.user_id, self.upload.video_id)
        self.sweep()


@pytest.mark.parametrize(
    "moments", [("after",), pytest.param(("before", "after"), marks=pytest.mark.deep)], ids=str
)
def test_a_video_can_be_deleted_at_every_step_of_its_processing(
    rig: Rig,
    database: TestDatabase,
    api_database: Database,
    new_upload: NewUpload,
    sweep: Callable[[], Report],
    monkeypatch: pytest.MonkeyPatch,
    moments: tuple[str, ...],
) -> None:
    """Before and after every durable effect of both lanes: nothing is left, nobody breaks."""
    reached: list[str] = []
    monkeypatch.setattr(effects, "_point", reached.append)
    new_upload()
    reached.clear()
    rig.work()
    monkeypatch.setattr(effects, "_point", lambda point: None)
    counted: Counter[str] = Counter()
    for point in (each for each in reached if each.startswith(moments)):
        counted[point] += 1
        upload = new_upload()
        deleter = Deleter(
            db=api_database, sweep=sweep, upload=upload, point=point, nth=counted[point]
        )
        monkeypatch.setattr(effects, "_point", deleter)
        rig.work()
        monkeypatch.setattr(effects, "_point", lambda point: None)
        assert deleter.thread is not None, point
        deleter.thread.join()
        traces = _traces(database, upload)
        _let_time_pass(database)
        assert sweep().done["erased"] == 1, (point, deleter.nth)
        assert residue(database, rig.store, traces) == {}, (point, deleter.nth)
    assert counted.total() > 20
    for stage in ("stage.start", "artifact.write", "export.write", "stage.finish", "run.complete"):
        assert f"after:{stage}" in counted
    assert all(receipt.finished_at for receipt in _receipts(database))


def test_a_video_whose_time_is_over_is_deleted_alike(
    rig: Rig,
    database: TestDatabase,
    ingest_database: Database,
    new_upload: NewUpload,
    sweep: Callable[[], Report],
) -> None:
    """Without a person asking: by the role of the sweep, and the receipt says who wanted it."""
    upload = new_upload()
    rig.work()
    traces = _traces(database, upload)
    with ingest_database.tenant(upload.user_id, effect="video.expire") as tx:
        erase_video(tx, upload.user_id, upload.video_id, by="retention")
    _let_time_pass(database)
    assert sweep().done["erased"] == 1
    assert residue(database, rig.store, traces) == {}
    (receipt,) = _receipts(database)
    assert (receipt.requested_by, receipt.removed["scenes"]) == ("retention", 1)


def test_a_deleted_account_leaves_nothing_but_a_receipt(
    rig: Rig,
    database: TestDatabase,
    api_database: Database,
    ingest_database: Database,
    new_upload: NewUpload,
    user_id: UUID,
    sweep: Callable[[], Report],
    accounts: FakeAccounts,
) -> None:
    """Indexed and half-way videos, people, keys, exports, the sign-in account; others stay."""
    uid = f"uid-{user_id}"
    stranger = uuid4()
    accounts.uids = {uid, "uid-stranger"}
    database.owner_rows("UPDATE users SET email = 'person@example.com'")
    database.owner_rows(
        "INSERT INTO users (id, firebase_uid) VALUES (:id, 'uid-stranger')", id=stranger
    )
    theirs = stand_upload(rig.store, database, stranger)
    uploads = Uploads(ingest_database, grace_s=60.0)
    arrival = take_stored(rig.store, uploads, theirs)
    Outbox(ingest_database, rig.bus).publish(stranger, arrival.message_ids)
    ours = [new_upload(), new_upload()]
    rig.work()
    new_upload()
    rig.worker("media").run()
    for statement in (
        "INSERT INTO people (user_id, id, name) VALUES (:user_id, :id, 'Minji')",
        "INSERT INTO exports (user_id, id, state, object_name) "
        "VALUES (:user_id, :id, 'ready', 'exports/x')",
        "INSERT INTO idempotency_keys (user_id, key, request_sha256) VALUES (:user_id, :id, 'x')",
    ):
        database.owner_rows(statement, user_id=user_id, id=uuid4())
    rig.store.put(ARTIFACTS, f"exports/{user_id}/archive.zip", b"zip", "application/zip")
    kept = residue(database, rig.store, [stranger])
    traces: list[UUID | str] = [user_id, uid, "person@example.com", "Minji"]
    traces += [trace for upload in ours for trace in _traces(database, upload)]
    assert len(residue(database, rig.store, traces)) > 20

    with api_database.tenant(user_id, effect="account.erase") as tx:
        erase_account(tx, user_id)
    with pytest.raises(NotFoundError), api_database.tenant(user_id) as tx:
        erase_account(tx, user_id)
    accounts.down = True
    assert sweep().errors == 1
    assert uid in accounts.uids
    accounts.down = False
    assert sweep().done["erased"] == 0
    assert accounts.uids == {"uid-stranger"}
    assert not {UPLOADS, ARTIFACTS} & {*residue(database, rig.store, [user_id])}
    _let_time_pass(database)
    assert sweep().done["erased"] == 1
    assert residue(database, rig.store, traces) == {}
    assert residue(database, rig.store, [stranger]) == kept

    (receipt,) = _receipts(database)
    assert (receipt.subject, receipt.subject_sha256) == ("account", sha256_of(user_id))
    assert receipt.finished_at is not None
    counted = {"videos": 3, "scenes": 2, "people": 1, "exports": 1, "firebase_accounts": 1}
    assert receipt.removed.items() >= counted.items()


def test_a_token_that_outlives_its_account_opens_nothing(
    database: TestDatabase,
    api_database: Database,
    sweep: Callable[[], Report],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither while the account is erased nor after does it bring the user's row back."""
    monkeypatch.setattr(auth, "_project", lambda: "heimdex-test")
    identity = FirebaseIdentity(uid="uid-leaver", email="person@example.com")
    user_id = principal(api_database, identity).user_id
    with api_database.tenant(user_id, effect="account.erase") as tx:
        erase_account(tx, user_id)
    auth.forget(user_id)
    with pytest.raises(AuthError):
        principal(api_database, identity)
    _let_time_pass(database)
    assert sweep().done["erased"] == 1
    with pytest.raises(AuthError):
        principal(api_database, identity)
    assert database.owner_rows("SELECT 1 FROM users") == []
    # Somebody else, or the same person with a new account, is not refused.
    principal(api_database, FirebaseIdentity(uid="uid-newcomer", email="person@example.com"))


def test_what_was_uploaded_while_the_account_went_goes_too(
    rig: Rig,
    database: TestDatabase,
    api_database: Database,
    new_upload: NewUpload,
    user_id: UUID,
    sweep: Callable[[], Report],
    accounts: FakeAccounts,
) -> None:
    """An instance that had not heard of the deletion takes an upload: it is not left behind."""
    with api_database.tenant(user_id, effect="account.erase") as tx:
        erase_account(tx, user_id)
    _let_time_pass(database)
    late = new_upload()
    rig.worker("media").run()
    assert sweep().done["erased"] == 0, "a worker may still be writing"
    traces = [*_traces(database, late), user_id]
    _let_time_pass(database)
    assert sweep().done["erased"] == 1
    rig.work()
    assert residue(database, rig.store, traces) == {}
