"""Switches of the workers: what is off is not done, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from common.config import Settings
from common.database import Database
from common.domain import PhotoRef, RunRef
from gpu_jobs import main, models
from gpu_jobs.models.face_gate import SWITCHED_OFF
from tests.checkpoints import faces as checkpoints
from tests.conftest import TestDatabase, settings
from tests.people import Album, encoded, portrait
from tests.tiny_pipeline import Rig

ALL = {"feature_face": True, "feature_face_detection": True, "feature_face_enrollment": True}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Settings of the tiny face models."""
    directory = tmp_path_factory.mktemp("faces")
    return {
        "face_detector_file": str(checkpoints.detector(directory)),
        "face_recogniser_file": str(checkpoints.recogniser(directory, dimensions=128, batch=1)),
    }


@pytest.fixture
def album(rig: Rig, database: TestDatabase, ingest_database: Database, user_id: UUID) -> Album:
    """Of a user who consents."""
    made = Album(database=database, ingest=ingest_database, rig=rig, user_id=user_id)
    made.consent()
    return made


def allowed(db: Database, changed: Settings, user_id: UUID) -> tuple[bool, bool]:
    """Whether faces may be told apart, as the worker asks: of a photo, of a video."""
    photo = PhotoRef(person_id=uuid4(), photo_id=uuid4())
    of_photo = RunRef(user_id=user_id, run_id=uuid4(), photo=photo, generation=1, lane="gpu")
    of_video = RunRef(user_id=user_id, run_id=uuid4(), video_id=uuid4(), generation=1, lane="gpu")
    return main._consents(changed, db, of_photo), main._consents(changed, db, of_video)


@pytest.mark.parametrize(
    ("off", "photos", "videos"),
    [
        ("", True, True),
        ("feature_face", False, False),
        ("feature_face_enrollment", False, True),
        ("feature_face_detection", True, False),
    ],
)
def test_flags_and_consent_both_count(
    album: Album, worker_database: Database, off: str, photos: bool, videos: bool
) -> None:
    """Each switch turns off its own part; without consent no switch turns anything on."""
    changed = settings(**ALL | ({off: False} if off else {}))
    assert allowed(worker_database, changed, album.user_id) == (photos, videos)
    album.database.owner_rows("UPDATE face_consents SET withdrawn_at = now()")
    assert allowed(worker_database, changed, album.user_id) == (False, False)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, ""),
        ({"feature_face": False}, SWITCHED_OFF),
        ({"feature_face_detection": False, "feature_face_enrollment": False}, SWITCHED_OFF),
        ({"face_detector_file": ""}, "profile_has_no_face_model"),
    ],
)
def test_the_offline_profile_takes_face_models_that_are_given(
    files: dict[str, object], changes: dict[str, object], note: str
) -> None:
    """With the switches on and both files named there are faces; else the record says why not."""
    loaded = models.load(settings(**ALL | files | changes))
    assert (loaded.faces is None, loaded.faces_note) == (bool(note), note)


def test_enrolment_that_is_switched_off_under_way_loses_nothing(
    album: Album, worker_database: Database, files: dict[str, object]
) -> None:
    """The photo on its way says why it was not taken; what was learned before stays."""
    person_id = album.person()
    on = settings(**ALL | files)
    off = settings(**ALL | files | {"feature_face_enrollment": False})
    load: Callable[[], object] = partial(models.load, on)
    album.rig.load_models = load
    album.rig.consent = partial(main._consents, on, worker_database)
    before = album.add(person_id, encoded(portrait()))
    album.rig.work()
    album.rig.consent = partial(main._consents, off, worker_database)
    meanwhile = album.add(person_id, encoded(portrait()))
    album.rig.work()
    assert album.outcome(before) == ("accepted", None)
    assert album.outcome(meanwhile) == ("rejected", "faces_unavailable")
    assert album.count("photo_faces") == 1


def test_files_that_are_not_there_are_a_mistake(tmp_path: Path) -> None:
    """Named files have to exist: a worker without them does not start."""
    named = {"face_detector_file": str(tmp_path / "a"), "face_recogniser_file": str(tmp_path / "b")}
    with pytest.raises(Exception, match="config_invalid"):
        models.load(settings(**ALL | named))
