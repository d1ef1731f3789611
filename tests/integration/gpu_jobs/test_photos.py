"""Photos of people go through the ledger like videos, and leave a face or a reason."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest

from common.database import Database
from common.domain import PhotoFace, PhotoRef
from common.ledger.outbox import Outbox
from common.people import enrolment
from gpu_jobs import sandbox
from gpu_jobs.runner import Runner
from tests.conftest import TestDatabase, insert_user
from tests.people import Album, FaceModels, encoded, portrait
from tests.tiny_pipeline import ARTIFACTS, Rig


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> FaceModels:
    """A detector of red squares."""
    return FaceModels(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def album(
    rig: Rig,
    database: TestDatabase,
    ingest_database: Database,
    user_id: UUID,
    models: FaceModels,
) -> Album:
    """Of a user who consents, on a worker with a face model."""
    rig.load_models = lambda: models
    rig.consent = lambda _: True
    made = Album(database=database, ingest=ingest_database, rig=rig, user_id=user_id)
    made.consent()
    return made


def test_a_good_photo_is_learned_from(album: Album) -> None:
    """Both lanes run, the photo is accepted, and one vector with its box is kept of it."""
    photo = album.add(album.person(), encoded(portrait()))
    album.rig.work()
    assert album.outcome(photo) == ("accepted", None)
    (face,) = album.database.owner_rows("SELECT * FROM photo_faces")
    assert (face.photo_id, face.person_id) == (photo.photo_id, photo.person_id)
    assert face.quality > 0.3
    assert 0.15 < face.box[0] < 0.25
    (run, other) = album.database.owner_rows("SELECT * FROM runs ORDER BY lane = 'gpu'")
    assert (run.lane, run.state, run.photo_id) == ("media", "done", photo.photo_id)
    assert (other.lane, other.state, other.video_id) == ("gpu", "done", None)
    prefix = f"artifacts/{album.user_id}/{photo.person_id}/{photo.photo_id}/1/"
    names = [info.name for info in album.store.list(ARTIFACTS, "")]
    assert names == [
        f"{prefix}photo_embed@1/artifact.zip",
        f"{prefix}photo_normalise@1/artifact.zip",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (encoded(np.full((600, 800, 3), 90, np.uint8)), "face_not_found"),
        (encoded(portrait((4, 3), (12, 6))), "several_faces"),
        (encoded(portrait((9, 7), cell_px=32)[:352, :640]), "face_too_small"),
        (b"GIF89a not a photo", "photo_unreadable"),
        (encoded(portrait())[:4000], "photo_unreadable"),
    ],
)
def test_a_photo_that_will_not_do_says_why(album: Album, data: bytes, problem: str) -> None:
    """What is wrong with it is one code of a closed list, and nothing is learned from it."""
    photo = album.add(album.person(), data)
    album.rig.work()
    assert album.outcome(photo) == ("rejected", problem)
    assert album.count("photo_faces") == 0


def test_a_photo_is_decoded_in_the_limited_child(album: Album) -> None:
    """The media lane's stage runs in the sandbox, and its refusal is the photo's problem."""
    tools = album.rig.runner()._tools
    confined = Runner(
        album.rig.pipeline,
        type(tools)(**vars(tools) | {"sandbox": sandbox.call}),
        photos=album.rig.photos,
    )
    album.rig.runner = lambda: confined  # type: ignore[method-assign]
    person_id = album.person()
    good = album.add(person_id, encoded(portrait()))
    bad = album.add(person_id, b"\xff\xd8\xff\xe0 is no JPEG for all that")
    album.rig.work()
    assert album.outcome(good) == ("accepted", None)
    assert album.outcome(bad) == ("rejected", "photo_unreadable")


def test_events_repeat_and_lie(album: Album) -> None:
    """A repeated event starts nothing, one of another size rejects, one of nothing is unknown."""
    person_id, data = album.person(), encoded(portrait())
    photo = album.declare(person_id, data)
    assert album.send(photo, data).outcome == "complete"
    assert album.send(photo, data).outcome == "repeated"
    other = album.declare(person_id, data)
    assert album.send(other, data + b"more").code == "size_mismatch"
    assert album.outcome(other) == ("rejected", "size_mismatch")
    nobody = PhotoRef(person_id=person_id, photo_id=uuid4())
    assert album.send(nobody, data).outcome == "unknown"
    assert album.count("runs") == 1


def test_a_worker_that_dies_every_time_ends_with_the_photo_failed(album: Album) -> None:
    """Attempts are counted for photos too; after the last one the photo says that it failed."""
    photo = album.add(album.person(), encoded(portrait()))
    for _ in range(album.rig.policy.max_attempts):
        (run,) = album.database.owner_rows("SELECT * FROM runs")
        assert album.rig.claims.claim(album.user_id, run.id, "media", "dies") is not None
        album.database.owner_rows("UPDATE runs SET lease_until = now() - interval '1 s'")
    assert album.rig.claims.claim(album.user_id, run.id, "media", "late") is None
    assert album.outcome(photo) == ("rejected", "photo_failed")


def test_a_damaged_artifact_is_made_again(album: Album) -> None:
    """The gpu lane sends a photo back to the media lane, which repairs what is damaged."""
    photo = album.add(album.person(), encoded(portrait()))
    album.rig.worker("media").run()
    (info,) = album.store.list(ARTIFACTS, "")
    album.store.put(ARTIFACTS, info.name, b"torn", "application/zip")
    album.rig.worker("gpu").run()
    assert album.outcome(photo) == ("processing", None)
    album.rig.work()
    assert album.outcome(photo) == ("accepted", None)


def test_without_a_face_model_the_photo_says_so(album: Album) -> None:
    """A worker without a face model keeps nothing, and blames no photo."""
    from gpu_jobs.models import OfflineModels

    album.rig.load_models = OfflineModels
    photo = album.add(album.person(), encoded(portrait()))
    album.rig.work()
    assert album.outcome(photo) == ("rejected", "faces_unavailable")


def face(vector: np.ndarray, model: str = "yunet+sface") -> PhotoFace:
    """What the stage found."""
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return PhotoFace(problem="", box=(0.1, 0.1, 0.5, 0.5), quality=0.8, vector=unit, model=model)


def test_a_face_unlike_the_others_is_refused(album: Album, worker_database: Database) -> None:
    """Below the recogniser's threshold to the mean of the others; another model's are no others."""
    person_id = album.person()
    rng = np.random.default_rng(3)
    own, other = rng.normal(size=512), rng.normal(size=512)

    def enrol(found: PhotoFace) -> tuple[str, str | None]:
        photo = album.declare(person_id, b"x")
        with worker_database.tenant(album.user_id, effect="test") as tx:
            enrolment.apply(tx, album.user_id, person_id, photo.photo_id, found)
        return album.outcome(photo)

    assert enrol(face(own)) == ("accepted", None)
    assert enrol(face(own + 0.5 * other)) == ("accepted", None)
    assert enrol(face(other - own)) == ("rejected", "face_different")
    assert enrol(face(other, model="yunet+adaface")) == ("accepted", None)


def test_consent_is_asked_for_again_at_commit(album: Album, worker_database: Database) -> None:
    """A face that was found before the consent went is not kept."""
    person_id = album.person()
    album.database.owner_rows("UPDATE people SET consent_at = NULL, consent_policy_version = NULL")
    photo = album.declare(person_id, b"x")
    with worker_database.tenant(album.user_id, effect="test") as tx:
        enrolment.apply(tx, album.user_id, person_id, photo.photo_id, face(np.ones(512)))
    assert album.outcome(photo) == ("rejected", "consent_required")
    assert album.count("photo_faces") == 0


def test_a_foreign_worker_message_claims_nothing(album: Album) -> None:
    """A message that names another tenant's photo run finds no run."""
    album.add(album.person(), encoded(portrait()))
    (run,) = album.database.owner_rows("SELECT * FROM runs")
    stranger = insert_user(album.database, tier="enterprise")
    assert album.rig.claims.claim(stranger, run.id, "media", "me") is None
    Outbox(album.ingest, album.rig.bus).publish(stranger, [])
