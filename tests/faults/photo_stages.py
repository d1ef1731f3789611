"""The stages of a person's photo as stubs: the same names, lanes and needs, done in no time."""

from __future__ import annotations

from typing import Final

import numpy as np
import requests
from sqlalchemy import Connection

from common.domain import Media, Photo, PhotoFace
from common.people import enrolment
from gpu_jobs.stage import PhotoFacts, Pipeline, Stage
from tests.faults import stages

#: What a photo says for which the stage knocks at the harness's door before it goes on.
KNOCKS: Final = "knock"


def photo_normalise(media: Media) -> Photo:
    """The file as it is."""
    stages.misbehave("photo_normalise")
    return Photo(jpeg=media.path.read_bytes(), width_px=16, height_px=16)


def photo_embed(*, photo_normalise: Photo, consent: bool) -> PhotoFace:
    """A face that every photo shows."""
    stages.misbehave("photo_embed")
    said = photo_normalise.jpeg.decode()
    if said.startswith(KNOCKS):
        requests.post(said.split()[1], data=b"", timeout=20)
    vector = np.zeros(512, np.float32)
    vector[0] = 1.0
    return PhotoFace(
        problem="" if consent else "consent_required",
        box=(0.0, 0.0, 1.0, 1.0) if consent else None,
        quality=1.0,
        vector=vector if consent else None,
        model="yunet+sface",
    )


def _enrol(photo: PhotoFacts, face: PhotoFace, tx: Connection) -> None:
    enrolment.apply(tx, photo.user_id, photo.person_id, photo.photo_id, face)


PIPELINE: Final = Pipeline(
    (
        Stage(name="photo_normalise", lane="media", version=1, run=photo_normalise),
        Stage(name="photo_embed", lane="gpu", version=1, run=photo_embed, apply=_enrol),
    )
)
