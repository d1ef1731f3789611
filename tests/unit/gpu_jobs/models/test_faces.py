"""Finding faces in pictures."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from common.errors import ConfigError
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_alignment import REFERENCE, align
from gpu_jobs.models.face_detector import Detection, YuNet, usable
from gpu_jobs.models.face_quality import quality
from gpu_jobs.models.face_recognisers import AdaFace, SFace
from gpu_jobs.models.faces import FaceFinder, open_faces
from tests.checkpoints import faces as checkpoints
from tests.checkpoints.faces import BOX_PX, CELL_PX, picture

_CPU = Device(kind="cpu")
_YUNET = (
    Path(__file__).parents[4].parent / "shared" / "models" / "face_detection_yunet_2026may.onnx"
)


def finder(directory: Path) -> FaceFinder:
    """Of red squares."""
    detector = checkpoints.detector(directory)
    recogniser = checkpoints.recogniser(directory, dimensions=128, batch=1)
    return open_faces(detector, recogniser, SFace, device=_CPU, licensed=False)


def good_face(width: int = 640, height: int = 360) -> Detection:
    """In the middle of a picture, twice as large as a crop."""
    middle = np.array([width / 2, height / 2])
    landmarks = 2 * (REFERENCE - REFERENCE.mean(axis=0)) + middle
    x, y = middle - 100
    return Detection(box=(x, y, 200.0, 200.0), landmarks=landmarks, score=0.9)


def portrait() -> npt.NDArray[np.uint8]:
    """Eileen Collins, 512 x 512; a picture of NASA, in the public domain."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image, which ships a portrait, is not installed")
    file = Path(spec.origin).parent / "data" / "astronaut.png"
    return np.asarray(Image.open(file).convert("RGB"))


def yunet() -> YuNet:
    """The real detector."""
    if not _YUNET.exists():
        pytest.skip(f"{_YUNET.name} is not there")
    return YuNet(_YUNET)


def test_faces_are_where_they_are(tmp_path: Path) -> None:
    """Detections have the place, size, landmarks and score of what is in the picture."""
    found = YuNet(checkpoints.detector(tmp_path)).detect(picture(640, 360, (3, 2), (10, 7)))
    assert len(found) == 2
    for face, (column, row) in zip(found, [(3, 2), (10, 7)], strict=True):
        middle = np.array([(column + 0.5) * CELL_PX, (row + 0.5) * CELL_PX])
        assert face.box == pytest.approx((*(middle - BOX_PX / 2), BOX_PX, BOX_PX), abs=0.01)
        corner = np.array([column, row]) * CELL_PX
        np.testing.assert_allclose(face.landmarks, corner + REFERENCE / 112 * CELL_PX, atol=0.01)
        assert 0.5 <= face.score <= 1


def test_the_detector_is_given_bgr(tmp_path: Path) -> None:
    """Pictures are RGB and the model is not: red squares are found, blue ones are not."""
    detector = YuNet(checkpoints.detector(tmp_path))
    red = picture(320, 320, (3, 3))
    assert len(detector.detect(red)) == 1
    assert detector.detect(np.ascontiguousarray(red[:, :, ::-1])) == ()


def test_large_pictures_are_searched_small(tmp_path: Path) -> None:
    """A picture is looked at with 640 px, and what is found is scaled back to its own pixels."""
    large = picture(2_560, 1_440, (3, 2), cell_px=4 * CELL_PX)
    (face,) = YuNet(checkpoints.detector(tmp_path)).detect(large)
    assert face.box == pytest.approx(
        (3.5 * 128 - 80, 2.5 * 128 - 80, 4 * BOX_PX, 4 * BOX_PX), abs=0.1
    )
    expected = np.array([3, 2]) * 128 + REFERENCE / 112 * 128
    np.testing.assert_allclose(face.landmarks, expected, atol=0.1)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (2_000, 3), (31, 33)])
def test_odd_pictures_have_no_faces(tmp_path: Path, size: tuple[int, int]) -> None:
    """Tiny and extremely narrow pictures are searched without an error."""
    assert finder(tmp_path).find(picture(*size)) == ()


def test_a_face_of_the_finder_is_whole(tmp_path: Path) -> None:
    """A found face has its box as fractions, and quality and vector of its own aligned crop."""
    shown = picture(640, 352, (3, 2))
    (face,) = finder(tmp_path).find(shown)
    x, y, width, height = 92 / 640, 60 / 352, 40 / 640, 40 / 352
    assert face.box == pytest.approx((x, y, width, height), abs=1e-4)
    (detection,) = YuNet(checkpoints.detector(tmp_path)).detect(shown)
    crop = align(shown, detection.landmarks)
    recogniser = SFace(checkpoints.recogniser(tmp_path, dimensions=128, batch=1), _CPU)
    np.testing.assert_allclose(face.vector, recogniser.embed(crop[None])[0], atol=1e-6)
    assert face.quality == quality(score=detection.score, landmarks=detection.landmarks, crop=crop)


class Given:
    """A detector that says what it is told."""

    name = "given"

    def __init__(self, *faces: Detection) -> None:
        self._faces = faces

    def detect(self, picture: npt.NDArray[np.uint8]) -> tuple[Detection, ...]:
        """The same for every picture."""
        return self._faces


def test_faces_come_largest_first(tmp_path: Path) -> None:
    """Order is by size, not by score; two faces are two, however alike."""
    small, large = good_face(), good_face()
    small = replace(small, box=(10.0, 10.0, 30.0, 30.0), score=0.99)
    recogniser = SFace(checkpoints.recogniser(tmp_path, dimensions=128), _CPU)
    found = FaceFinder(Given(small, large), recogniser).find(picture(640, 360, (1, 1)))
    assert [face.box[2] for face in found] == [round(200 / 640, 4), round(30 / 640, 4)]
    np.testing.assert_allclose(found[0].vector, found[1].vector, atol=1e-6)
    assert FaceFinder(Given(small), recogniser).name == "given+sface"


def test_only_usable_faces_are_found(tmp_path: Path) -> None:
    """The finder leaves out what is not usable, and asks the recogniser for nothing else."""
    asked: list[int] = []

    class Counting(SFace):
        def embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            asked.append(len(crops))
            return super().embed(crops)

    recogniser = Counting(checkpoints.recogniser(tmp_path, dimensions=128), _CPU)
    unsure = replace(good_face(), score=0.55)
    found = FaceFinder(Given(unsure, good_face(), unsure), recogniser).find(picture(640, 360))
    assert len(found) == 1
    assert FaceFinder(Given(unsure), recogniser).find(picture(640, 360)) == ()
    assert asked == [1]


def test_boxes_end_at_the_edge() -> None:
    """The part of a face outside of the picture does not count."""
    face = replace(good_face(), box=(-20.0, 340.0, 100.0, 50.0))
    assert face.fractions(width=640, height=360) == (0.0, 0.9444, 0.125, 0.0556)


def test_a_good_face_is_kept() -> None:
    """A sure, large, frontal face is usable, also when it is tilted or turned by half."""
    face = good_face()
    assert usable(face, width=640, height=360)
    upside_down = 2 * np.array([320, 180]) - face.landmarks
    assert usable(replace(face, landmarks=upside_down), width=640, height=360)
    narrow = (face.landmarks - 300) * np.array([0.6, 1]) + 300
    assert usable(replace(face, landmarks=narrow), width=640, height=360)


@pytest.mark.parametrize(
    "change",
    [
        {"score": 0.59},
        {"score": float("nan")},
        {"box": (220.0, 80.0, 23.0, 200.0)},
        {"box": (220.0, 80.0, 200.0, 23.0)},
        {"box": (-150.0, 80.0, 200.0, 200.0)},
        {"box": (220.0, 300.0, 200.0, 200.0)},
        {"box": (220.0, float("inf"), 200.0, 200.0)},
        {"landmarks": good_face().landmarks[[1, 0, 2, 4, 3]]},
        {"landmarks": good_face().landmarks[[2, 0, 4, 1, 3]]},
        {"landmarks": np.zeros((5, 2))},
        {"landmarks": good_face().landmarks / 10},
        {"landmarks": np.full((5, 2), np.nan)},
    ],
    ids=[
        "unsure",
        "no score",
        "narrow",
        "flat",
        "beyond the left edge",
        "below the bottom edge",
        "infinite",
        "mirrored",
        "scrambled",
        "in one point",
        "eyes too near",
        "no landmarks",
    ],
)
def test_what_could_be_anything_is_dropped(change: dict[str, object]) -> None:
    """Unsure, small, cut off and disordered detections are no faces."""
    face = replace(good_face(), **change)  # type: ignore[arg-type]  # names of its fields
    assert not usable(face, width=640, height=360)


def test_faces_far_away_are_dropped() -> None:
    """What is large enough in pixels is still dropped where it is a speck in a huge picture."""
    face = replace(good_face(), box=(300.0, 160.0, 30.0, 30.0))
    assert usable(face, width=640, height=360)
    assert not usable(face, width=3_840, height=2_160)


def test_the_gate_is_asked_first(tmp_path: Path) -> None:
    """A recogniser without a licence is refused before a file is looked for."""
    nowhere = tmp_path / "none.onnx"
    with pytest.raises(ConfigError, match="not cleared"):
        open_faces(nowhere, nowhere, AdaFace, device=_CPU, licensed=False)
    with pytest.raises(ConfigError, match="run make models"):
        open_faces(nowhere, nowhere, AdaFace, device=_CPU, licensed=True)
    detector = checkpoints.detector(tmp_path)
    recogniser = checkpoints.recogniser(tmp_path, dimensions=512)
    own = open_faces(detector, recogniser, AdaFace, device=_CPU, licensed=True)
    assert own.name == "yunet+adaface"


def test_a_wrong_detector_is_refused(tmp_path: Path) -> None:
    """A missing, damaged or other file is refused when it is loaded, with what to do."""
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    other = checkpoints.recogniser(tmp_path, dimensions=128)
    for file in (tmp_path / "missing.onnx", damaged, other):
        with pytest.raises(ConfigError, match="run make models"):
            YuNet(file)


def test_vectors_are_not_printed(tmp_path: Path) -> None:
    """Neither a face nor a detection shows its numbers when it is printed."""
    shown = picture(640, 352, (3, 2))
    (face,) = finder(tmp_path).find(shown)
    assert "vector" not in repr(face)
    assert "array" not in repr(face)
    (detection,) = YuNet(checkpoints.detector(tmp_path)).detect(shown)
    assert "landmarks" not in repr(detection)


def test_the_real_detector_equals_opencv() -> None:
    """With the real YuNet our detections are those of OpenCV on its own channel order."""
    detector = yunet()
    shown = portrait()
    theirs = cv2.FaceDetectorYN.create(str(_YUNET), "", (512, 512), 0.5, 0.3, 500)
    _, (row,) = theirs.detect(np.ascontiguousarray(shown[:, :, ::-1]))
    (face,) = detector.detect(shown)
    np.testing.assert_allclose(face.box, row[:4], atol=1e-3)
    np.testing.assert_allclose(face.landmarks.ravel(), row[4:14], atol=1e-3)
    assert face.score == pytest.approx(float(row[14]), abs=1e-6)


def test_the_real_detector_finds_a_portrait() -> None:
    """The real YuNet finds the one face of a portrait, large and half as large, in one place."""
    detector = yunet()
    shown = portrait()
    boxes = []
    for size in (1_280, 512, 256):
        scaled = cv2.resize(shown, (size, size), interpolation=cv2.INTER_AREA)
        resized = np.asarray(scaled, dtype=np.uint8)
        (face,) = detector.detect(resized)
        assert usable(face, width=size, height=size)
        boxes.append(face.fractions(width=size, height=size))
        crop = align(resized, face.landmarks)
        assert quality(score=face.score, landmarks=face.landmarks, crop=crop) > 0.5
    np.testing.assert_allclose(boxes, [boxes[0]] * 3, atol=0.02)
    x, y, width, height = boxes[0]
    assert x < 224 / 512 < x + width
    assert y < 120 / 512 < y + height


def test_the_real_detector_finds_no_face_in_noise() -> None:
    """The real YuNet finds nothing to keep in noise, colour and stripes."""
    detector = yunet()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (360, 640, 3)).astype(np.uint8)
    flat = np.full((360, 640, 3), (90, 140, 60), np.uint8)
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 8), 40)[None, :, None]
    for shown in (noise, flat, np.ascontiguousarray(np.broadcast_to(stripes, (360, 640, 3)))):
        assert not [f for f in detector.detect(shown) if usable(f, width=640, height=360)]
