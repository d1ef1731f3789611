"""People, faces and scenes for tests, as rows: what the pipeline and the API leave behind.

Identities are directions in the recogniser's space; a face is its identity with noise. With enough
noise identities overlap, so that mistakes are possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from common.people import packed
from tests.conftest import TestDatabase

MODEL = "yunet+sface"
#: Of the recogniser's own vectors.
DIMENSIONS = 128
#: All scenes of a video are as long.
SCENE_MS = 10_000

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """A face in a frame."""

    video_id: UUID
    time_ms: int
    vector: Vector
    quality: float = 0.8
    box: tuple[float, float, float, float] = (0.1, 0.1, 0.25, 0.25)
    observation_id: UUID = field(default_factory=uuid4)


def unit(vector: npt.NDArray[np.floating]) -> Vector:
    """Of length 1, as half precision keeps it."""
    return (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)


def identities(rng: np.random.Generator, count: int, *, spread: float = 1.0) -> list[Vector]:
    """Directions of different people; below 1 they crowd together."""
    common = rng.normal(size=DIMENSIONS)
    return [
        unit(spread * rng.normal(size=DIMENSIONS) + (1 - spread) * common) for _ in range(count)
    ]


def seen(rng: np.random.Generator, identity: Vector, *, noise: float) -> Vector:
    """One look at a face."""
    return unit(identity + noise * rng.normal(size=DIMENSIONS) / DIMENSIONS**0.5)


def drawn_id(rng: np.random.Generator) -> UUID:
    """An id that is the same in every run: equal votes are decided by ids."""
    return UUID(bytes=rng.bytes(16), version=4)


@dataclass(frozen=True, kw_only=True)
class Library:
    """One tenant's rows."""

    database: TestDatabase
    user_id: UUID = field(default_factory=uuid4)

    def create(self) -> Library:
        """The user, who agreed to have faces looked for."""
        self._run("INSERT INTO users (id, firebase_uid) VALUES (:user_id, CAST(:user_id AS text))")
        return self.consent()

    def consent(self) -> Library:
        """An existing user agrees to have faces looked for."""
        self._run(
            "INSERT INTO face_consents (user_id, id, policy_version) "
            "VALUES (:user_id, gen_random_uuid(), '1') "
            "ON CONFLICT (user_id) WHERE withdrawn_at IS NULL DO NOTHING"
        )
        return self

    def add_video(self, scenes: int = 3, *, version: str = "v1") -> tuple[UUID, list[UUID]]:
        """A video and its scenes."""
        video_id = uuid4()
        self._run(
            "INSERT INTO videos (user_id, id, title, state, scene_count, indexed_at) "
            "VALUES (:user_id, :video_id, 't', 'indexed', :scenes, now())",
            video_id=video_id,
            scenes=scenes,
        )
        return video_id, self.add_scenes(video_id, scenes, version=version)

    def add_scenes(
        self, video_id: UUID, scenes: int, *, version: str, scene_ms: int = SCENE_MS
    ) -> list[UUID]:
        """Scenes of one more index version."""
        ids = [uuid4() for _ in range(scenes)]
        self._run(
            "INSERT INTO scenes (user_id, id, video_id, index_version, ordinal, start_ms, end_ms, "
            "transcript, languages, screen_text, tags, best_frame_ms, transcript_length, "
            "screen_length) SELECT :user_id, id, :video_id, :version, place - 1, "
            "(place - 1) * :scene_ms, place * :scene_ms, '[]', '{}', '[]', '[]', 0, 0, 0 "
            "FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS r (id, place)",
            video_id=video_id,
            version=version,
            ids=packed.array(ids),
            scene_ms=scene_ms,
        )
        return ids

    def add_person(self, name: str, *, consent: bool = True, person_id: UUID | None = None) -> UUID:
        """A person, who agreed to have their face looked for."""
        person_id = person_id or uuid4()
        self._run(
            "INSERT INTO people (user_id, id, name, consent_policy_version, consent_at) "
            "VALUES (:user_id, :person_id, :name, "
            "CASE WHEN :consent THEN '1' END, CASE WHEN :consent THEN now() END)",
            person_id=person_id,
            name=name,
            consent=consent,
        )
        return person_id

    def declare_photo(self, person_id: UUID) -> UUID:
        """A photo that is being looked at."""
        photo_id = uuid4()
        self._run(
            "INSERT INTO person_photos (user_id, id, person_id, object_name, content_type, "
            "size_bytes, expires_at, state) VALUES (:user_id, :photo_id, :person_id, "
            "CAST(:photo_id AS text), 'image/jpeg', 1, now(), 'processing')",
            photo_id=photo_id,
            person_id=person_id,
        )
        return photo_id

    def add_photo(self, person_id: UUID, vector: Vector, *, model: str = MODEL) -> UUID:
        """An accepted photo and its face."""
        photo_id = uuid4()
        self._run(
            "INSERT INTO person_photos (user_id, id, person_id, object_name, content_type, "
            "size_bytes, expires_at, state, finalized_at) VALUES (:user_id, :photo_id, :person_id, "
            "CAST(:photo_id AS text), 'image/jpeg', 1, now(), 'accepted', now())",
            photo_id=photo_id,
            person_id=person_id,
        )
        self._run(
            "INSERT INTO photo_faces (user_id, photo_id, person_id, model, quality, box, vector) "
            "VALUES (:user_id, :photo_id, :person_id, :model, 0.9, '{0.1, 0.1, 0.5, 0.5}', "
            "CAST(:vector AS halfvec(512)))",
            photo_id=photo_id,
            person_id=person_id,
            model=model,
            vector=as_halfvec(vector),
        )
        return photo_id

    def add_faces(self, faces: Sequence[Face], *, model: str = MODEL) -> None:
        """Observations."""
        for start in range(0, len(faces), 500):
            part = faces[start : start + 500]
            self._run(
                "INSERT INTO face_observations "
                "(user_id, id, video_id, time_ms, model, quality, box, vector) "
                "SELECT :user_id, r.id, r.video_id, r.time_ms, :model, r.quality, "
                "CAST(r.box AS real[]), CAST(r.vector AS halfvec(512)) "
                "FROM unnest(CAST(:ids AS uuid[]), CAST(:videos AS uuid[]), "
                "CAST(:times AS bigint[]), CAST(:qualities AS real[]), CAST(:boxes AS text[]), "
                "CAST(:vectors AS text[])) AS r (id, video_id, time_ms, quality, box, vector)",
                model=model,
                ids=packed.array(face.observation_id for face in part),
                videos=packed.array(face.video_id for face in part),
                times=packed.array(face.time_ms for face in part),
                qualities=packed.array(face.quality for face in part),
                boxes=[packed.array(face.box) for face in part],
                vectors=[as_halfvec(face.vector) for face in part],
            )

    def add_cluster(self, faces: Sequence[Face], person_id: UUID | None = None) -> UUID:
        """A cluster of these faces, named or not."""
        cluster_id = uuid4()
        self._run(
            "INSERT INTO face_clusters (user_id, id, person_id) "
            "VALUES (:user_id, :cluster_id, :person_id)",
            cluster_id=cluster_id,
            person_id=person_id,
        )
        for face in faces:
            self._run(
                "INSERT INTO face_assignments (user_id, observation_id, cluster_id) "
                "VALUES (:user_id, :face, :cluster_id)",
                face=face.observation_id,
                cluster_id=cluster_id,
            )
        return cluster_id

    def deny(self, face: Face, person_id: UUID) -> None:
        """This is not them."""
        self._run(
            "INSERT INTO face_negatives (user_id, observation_id, person_id) "
            "VALUES (:user_id, :face, :person_id)",
            face=face.observation_id,
            person_id=person_id,
        )

    def assignments(self) -> dict[UUID, UUID]:
        """Face -> cluster."""
        rows = self.database.owner_rows(
            "SELECT * FROM face_assignments WHERE user_id = :user_id", user_id=self.user_id
        )
        return {row.observation_id: row.cluster_id for row in rows}

    def appearances(self) -> dict[tuple[UUID, UUID], tuple[float, int, int, int]]:
        """(person, scene) -> (confidence, first, last, best)."""
        rows = self.database.owner_rows(
            "SELECT * FROM scene_people WHERE user_id = :user_id", user_id=self.user_id
        )
        return {
            (row.person_id, row.scene_id): (row.confidence, row.first_ms, row.last_ms, row.best_ms)
            for row in rows
        }

    def _run(self, sql: str, **params: object) -> None:
        self.database.owner_rows(sql, user_id=self.user_id, **params)


def as_halfvec(vector: Vector) -> str:
    """As pgvector reads it, padded."""
    return "[" + ",".join(f"{x:.7g}" for x in np.pad(vector, (0, 512 - len(vector)))) + "]"
