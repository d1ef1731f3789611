"""From pictures to people, with a recogniser whose geometry is known: mistakes are counted.

Faces are drawn, found by OpenCV's own decoder of YuNet's outputs, aligned, embedded by ONNX Runtime
and matched. Everybody's pattern is known, and patterns overlap, so that who was mistaken for whom
is known too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest

from common.database import Database
from common.domain import FaceObservation, PhotoFace
from common.errors import ConfigError
from common.people import enrolment, sightings
from common.people.thresholds import of_model
from gpu_jobs.models import OfflineModels
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_detector import YuNet
from gpu_jobs.models.face_recognisers import AdaFace, SFace
from gpu_jobs.models.faces import FaceFinder, open_faces
from gpu_jobs.stages import faces_detect
from tests.checkpoints import faces as checkpoints
from tests.conftest import TestDatabase
from tests.face_library import Library
from tests.integration.people.brute_force import BruteForce, assert_same
from tests.unit.gpu_jobs.stages.examples import frame, frames

_PEOPLE, _STRANGERS, _FRAMES = 6, 6, 60
_WIDTH, _HEIGHT = 640, 352
_CELL = checkpoints.CELL_PX

Pattern = npt.NDArray[np.float64]


class _Models(OfflineModels):
    """The offline profile with a face model."""

    def __init__(self, faces: FaceFinder) -> None:
        self.faces = faces


@dataclass(kw_only=True)
class Cast:
    """Who is drawn where."""

    video_id: UUID
    people: list[UUID]
    #: (person, scene) that are truly seen.
    true: set[tuple[UUID, UUID]] = field(default_factory=set)


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> FaceFinder:
    """A detector of red squares, and the recogniser of their patterns."""
    directory = tmp_path_factory.mktemp("faces")
    recogniser = checkpoints.geometry(directory, dimensions=128)
    return FaceFinder(YuNet(checkpoints.detector(directory)), SFace(recogniser, Device(kind="cpu")))


def _unit(pattern: Pattern) -> Pattern:
    return np.asarray(pattern / np.linalg.norm(pattern))


def _looks(rng: np.random.Generator) -> list[Pattern]:
    """Half of all people come in pairs that look alike."""
    looks: list[Pattern] = []
    for place in range(_PEOPLE + _STRANGERS):
        own = _unit(rng.normal(size=64))
        looks.append(_unit(looks[-1] + 0.9 * own) if place % 4 == 1 else own)
    return looks


def _drawn(faces: list[Pattern], places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """A frame with faces in cells of its grid."""
    pixels = checkpoints.picture(_WIDTH, _HEIGHT)
    for face, place in zip(faces, places.tolist(), strict=True):
        row, column = divmod(place, _WIDTH // _CELL)
        pixels[row * _CELL : (row + 1) * _CELL, column * _CELL : (column + 1) * _CELL] = (
            checkpoints.patterned(face)
        )
    return pixels


def _seen(rng: np.random.Generator, look: Pattern, *, noise: float) -> Pattern:
    return _unit(look + noise * _unit(rng.normal(size=64)))


def _enrol(worker: Database, library: Library, finder: FaceFinder, look: Pattern) -> UUID:
    """A person, and two photos learned from as the pipeline does."""
    rng = np.random.default_rng(abs(int(look[0] * 1e6)))
    person_id = library.add_person("somebody")
    for _ in range(2):
        pixels = _drawn([_seen(rng, look, noise=0.3)], np.array([65]))
        (face,) = finder.find(pixels)
        photo_id = library.declare_photo(person_id)
        found = PhotoFace(
            problem="", box=face.box, quality=face.quality, vector=face.vector, model=finder.name
        )
        with worker.tenant(library.user_id, effect="test.enrol") as tx:
            enrolment.apply(tx, library.user_id, person_id, photo_id, found)
    return person_id


def _play(
    worker: Database, library: Library, finder: FaceFinder, *, noise: float, seed: int
) -> Cast:
    """A video of people and strangers, processed after the people were enrolled."""
    rng = np.random.default_rng(seed)
    looks = _looks(rng)
    video_id, scenes = library.add_video(scenes=_FRAMES // 4)
    cast = Cast(
        video_id=video_id,
        people=[_enrol(worker, library, finder, look) for look in looks[:_PEOPLE]],
    )
    sampled = []
    for place in range(_FRAMES):
        who = rng.choice(len(looks), size=int(rng.integers(1, 4)), replace=False).tolist()
        cells = rng.choice(np.arange(0, 220, 3), size=len(who), replace=False)
        pixels = _drawn([_seen(rng, looks[each], noise=noise) for each in who], cells)
        sampled.append(frame(pixels, scene=place // 4, time_ms=place * 2_500 + 100))
        cast.true |= {(cast.people[each], scenes[place // 4]) for each in who if each < _PEOPLE}
    faces = faces_detect.run(
        vision_sample_frames=frames(*sampled),
        models=_Models(finder),
        consent=True,
        progress=lambda _: None,
    )
    with worker.tenant(library.user_id, effect="test.commit") as tx:
        sightings.replace_video(
            tx,
            user_id=library.user_id,
            video_id=video_id,
            faces=faces.observations,
            model=faces.model,
        )
    return cast


@pytest.mark.parametrize(
    ("noise", "accepts", "rejects"),
    [pytest.param(0.5, 0.03, 0.05, id="clear"), pytest.param(2.0, 0.35, 0.7, id="overlapping")],
)
def test_people_are_recognised_as_brute_force_would(
    database: TestDatabase,
    worker_database: Database,
    finder: FaceFinder,
    noise: float,
    accepts: float,
    rejects: float,
    record_property: Callable[[str, object], None],
) -> None:
    """Equal to brute force; false accepts and rejects are counted, few where faces are clear."""
    library = Library(database=database).create()
    cast = _play(worker_database, library, finder, noise=noise, seed=7)
    thresholds = of_model(finder.name)
    assert thresholds is not None
    found = library.appearances()
    expected = BruteForce(database, library.user_id, thresholds).appearances()
    assert_same(found, expected)
    false_accepts = len(found.keys() - cast.true)
    false_rejects = len(cast.true - found.keys())
    record_property("false_accepts", f"{false_accepts} of {len(found)}")
    record_property("false_rejects", f"{false_rejects} of {len(cast.true)}")
    assert false_accepts <= accepts * len(found)
    assert false_rejects <= rejects * len(cast.true)
    # Where faces overlap, mistakes are made; a test without any would prove nothing.
    assert noise < 1 or false_accepts + false_rejects > 0


def test_a_recogniser_without_licence_matches_nobody(tmp_path: Path) -> None:
    """AdaFace is refused before any file is read, unless the operator says they hold a licence."""
    missing = tmp_path / "missing.onnx"
    with pytest.raises(ConfigError, match="not cleared"):
        open_faces(missing, missing, AdaFace, device=Device(kind="cpu"), licensed=False)
    with pytest.raises(ConfigError, match="not in"):
        open_faces(missing, missing, AdaFace, device=Device(kind="cpu"), licensed=True)


def test_faces_of_a_recogniser_that_nobody_measured_are_nobody(
    database: TestDatabase, worker_database: Database
) -> None:
    """Without thresholds there is no matching and no clustering, and no error either."""
    library = Library(database=database).create()
    video_id, _ = library.add_video()
    face = FaceObservation(
        scene_ordinal=0,
        time_ms=100,
        box=(0.1, 0.1, 0.2, 0.2),
        quality=0.9,
        vector=np.full(512, 512**-0.5, dtype=np.float32),
    )
    with worker_database.tenant(library.user_id, effect="test.commit") as tx:
        sightings.replace_video(
            tx, user_id=library.user_id, video_id=video_id, faces=[face], model="yunet+unheard-of"
        )
    assert not library.appearances()
    (row,) = database.owner_rows("SELECT count(*) FROM face_clusters")
    assert row[0] == 0
