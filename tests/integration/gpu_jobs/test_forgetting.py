"""Who takes consent back, or deletes a person or photo, leaves nothing, whatever is under way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from common.arrivals import Arrivals
from common.database import Database
from common.domain import FaceObservation, Faces, IndexRows, PhotoRef
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.residue import Residue
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from common.people import consent, erasing, sightings
from common.videos.erasing import erase_account, erase_video
from functions.start_jobs.sweeping import Buckets, Report, Sweeper, Timing
from gpu_jobs.models import Portrait
from gpu_jobs.stage import Pipeline, Stage, VideoFacts
from tests.conftest import TestDatabase
from tests.integration.gpu_jobs.test_deletion import FakeAccounts
from tests.ledger import Upload
from tests.people import Album, FaceModels, encoded, portrait
from tests.residue import residue
from tests.tiny_pipeline import ARTIFACTS, STAGES, UPLOADS, Joined, Rig, index

Sweeping = Callable[[], Report]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> FaceModels:
    """A detector of red squares."""
    return FaceModels(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def album(
    rig: Rig,
    database: TestDatabase,
    ingest_database: Database,
    worker_database: Database,
    user_id: UUID,
    models: FaceModels,
) -> Album:
    """Of a user who consents, and is asked for consent as in production."""

    def consents(run: object) -> bool:
        with worker_database.tenant(user_id) as tx:
            return consent.holds(tx, user_id)

    rig.load_models = lambda: models
    rig.consent = consents
    made = Album(database=database, ingest=ingest_database, rig=rig, user_id=user_id)
    made.consent()
    return made


@pytest.fixture
def sweep(rig: Rig, ingest_database: Database) -> Sweeping:
    """Makes one sweep, on the worker's own buckets."""
    uploads = Uploads(ingest_database, grace_s=60.0)
    photos = Photos(ingest_database, grace_s=60.0)
    outbox = Outbox(ingest_database, rig.bus)
    return Sweeper(
        sweep=Sweep(ingest_database),
        uploads=uploads,
        photos=photos,
        arrivals=Arrivals(uploads, photos, outbox),
        outbox=outbox,
        buckets=Buckets(store=rig.store, uploads=UPLOADS, artifacts=ARTIFACTS),
        timing=Timing(ring_again_after_s=60.0, lease_s=60.0, grace_s=60.0),
        accounts=FakeAccounts(),
    ).sweep


def objects(album: Album) -> list[str]:
    """Names in all buckets."""
    return [x.name for bucket in (UPLOADS, ARTIFACTS) for x in album.store.list(bucket, "")]


def let_time_pass(album: Album) -> None:
    """Until no worker and no upload URL of before works any more."""
    album.database.owner_rows(
        "UPDATE face_erasures SET created_at = created_at - interval '1 h', "
        "writable_until = writable_until - interval '2 h'"
    )
    album.database.owner_rows("UPDATE erasures SET created_at = created_at - interval '1 h'")


def runs(album: Album) -> list[UUID]:
    """Ids of all runs."""
    return [row.id for row in album.database.owner_rows("SELECT id FROM runs")]


@pytest.mark.parametrize("what", ["photo", "person", "consent", "faces", "account"])
def test_nothing_is_left(album: Album, api_database: Database, sweep: Sweeping, what: str) -> None:
    """Rows go at once, objects with the next sweep; another user's stay; receipts say what went."""
    person_id = album.person()
    photo = album.add(person_id, encoded(portrait()))
    album.rig.work()
    assert album.outcome(photo) == ("accepted", None)
    album.database.owner_rows(
        "INSERT INTO idempotency_keys (user_id, key, request_sha256, status, response) "
        "VALUES (:u, 'key', 'x', 201, :r)",
        u=album.user_id,
        r=f"the URL of {photo.photo_id}",
    )
    traces: list[UUID | str] = [photo.photo_id, *runs(album)]
    before = residue(album.database, album.store, traces)
    assert {"photo_faces.photo_id", "outbox.payload", UPLOADS, ARTIFACTS} < {*before}
    assert {"idempotency_keys.response", "jobs.run_id"} < {*before}

    with api_database.tenant(album.user_id, effect="test") as tx:
        if what == "photo":
            erasing.erase_photo(tx, album.user_id, person_id, photo.photo_id)
        elif what == "person":
            erasing.erase_person(tx, album.user_id, person_id)
        elif what == "consent":
            assert erasing.withdraw_person(tx, album.user_id, person_id)
        elif what == "faces":
            assert erasing.withdraw_all(tx, album.user_id)
        else:
            erase_account(tx, album.user_id)
    at_once = residue(album.database, album.store, traces)
    owed = {"face_erasures.photo_id"} if what == "photo" else set()
    assert {*at_once} - owed == {UPLOADS, ARTIFACTS} | ({"outbox.payload"} & {*at_once})
    assert sweep().errors == 0
    assert objects(album) == []
    let_time_pass(album)
    sweep()
    assert residue(album.database, album.store, traces) == {}
    if what == "account":
        return
    assert album.count("face_erasures") == 0
    people = 0 if what == "person" else 1
    assert album.count("people") == people
    (receipt,) = album.database.owner_rows("SELECT * FROM erasure_receipts")
    assert receipt.subject == {"consent": "person"}.get(what, what)
    assert receipt.finished_at is not None
    counted = {"photos": 1, "face_vectors": 1, "objects": 3}
    assert receipt.removed == counted | ({"people": 1} if what == "person" else {})


def test_the_operators_search_finds_what_is_left(
    album: Album, api_database: Database, sweep: Sweeping
) -> None:
    """By a person's id alone: photos, vectors, runs and objects before, and nothing after."""
    operator = album.database.as_role("heimdex_operator")
    search = Residue(operator, album.store, (UPLOADS, ARTIFACTS))
    person_id = album.person()
    album.add(person_id, encoded(portrait()))
    album.rig.work()
    places = {trace.place for trace in search.of(person_id)}
    assert {"people.id", "person_photos.id", "photo_faces.photo_id", "runs.photo_id"} < places
    assert {"jobs.run_id", UPLOADS, ARTIFACTS} < places
    with api_database.tenant(album.user_id, effect="test") as tx:
        erasing.erase_person(tx, album.user_id, person_id)
    assert {trace.place for trace in search.of(person_id)} > {UPLOADS, ARTIFACTS}
    sweep()
    let_time_pass(album)
    sweep()
    assert search.of(person_id) == ()
    operator.close()


def test_what_was_made_since_stays(album: Album, api_database: Database, sweep: Sweeping) -> None:
    """Who consents again at once keeps the new photos, though the old ones are still owed."""
    person_id = album.person()
    old = album.add(person_id, encoded(portrait()))
    album.rig.work()
    with api_database.tenant(album.user_id, effect="test") as tx:
        erasing.withdraw_all(tx, album.user_id)
    album.consent()
    album.database.owner_rows("UPDATE people SET consent_at = now(), consent_policy_version = 'v'")
    new = album.add(person_id, encoded(portrait()))
    album.rig.work()
    assert album.outcome(new) == ("accepted", None)
    sweep()
    let_time_pass(album)
    sweep()
    assert not [name for name in objects(album) if str(old.photo_id) in name]
    assert len([name for name in objects(album) if str(new.photo_id) in name]) == 3


def test_a_photo_that_is_sent_after_its_deletion_goes(
    album: Album, api_database: Database, sweep: Sweeping
) -> None:
    """A URL that was given out works on for minutes: until then the sweep looks again."""
    person_id, data = album.person(), encoded(portrait())
    photo = album.declare(person_id, data)
    with api_database.tenant(album.user_id, effect="test") as tx:
        erasing.erase_photo(tx, album.user_id, person_id, photo.photo_id)
    album.database.owner_rows("UPDATE face_erasures SET created_at = created_at - interval '1 h'")
    sweep()
    assert album.count("face_erasures") == 1
    assert album.send(photo, data).outcome == "unknown"
    sweep()
    assert objects(album) == []
    let_time_pass(album)
    sweep()
    assert album.count("face_erasures") == 0


@dataclasses.dataclass
class Meanwhile:
    """A face model that lets something happen while it looks at a photo."""

    inner: FaceModels
    happens: Callable[[], None]
    name: str = "yunet+sface"

    def portraits(self, picture: np.ndarray) -> tuple[Portrait, ...]:
        """The faces, after it happened."""
        self.happens()
        assert self.inner.faces is not None
        return self.inner.faces.portraits(picture)


@pytest.mark.parametrize("what", ["photo", "person", "faces"])
def test_a_photo_that_is_deleted_under_way_leaves_nothing(
    album: Album, api_database: Database, sweep: Sweeping, models: FaceModels, what: str
) -> None:
    """The worker finds its run gone, and takes back what it wrote, even after the sweep."""
    person_id = album.person()
    photo = album.add(person_id, encoded(portrait()))
    album.rig.worker("media").run()

    def withdraw() -> None:
        with api_database.tenant(album.user_id, effect="test") as tx:
            if what == "photo":
                erasing.erase_photo(tx, album.user_id, person_id, photo.photo_id)
            elif what == "person":
                erasing.erase_person(tx, album.user_id, person_id)
            else:
                erasing.withdraw_all(tx, album.user_id)
        sweep()

    class Watched(FaceModels):
        def __init__(self) -> None:
            self.faces = Meanwhile(models, withdraw)  # type: ignore[assignment]  # finds no more

    album.rig.load_models = Watched
    album.rig.worker("gpu").run()
    assert album.count("photo_faces") == 0
    assert objects(album) == []
    let_time_pass(album)
    sweep()
    assert residue(album.database, album.store, [photo.photo_id]) == {}


# --- videos ---------------------------------------------------------------------------------------


def _face(scene_ordinal: int = 0) -> FaceObservation:
    vector = np.zeros(512, np.float32)
    vector[0] = 1.0
    return FaceObservation(
        scene_ordinal=scene_ordinal,
        time_ms=10,
        box=(0.1, 0.1, 0.2, 0.2),
        quality=0.9,
        vector=vector,
    )


class Look:
    """The stage `faces_detect` of the tiny pipeline, and what happens while it looks."""

    happens: Callable[[], None] = staticmethod(lambda: None)


def faces_detect(*, join: Joined, consent: bool) -> Faces:
    """One face, if the user consents."""
    found = (_face(),) if consent else ()
    Look.happens()
    return Faces(observations=found, model="yunet+sface" if consent else "", note="")


def commit(*, join: Joined, faces_detect: Faces, video: VideoFacts, consent: bool) -> IndexRows:
    """One scene, and the faces."""
    rows = index(join=join, video=video)
    if not consent:
        return rows
    return dataclasses.replace(rows, faces=faces_detect.observations, face_model=faces_detect.model)


def _apply(video: VideoFacts, rows: IndexRows, tx: object) -> object:
    from gpu_jobs.pipeline import _make_searchable

    return _make_searchable(video, rows, tx)  # type: ignore[arg-type]  # as production does


WITH_FACES = Pipeline(
    (
        *(stage for stage in STAGES if stage.name != "index"),
        Stage(name="faces_detect", lane="gpu", version=1, run=faces_detect),
        Stage(name="commit", lane="gpu", version=1, run=commit, apply=_apply),  # type: ignore[arg-type]
    )
)


@pytest.fixture
def withdrawing(
    album: Album, api_database: Database, sweep: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Takes the user's consent back, and sweeps."""
    album.rig.pipeline = WITH_FACES
    monkeypatch.setattr(Look, "happens", staticmethod(lambda: None))

    def withdraw() -> None:
        with api_database.tenant(album.user_id, effect="test") as tx:
            erasing.withdraw_all(tx, album.user_id)
        sweep()

    return withdraw


def _artifact(album: Album, stage: str) -> bytes | None:
    for info in album.store.list(ARTIFACTS, f"artifacts/{album.user_id}/"):
        if f"/{stage}@" in info.name:
            return album.store.read(ARTIFACTS, info.name)
    return None


#: The vector of `_face`, as an artifact holds it.
_VECTOR = _face().vector.tobytes()


def test_with_consent_faces_are_kept_and_withdrawn(
    album: Album, new_upload: Callable[[], Upload], withdrawing: Callable[[], None]
) -> None:
    """Observations, and the artifacts that hold their vectors, go; the video stays searchable."""
    upload = new_upload()
    album.rig.work()
    assert album.count("face_observations") == 1
    assert _VECTOR in (_artifact(album, "faces_detect") or b"")
    withdrawing()
    assert album.count("face_observations") == album.count("face_clusters") == 0
    assert _artifact(album, "faces_detect") is _artifact(album, "commit") is None
    (video,) = album.database.owner_rows(
        "SELECT state FROM videos WHERE id = :i", i=upload.video_id
    )
    assert (video.state, album.count("scenes")) == ("indexed", 1)
    assert _artifact(album, "join") is not None


def test_consent_that_goes_while_faces_are_looked_for(
    album: Album,
    new_upload: Callable[[], Upload],
    withdrawing: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was found is overwritten by nothing at once; the video is indexed without faces."""
    once = iter((withdrawing,))
    monkeypatch.setattr(Look, "happens", staticmethod(lambda: next(once, lambda: None)()))
    upload = new_upload()
    album.rig.work()
    (video,) = album.database.owner_rows(
        "SELECT state FROM videos WHERE id = :i", i=upload.video_id
    )
    assert video.state == "indexed"
    assert album.count("face_observations") == 0
    for stage in ("faces_detect", "commit"):
        kept = _artifact(album, stage)
        assert kept is not None
        assert _VECTOR not in kept


def test_consent_that_goes_before_the_commit(
    album: Album,
    new_upload: Callable[[], Upload],
    withdrawing: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The transaction that makes the video searchable asks again: no face is written."""
    original = sightings.replace_video
    called = []

    def replace_video(tx: object, **values: object) -> None:
        called.append(values["faces"])
        original(tx, **values)  # type: ignore[arg-type]  # passed on

    hold = consent.hold

    def withdrawn_first(tx: object, user_id: UUID) -> bool:
        if not called and not withdrawn:
            withdrawn.append(True)
            withdrawing()
        return hold(tx, user_id)  # type: ignore[arg-type]  # passed on

    withdrawn: list[bool] = []
    monkeypatch.setattr(sightings, "replace_video", replace_video)
    monkeypatch.setattr(consent, "hold", withdrawn_first)
    new_upload()
    album.rig.work()
    # The faces were still in the worker's hands.
    assert withdrawn
    assert called[0]
    assert album.count("face_observations") == 0
    assert album.count("scenes") == 1


def test_a_deleted_video_leaves_no_faces(
    album: Album,
    api_database: Database,
    new_upload: Callable[[], Upload],
    withdrawing: Callable[[], None],
) -> None:
    """Observations go with the video when it is deleted, not when its row goes."""
    upload = new_upload()
    album.rig.work()
    assert album.count("face_observations") == 1
    with api_database.tenant(album.user_id, effect="test") as tx:
        erase_video(tx, album.user_id, upload.video_id)
    assert album.count("face_observations") == 0


def test_somebody_elses_faces_stay(
    album: Album, api_database: Database, sweep: Sweeping, rig: Rig, tmp_path: Path
) -> None:
    """Deleting and withdrawing reach one tenant's rows and objects."""
    from tests.conftest import insert_user

    stranger = insert_user(album.database, tier="enterprise")
    theirs = Album(database=album.database, ingest=album.ingest, rig=album.rig, user_id=stranger)
    theirs.consent()
    kept = theirs.add(theirs.person(), encoded(portrait()))
    album.add(album.person(), encoded(portrait()))
    rig.work()
    with api_database.tenant(album.user_id, effect="test") as tx:
        erasing.withdraw_all(tx, album.user_id)
    sweep()
    assert theirs.outcome(kept) == ("accepted", None)
    assert {str(stranger) in name for name in objects(album)} == {True}
    assert len(objects(album)) == 3
    nobody = PhotoRef(person_id=kept.person_id, photo_id=uuid4())
    assert album.row(nobody) is None
