"""How long a photo takes from its file to being matched in all videos, on the CPU."""

from __future__ import annotations

import resource
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from common.database import Database
from common.domain import Media, Photo, PhotoFace
from common.people import enrolment
from gpu_jobs import sandbox
from gpu_jobs.main import photo_limits
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_alignment import CROP_PX
from gpu_jobs.models.face_detector import YuNet
from gpu_jobs.models.face_recognisers import SFace
from gpu_jobs.models.faces import FaceFinder
from gpu_jobs.models.jpeg import pixels
from tests.benchmarks import people_data
from tests.checkpoints import faces as checkpoints
from tests.conftest import TestDatabase, settings
from tests.people import encoded, portrait

_YUNET: Final = (
    Path(__file__).parents[2].parent / "shared" / "models" / "face_detection_yunet_2026may.onnx"
)
#: A photo as phones take them.
_PHOTO_PX: Final = (3024, 4032)
_PEOPLE, _FACES = 20, 5_000


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What it took."""

    detector: str
    p50_s: float
    p95_s: float
    #: Of a photo, ours and the child's, without Postgres.
    cpu_s: float


def measure(database: TestDatabase, directory: Path, *, rounds: int) -> Enrolment:
    """Enrol photos, one after the other, in the library of an ordinary user.

    Args:
        database: a new one.
        directory: for files.
        rounds: how many photos.
    """
    tenant = people_data.fill(database, people=_PEOPLE, faces=_FACES, seed=2)
    finder, detector = _finder(directory)
    path = directory / "photo.jpg"
    path.write_bytes(_photo())
    media = Media(
        path=path,
        size_bytes=path.stat().st_size,
        content_type="image/jpeg",
        limits=photo_limits(settings()),
    )
    times = []
    cpu_started_at_s = _cpu_s()
    with closing(database.as_role("heimdex_worker")) as worker:
        for _ in range(rounds):
            person_id = tenant.library.add_person("new")
            photo_id = tenant.library.declare_photo(person_id)
            started_at = time.perf_counter()
            face = _face(media, finder)
            _apply(worker, tenant.library.user_id, person_id, photo_id, face)
            times.append(time.perf_counter() - started_at)
    return Enrolment(
        detector=detector,
        p50_s=float(np.median(times)),
        p95_s=float(np.percentile(times, 95)),
        cpu_s=(_cpu_s() - cpu_started_at_s) / rounds,
    )


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _face(media: Media, finder: FaceFinder) -> PhotoFace:
    """The child process decodes; the largest face is embedded.

    The real detector finds no face in drawn squares, and is timed all the same; the vector is then
    that of the whole photo's middle.
    """
    photo = sandbox.call(
        "gpu_jobs.stages.photo_normalise:run", media=media, inputs={}, result=Photo
    )
    picture = pixels(photo.jpeg)
    found = finder.find(picture)
    vector = found[0].vector if found else _middle(finder, picture)
    return PhotoFace(
        problem="", box=(0.3, 0.3, 0.4, 0.4), quality=0.9, vector=vector, model="yunet+sface"
    )


def _middle(finder: FaceFinder, picture: Any) -> Any:
    crop = picture[:CROP_PX, :CROP_PX]
    return finder._recogniser.embed(crop[None])[0]


def _apply(
    worker: Database, user_id: UUID, person_id: UUID, photo_id: UUID, face: PhotoFace
) -> None:
    with worker.tenant(user_id, effect="bench.enrol") as tx:
        enrolment.apply(tx, user_id, person_id, photo_id, face)


def _photo() -> bytes:
    """A large photo with one face for the tests' detector."""
    picture = portrait()
    height, width = _PHOTO_PX
    grown = np.repeat(np.repeat(picture, 5, axis=0), 3, axis=1)[:height, :width]
    return encoded(grown)


def _finder(directory: Path) -> tuple[FaceFinder, str]:
    real = _YUNET.is_file()
    detector = YuNet(_YUNET if real else checkpoints.detector(directory))
    recogniser = SFace(_sface_sized(directory), Device(kind="cpu"))
    return FaceFinder(detector, recogniser), "real YuNet" if real else "a detector of squares"


def _sface_sized(directory: Path) -> Path:
    """Random weights: 37 MB as SFace's file, and some 0.9 billion multiplications a face."""
    rng = np.random.default_rng(0)
    layers = [(3, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2)]
    layers += [(256, 256, 1)] * 4
    nodes, constants, given = [], [], "data"
    for place, (before, after, stride) in enumerate(layers):
        weights = rng.normal(0, (2 / (9 * before)) ** 0.5, (after, before, 3, 3))
        constants.append(numpy_helper.from_array(weights.astype(np.float32), f"w{place}"))
        nodes.append(
            helper.make_node(
                "Conv",
                [given, f"w{place}"],
                [f"c{place}"],
                strides=[stride, stride],
                pads=[1, 1, 1, 1],
                kernel_shape=[3, 3],
            )
        )
        nodes.append(helper.make_node("Relu", [f"c{place}"], [f"r{place}"]))
        given = f"r{place}"
    matrix = rng.normal(0, 0.01, (256 * 14 * 14, 128)).astype(np.float32)
    constants.append(numpy_helper.from_array(matrix, "matrix"))
    constants.append(numpy_helper.from_array(np.array([1, -1], dtype=np.int64), "flat"))
    nodes.append(helper.make_node("Reshape", [given, "flat"], ["row"]))
    nodes.append(helper.make_node("MatMul", ["row", "matrix"], ["fc1"]))
    graph = helper.make_graph(
        nodes,
        "sface-sized",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, CROP_PX, CROP_PX])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 128])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = directory / "sface-sized.onnx"
    onnx.save(model, str(path))
    return path
