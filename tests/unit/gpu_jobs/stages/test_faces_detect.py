"""Frames to observations of faces."""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common import log
from common.artifacts import decode, encode
from common.domain import Faces, Frame, SampledFrames
from common.errors import ContractError, PermanentError
from gpu_jobs.models import FaceModel, FoundFace, OfflineModels, Portrait
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_alignment import align
from gpu_jobs.models.face_detector import YuNet
from gpu_jobs.models.face_recognisers import SFace
from gpu_jobs.models.faces import FaceFinder
from gpu_jobs.models.jpeg import pixels
from gpu_jobs.stages import faces_detect
from tests.checkpoints import faces as checkpoints
from tests.unit.gpu_jobs.stages.examples import frame, frames

_CELL = checkpoints.CELL_PX


class WithFaces(OfflineModels):
    """The offline profile with a face model."""

    def __init__(self, faces: FaceModel) -> None:
        self.faces = faces


class Told:
    """Finds what it is told for each picture in turn."""

    name = "told"

    def __init__(self, *each: tuple[FoundFace, ...]) -> None:
        self._each = iter(each)

    def find(self, picture: npt.NDArray[np.uint8]) -> tuple[FoundFace, ...]:
        """The next."""
        assert picture.ndim == 3
        return next(self._each)

    def portraits(self, picture: npt.NDArray[np.uint8]) -> tuple[Portrait, ...]:
        """Nobody asks for them here."""
        raise NotImplementedError


def face(side: float, *, x: float = 0.1) -> FoundFace:
    """A square face."""
    vector = np.zeros(512, dtype=np.float32)
    vector[round(side * 100)] = 1.0
    return FoundFace(box=(x, 0.1, side, side), quality=side, vector=vector)


def real_finder(directory: Path) -> FaceFinder:
    """Of red squares, with random weights."""
    detector = YuNet(checkpoints.detector(directory))
    recogniser = checkpoints.recogniser(directory, dimensions=128, batch=1)
    return FaceFinder(detector, SFace(recogniser, Device(kind="cpu")))


def shown(*cells: tuple[int, int], scene: int = 0, time_ms: int = 0) -> Frame:
    """A frame with faces in cells."""
    return frame(checkpoints.picture(640, 352, *cells), scene=scene, time_ms=time_ms)


def run(sampled: SampledFrames, model: FaceModel) -> Faces:
    """The stage, when nobody listens to its progress."""
    return faces_detect.run(
        vision_sample_frames=sampled,
        models=WithFaces(model),
        consent=True,
        progress=lambda _: None,
    )


def test_every_frame_is_looked_at(tmp_path: Path) -> None:
    """Each face of each frame is an observation with the frame's own scene and time."""
    sampled = frames(
        shown((3, 2), time_ms=120),
        shown(time_ms=1_480),
        shown((10, 7), (3, 2), time_ms=2_910),
        shown((5, 5), scene=1, time_ms=4_000),
    )
    faces = run(sampled, real_finder(tmp_path))
    assert faces.model == "yunet+sface"
    assert faces.note == ""
    assert [(f.scene_ordinal, f.time_ms) for f in faces.observations] == [
        (0, 120),
        (0, 2_910),
        (0, 2_910),
        (1, 4_000),
    ]
    middles = [(f.box[0] + f.box[2] / 2, f.box[1] + f.box[3] / 2) for f in faces.observations]
    cells = sorted((round(x * 640 / _CELL - 0.5), round(y * 352 / _CELL - 0.5)) for x, y in middles)
    assert cells == [(3, 2), (3, 2), (5, 5), (10, 7)]
    for found in faces.observations:
        assert 0 < found.quality < 1
        assert found.vector.shape == (512,)
        assert float(np.linalg.norm(found.vector)) == pytest.approx(1, abs=1e-5)


def test_order_is_by_time_then_size() -> None:
    """Observations are ordered by time, largest first, whatever order they come in."""
    sampled = frames(shown(time_ms=900), shown(time_ms=100))
    # Frames are looked at in the order of their times.
    model = Told((face(0.2), face(0.3), face(0.1)), (face(0.5), face(0.6)))
    found = run(sampled, model).observations
    assert [(f.time_ms, f.box[2]) for f in found] == [
        (100, 0.3),
        (100, 0.2),
        (100, 0.1),
        (900, 0.6),
        (900, 0.5),
    ]
    for observation in found:
        assert observation.quality == observation.box[2]
        assert int(observation.vector.argmax()) == round(observation.box[2] * 100)


def test_a_crowd_is_cut_off() -> None:
    """Of a crowd the 20 largest faces are kept, in every frame anew."""
    crowd = tuple(face(0.01 * (place + 1)) for place in range(30))
    found = run(frames(shown(time_ms=0), shown(time_ms=10)), Told(crowd, crowd)).observations
    assert len(found) == 40
    assert min(f.box[2] for f in found) == pytest.approx(0.11)


def test_two_faces_are_never_one() -> None:
    """Faces that look the same, in one frame, stay two."""
    found = run(frames(shown()), Told((face(0.2), face(0.2, x=0.6)))).observations
    assert [f.box[0] for f in found] == [0.1, 0.6]


def test_progress_is_told(tmp_path: Path) -> None:
    """Progress rises with every frame, to 1."""
    told: list[float] = []
    faces_detect.run(
        vision_sample_frames=frames(shown(), shown((3, 2)), shown(), shown()),
        models=WithFaces(real_finder(tmp_path)),
        consent=True,
        progress=told.append,
    )
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_without_a_model_the_record_says_why() -> None:
    """Without a face model there are no observations, and a note."""
    faces = faces_detect.run(
        vision_sample_frames=frames(shown((3, 2))),
        models=OfflineModels(),
        consent=True,
        progress=lambda _: None,
    )
    assert faces == Faces(observations=(), model="", note="profile_has_no_face_model")


def test_without_consent_no_frame_is_looked_at() -> None:
    """Without consent the model is not asked; the record says why there is nothing."""
    faces = faces_detect.run(
        vision_sample_frames=frames(shown((3, 2))),
        models=WithFaces(Told()),
        consent=False,
        progress=lambda _: None,
    )
    assert faces == Faces(observations=(), model="", note="faces_not_allowed")


def test_no_frames_give_no_faces() -> None:
    """A video without frames was searched, by a model, and has none."""
    assert run(frames(), Told()) == Faces(observations=(), model="told")


def test_a_damaged_frame_is_a_contract_error() -> None:
    """Bytes that are not a JPEG mean a corrupt artifact."""
    with pytest.raises(ContractError, match="artifact_corrupt"):
        run(frames(replace(shown(), jpeg=b"\x89PNG")), Told())


def test_the_artifact_keeps_everything(tmp_path: Path) -> None:
    """What the stage found comes back from its artifact."""
    faces = run(frames(shown((3, 2), time_ms=7)), real_finder(tmp_path))
    again = decode(Faces, encode(faces))
    assert len(again.observations) == len(faces.observations) == 1
    (before,), (after,) = faces.observations, again.observations
    assert (after.box, after.quality, after.time_ms) == (before.box, before.quality, before.time_ms)
    np.testing.assert_array_equal(after.vector, before.vector)


def leaks(text: str, vector: npt.NDArray[np.float32], crop: npt.NDArray[np.uint8]) -> bool:
    """Whether a text shows numbers of a vector, or pixels of a crop in any usual form."""
    numbers = [float(each) for each in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)]
    large = vector[np.abs(vector) > 0.01].astype(float)
    if any(np.abs(large - number).min() < 5e-5 for number in numbers):
        return True
    row = crop[crop.shape[0] // 2].tobytes()[:48]
    forms = (
        repr(row)[2:-1],
        row.hex(),
        base64.b64encode(row).decode(),
        str(crop[crop.shape[0] // 2, :3].tolist())[1:-1],
    )
    return any(form in text for form in forms)


@pytest.mark.parametrize("form", ["repr", "list", "bytes", "array", "base64"])
def test_leaks_would_be_seen(form: str) -> None:
    """The net that the next test holds under the logs does catch a vector and a crop."""
    vector = np.random.default_rng(1).normal(0, 0.04, 512).astype(np.float32)
    crop = np.random.default_rng(2).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    seen = {
        "repr": f"face {vector!r}",
        "list": f"face {vector.tolist()}",
        "bytes": f"crop {crop.tobytes()!r}",
        "array": f"crop {crop.tolist()}",
        "base64": f"crop {base64.b64encode(crop.tobytes()).decode()}",
    }[form]
    if form == "base64":
        # The row in the middle starts at a multiple of three bytes.
        assert (crop.shape[0] // 2 * crop[0].nbytes) % 3 == 0
    assert leaks(seen, vector, crop)
    assert not leaks("face at 12:00:01.500 in 0.731 s, 3 observations", vector, crop)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where our log goes; the former set-up comes back afterwards."""
    root, own, google = map(logging.getLogger, ("", "heimdex", "google"))
    before = (list(root.handlers), root.level, own.level, google.level, google.propagate)
    stream = io.StringIO()
    log.configure("test", level="DEBUG", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])
    google.setLevel(before[3])
    google.propagate = before[4]


def test_vectors_and_crops_never_reach_a_log(
    tmp_path: Path,
    lines: io.StringIO,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """All that is logged and printed while the stage runs, and its results when printed, is clean.

    Also when the model fails, and says in its own words what it was given.
    """
    caplog.set_level(logging.DEBUG)
    model = real_finder(tmp_path)
    sampled = frames(shown((3, 2), time_ms=7))
    (found,) = run(sampled, model).observations
    picture = pixels(sampled.frames[0].jpeg)
    (detection,) = model._detector.detect(picture)
    crop = align(picture, detection.landmarks)

    class Talkative:
        def run(self, _outputs: Any, inputs: Any) -> Any:
            (blob,) = inputs.values()
            raise ValueError(f"cannot see {crop.tolist()} {blob.tobytes()!r} {found.vector!r}")

    model._recogniser._session = Talkative()  # type: ignore[attr-defined]  # of SFace
    with pytest.raises(PermanentError, match="stage_failed: sface: ValueError") as failure:
        run(sampled, model)
    log.event("run.failed", error=failure.value)
    log.event("faces.detected", faces=Faces(observations=(found,), model="m"), face=found)
    logging.getLogger("any").warning("%r %r", found, Faces(observations=(found,), model="m"))
    out, err = capfd.readouterr()
    texts = (lines.getvalue(), caplog.text, out, err, str(failure.value), repr(found))
    assert "run.failed" in lines.getvalue()
    for text in texts:
        assert not leaks(text, found.vector, crop)
    assert "vector" not in repr(found)
