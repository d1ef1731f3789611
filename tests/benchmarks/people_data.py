"""A tenant with many people and faces for the benchmark, and who each face truly is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from common.people import packed
from tests.conftest import TestDatabase
from tests.face_library import DIMENSIONS, MODEL, SCENE_MS, Library

#: A look's noise, against an identity of length 1: a face in a video and a person's photos have a
#: cosine of 0.46 ± 0.06, those of two people 0 ± 0.09, as any two directions in 128.
_VIDEO_NOISE, _PHOTO_NOISE = 1.8, 0.5
_PHOTOS = 2
_FRAME_MS = 2_500
_ROWS = 1_000

Vectors = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False)
class Tenant:
    """What is stored, also outside of Postgres."""

    library: Library
    people: list[UUID]
    photos: Vectors
    #: By face: number of the video, time, true person (-1 for a stranger), vector.
    videos: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]
    vectors: Vectors
    #: By video, in order.
    scenes: list[list[UUID]]


def fill(database: TestDatabase, *, people: int, faces: int, seed: int) -> Tenant:
    """Store a tenant: half of the faces are strangers', frames hold one to three faces."""
    rng = np.random.default_rng(seed)
    looks = _units(rng.normal(size=(2 * people, DIMENSIONS)))
    library = Library(database=database).create()
    who = _frames(rng, faces, 2 * people)
    per_video = max(min(1_000, faces // 5), 1)
    frame_of = np.concatenate([np.full(len(each), place) for place, each in enumerate(who)])
    truth = np.concatenate(who)[:faces]
    frames = frame_of[:faces]
    videos = frames // (per_video // 2)
    times = (frames % (per_video // 2)) * _FRAME_MS + 500
    noise = rng.normal(size=(faces, DIMENSIONS)) * _VIDEO_NOISE / DIMENSIONS**0.5
    photo_noise = rng.normal(size=(people, _PHOTOS, DIMENSIONS)) * _PHOTO_NOISE / DIMENSIONS**0.5
    tenant = Tenant(
        library=library,
        people=[library.add_person(f"person {place}") for place in range(people)],
        photos=_units(looks[:people, None] + photo_noise),
        videos=videos,
        times_ms=times,
        truth=np.where(truth < people, truth, -1),
        vectors=_units(looks[truth] + noise),
        scenes=[],
    )
    for video in range(int(videos.max()) + 1):
        last_ms = int(times[videos == video].max())
        video_id, scenes = library.add_video(scenes=last_ms // SCENE_MS + 1)
        tenant.scenes.append(scenes)
        _store(tenant, np.flatnonzero(videos == video), video_id)
    for person_id, photos in zip(tenant.people, tenant.photos, strict=True):
        for photo in photos:
            library.add_photo(person_id, photo)
    database.owner_rows("ANALYZE")
    return tenant


def _frames(rng: np.random.Generator, faces: int, looks: int) -> list[npt.NDArray[np.int64]]:
    """Who is in each frame."""
    found: list[npt.NDArray[np.int64]] = []
    count = 0
    while count < faces:
        found.append(rng.choice(looks, size=int(rng.integers(1, 4)), replace=False))
        count += len(found[-1])
    return found


def _units(vectors: npt.NDArray[np.float64]) -> Vectors:
    """As half precision keeps them."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray((vectors / lengths).astype(np.float16), dtype=np.float32)


def _store(tenant: Tenant, rows: npt.NDArray[np.int64], video_id: UUID) -> None:
    """The faces of a video; padded by Postgres, as text of so many zeros takes long to send."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        tenant.library.database.owner_rows(
            "INSERT INTO face_observations "
            "(user_id, id, video_id, time_ms, model, quality, box, vector) "
            "SELECT :user_id, r.id, :video_id, r.time_ms, :model, 0.8, '{0.1, 0.1, 0.2, 0.2}', "
            "CAST(r.vector AS halfvec(128)) || CAST(array_fill(0, ARRAY[384]) AS halfvec(384)) "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS bigint[]), CAST(:vectors AS text[])) "
            "AS r (id, time_ms, vector)",
            user_id=tenant.library.user_id,
            video_id=video_id,
            model=MODEL,
            ids=packed.array(uuid4() for _ in part),
            times=packed.array(tenant.times_ms[part].tolist()),
            vectors=[
                "[" + ",".join(f"{x:.4g}" for x in vector) + "]"
                for vector in tenant.vectors[part].tolist()
            ],
        )
