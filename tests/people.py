"""People and their photos for tests: rows as the API makes them, faces as red squares."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
from PIL import Image

from common.database import Database
from common.domain import PhotoRef
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.uploads import Arrival, StoredObject
from common.people.consent import POLICY_VERSION
from gpu_jobs.models import OfflineModels
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_detector import YuNet
from gpu_jobs.models.face_recognisers import SFace
from gpu_jobs.models.faces import FaceFinder
from tests.checkpoints import faces as checkpoints
from tests.conftest import TestDatabase
from tests.fakes import FileStore
from tests.tiny_pipeline import UPLOADS, Rig

#: Of a photo's faces: large enough to be learned from.
CELL_PX = 2 * checkpoints.CELL_PX
WIDTH_PX, HEIGHT_PX = 1280, 704


def finder(directory: Path, *, seed: int = 0) -> FaceFinder:
    """Of red squares, with random weights."""
    detector = YuNet(checkpoints.detector(directory))
    recogniser = checkpoints.recogniser(directory, dimensions=128, batch=1, seed=seed)
    return FaceFinder(detector, SFace(recogniser, Device(kind="cpu")))


class FaceModels(OfflineModels):
    """The offline profile with a face model.

    Args:
        directory: for the models' files.
    """

    faces_note = ""
    note = "face models"

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.faces = finder(directory)


def portrait(*cells: tuple[int, int], cell_px: int = CELL_PX) -> npt.NDArray[np.uint8]:
    """A photo with a sharp face in each of the cells; by default in one."""
    pixels = np.zeros((HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    pixels[:, :, 1] = 200
    for column, row in cells or ((4, 3),):
        rng = np.random.default_rng(1_000 * column + row)
        square = np.full((cell_px, cell_px, 3), (255, 0, 0), dtype=np.uint8)
        square[:, :, 1] = rng.integers(0, 60, (cell_px, cell_px))
        top, left = row * cell_px, column * cell_px
        pixels[top : top + cell_px, left : left + cell_px] = square
    return pixels


def encoded(picture: npt.NDArray[np.uint8], kind: str = "JPEG", **options: Any) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **{"quality": 95} | options)
    return buffer.getvalue()


@dataclass(kw_only=True)
class Album:
    """A user's people, made as the API makes them, and their photos, sent as clients do."""

    database: TestDatabase
    ingest: Database
    rig: Rig
    user_id: UUID
    photos: Photos = field(init=False)

    def __post_init__(self) -> None:
        self.photos = Photos(self.ingest, grace_s=60.0)

    @property
    def store(self) -> FileStore:
        """All objects."""
        return self.rig.store

    def consent(self) -> None:
        """The user agrees to faces being looked for."""
        self.database.owner_rows(
            "INSERT INTO face_consents (user_id, id, policy_version) VALUES (:u, :i, :v)",
            u=self.user_id,
            i=uuid4(),
            v=POLICY_VERSION,
        )

    def person(self, name: str = "민지") -> UUID:
        """A person who agrees."""
        person_id = uuid4()
        self.database.owner_rows(
            "INSERT INTO people (user_id, id, name, consent_policy_version, consent_at) "
            "VALUES (:u, :i, :n, :v, now())",
            u=self.user_id,
            i=person_id,
            n=name,
            v=POLICY_VERSION,
        )
        return person_id

    def declare(self, person_id: UUID, data: bytes) -> PhotoRef:
        """A photo that waits for its file."""
        photo = PhotoRef(person_id=person_id, photo_id=uuid4())
        self.database.owner_rows(
            "INSERT INTO person_photos (user_id, id, person_id, object_name, content_type, "
            "size_bytes, expires_at) VALUES (:u, :i, :p, :n, 'image/jpeg', :s, "
            "now() + interval '10 min')",
            u=self.user_id,
            i=photo.photo_id,
            p=person_id,
            n=self.name(photo),
            s=len(data),
        )
        return photo

    def send(self, photo: PhotoRef, data: bytes) -> Arrival:
        """The file arrives, and its run is rung for."""
        info = self.store.put(UPLOADS, self.name(photo), data, "image/jpeg")
        stored = StoredObject(
            name=info.name,
            generation=info.generation,
            size_bytes=info.size_bytes,
            content_type=info.content_type,
            crc32c=info.crc32c,
        )
        arrival = self.photos.finalize(self.user_id, photo, stored)
        Outbox(self.ingest, self.rig.bus).publish(self.user_id, arrival.message_ids)
        return arrival

    def add(self, person_id: UUID, data: bytes) -> PhotoRef:
        """Declare and send a photo."""
        photo = self.declare(person_id, data)
        self.send(photo, data)
        return photo

    def name(self, photo: PhotoRef) -> str:
        """Of the photo's object."""
        return f"faces/{self.user_id}/{photo.person_id}/{photo.photo_id}"

    def row(self, photo: PhotoRef) -> Any:
        """The photo as it is; None if it is deleted."""
        rows = self.database.owner_rows(
            "SELECT * FROM person_photos WHERE id = :i", i=photo.photo_id
        )
        return rows[0] if rows else None

    def outcome(self, photo: PhotoRef) -> tuple[str, str | None]:
        """State and problem of a photo."""
        row = self.row(photo)
        return row.state, row.problem

    def count(self, table: str) -> int:
        """Rows in a table."""
        (row,) = self.database.owner_rows(f"SELECT count(*) FROM {table}")
        return int(str(row[0]))
