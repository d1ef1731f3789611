"""What a photo is refused for; and with the real detector, where its file is at hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from common.domain import Photo, PhotoFace
from gpu_jobs.models import OfflineModels, Portrait
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_detector import YuNet
from gpu_jobs.models.face_recognisers import SFace
from gpu_jobs.models.faces import FaceFinder
from gpu_jobs.stages import photo_embed
from gpu_jobs.stages.photo_embed import problem_of
from tests import portraits
from tests.checkpoints import faces as checkpoints
from tests.people import encoded

GOOD = Portrait(
    box=(0.2, 0.2, 0.4, 0.4),
    score=0.93,
    side_px=200.0,
    eyes_px=80.0,
    sharpness=300.0,
    frontality=0.8,
    quality=0.9,
    vector=np.ones(512, np.float32),
)


def like(**changes: float) -> Portrait:
    """A good portrait but for something."""
    return dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]  # floats all


@pytest.mark.parametrize(
    ("faces", "problem"),
    [
        ((GOOD,), ""),
        ((), "face_not_found"),
        ((like(score=0.7),), "face_not_found"),
        ((GOOD, like(side_px=90)), "several_faces"),
        ((GOOD, like(side_px=40)), ""),
        ((GOOD, like(side_px=90, score=0.7)), ""),
        ((like(side_px=47),), "face_too_small"),
        ((like(eyes_px=15),), "face_too_small"),
        ((like(frontality=0.1),), "face_turned"),
        ((like(sharpness=15),), "face_blurred"),
    ],
)
def test_each_limit_has_its_code(faces: tuple[Portrait, ...], problem: str) -> None:
    """One fault, one code; what is unsure or small in the background does not count."""
    assert problem_of(faces) == problem


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> FaceFinder:
    """The real detector, and a recogniser with random weights."""
    if not portraits.YUNET.exists():
        pytest.skip("the detector's file is not at hand")
    made = checkpoints.recogniser(tmp_path_factory.mktemp("sface"), dimensions=128, batch=1)
    return FaceFinder(YuNet(portraits.YUNET), SFace(made, Device(kind="cpu")))


def looked_at(finder: FaceFinder, picture: npt.NDArray[np.uint8]) -> PhotoFace:
    """What the stage makes of a picture."""
    models = OfflineModels()
    models.faces = finder
    height, width = picture.shape[:2]
    photo = Photo(jpeg=encoded(picture), width_px=width, height_px=height)
    return photo_embed.run(photo_normalise=photo, models=models, consent=True)


def stripes() -> npt.NDArray[np.uint8]:
    """No face at all, though full of edges."""
    rng = np.random.default_rng(1)
    return np.repeat(rng.integers(0, 255, (600, 60, 3)), 10, axis=1).astype(np.uint8)


def test_the_real_detector_takes_a_good_photo(finder: FaceFinder) -> None:
    """A drawn face from the front is learned from, and its box is where it was drawn."""
    found = looked_at(finder, portraits.face())
    assert found.problem == ""
    assert found.box is not None
    x, y, width, height = found.box
    assert 0.15 < x < 0.3
    assert 0.1 < y < 0.3
    assert 0.4 < width < 0.65
    assert 0.6 < height < 0.85
    assert found.vector is not None
    assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=1e-5)


def test_the_real_detector_says_what_is_wrong(finder: FaceFinder) -> None:
    """Two people, a face far away, one out of focus, and none."""
    two = portraits.beside(portraits.face(500), portraits.face(400), width=1400, height=600)
    far = portraits.beside(portraits.face(80), width=900, height=600)
    problems = {
        "several_faces": two,
        "face_too_small": far,
        "face_blurred": portraits.face(400, blur_px=9),
        "face_not_found": stripes(),
    }
    assert {code: looked_at(finder, shown).problem for code, shown in problems.items()} == {
        code: code for code in problems
    }


def test_without_consent_or_model_nothing_is_looked_at(tmp_path: Path) -> None:
    """The photo is not even decoded."""
    unreadable = Photo(jpeg=b"not a JPEG", width_px=1, height_px=1)
    models = OfflineModels()
    found = photo_embed.run(photo_normalise=unreadable, models=models, consent=True)
    assert (found.problem, found.vector) == ("faces_unavailable", None)
    detector = YuNet(checkpoints.detector(tmp_path))
    recogniser = checkpoints.recogniser(tmp_path, dimensions=128, batch=1)
    models.faces = FaceFinder(detector, SFace(recogniser, Device(kind="cpu")))
    found = photo_embed.run(photo_normalise=unreadable, models=models, consent=False)
    assert (found.problem, found.vector) == ("faces_unavailable", None)
