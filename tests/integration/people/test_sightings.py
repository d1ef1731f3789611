"""Faces of a video: stored with consent alone, sorted, matched, kept when it runs again."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest

from common.database import Database
from common.domain import FaceObservation
from common.people import sightings
from common.people.decisions import Decisions
from tests.conftest import TestDatabase
from tests.face_library import MODEL, Library, Vector, identities, seen


@pytest.fixture
def library(database: TestDatabase) -> Library:
    """A tenant who consents."""
    return Library(database=database).create()


def _face(
    vector: Vector, time_ms: int, *, left: float = 0.1, quality: float = 0.9
) -> FaceObservation:
    return FaceObservation(
        scene_ordinal=time_ms // 10_000,
        time_ms=time_ms,
        box=(left, 0.1, 0.25, 0.25),
        quality=quality,
        vector=np.pad(vector, (0, 512 - len(vector))).astype(np.float32),
    )


def _process(
    worker: Database,
    library: Library,
    video_id: UUID,
    faces: Sequence[FaceObservation],
    *,
    model: str = MODEL,
) -> None:
    with worker.tenant(library.user_id, effect="test.process") as tx:
        sightings.replace_video(
            tx, user_id=library.user_id, video_id=video_id, faces=faces, model=model
        )


def _groups(library: Library) -> set[frozenset[UUID]]:
    rows = library.database.owner_rows(
        "SELECT array_agg(observation_id) AS faces FROM face_assignments "
        "WHERE user_id = :u GROUP BY cluster_id",
        u=library.user_id,
    )
    return {frozenset(row.faces) for row in rows}


def _count(library: Library, table: str) -> int:
    rows = library.database.owner_rows(
        f"SELECT count(*) FROM {table} WHERE user_id = :u", u=library.user_id
    )
    return int(rows[0][0])


def test_faces_are_sorted_over_all_videos(library: Library, worker_database: Database) -> None:
    """Two people in two videos are two clusters; a face that can hardly be seen is in none."""
    rng = np.random.default_rng(1)
    one, other = identities(rng, 2)
    ids = []
    for _ in range(2):
        video_id, _ = library.add_video()
        faces = [
            _face(seen(rng, look, noise=0.5), time_ms, left=left)
            for time_ms in (500, 3_000, 12_000)
            for look, left in ((one, 0.1), (other, 0.6))
        ]
        blurred = _face(seen(rng, one, noise=0.5), 25_000, quality=0.1)
        _process(worker_database, library, video_id, [*faces, blurred])
        ids.append([sightings.observation_id(video_id, face) for face in faces])
    assert _groups(library) == {frozenset(ids[0][place::2] + ids[1][place::2]) for place in (0, 1)}


def test_a_video_that_runs_again_keeps_what_was_said(
    library: Library, worker_database: Database, api_database: Database
) -> None:
    """Same faces, same ids: names and denials stay; faces that are gone go."""
    rng = np.random.default_rng(2)
    look, other = identities(rng, 2)
    video_id, scenes = library.add_video()
    faces = [_face(seen(rng, look, noise=0.5), time_ms) for time_ms in (500, 3_000, 12_000)]
    stranger = _face(seen(rng, other, noise=0.5), 22_000)
    _process(worker_database, library, video_id, [*faces, stranger])
    person = library.add_person("민지")
    denied = sightings.observation_id(video_id, faces[2])
    (cluster,) = library.database.owner_rows(
        "SELECT cluster_id AS id FROM face_assignments WHERE observation_id = :id", id=denied
    )
    with api_database.tenant(library.user_id, effect="test.decide") as tx:
        decisions = Decisions(tx, library.user_id)
        decisions.name_cluster(cluster.id, person)
        decisions.not_this_person(person, [denied])
    assert library.appearances().keys() == {(person, scenes[0])}
    _process(worker_database, library, video_id, faces)
    assert library.appearances().keys() == {(person, scenes[0])}
    assert _count(library, "face_observations") == 3
    assert _count(library, "face_negatives") == 1


def test_what_a_cluster_is_not_its_new_faces_are_not(
    library: Library, worker_database: Database, api_database: Database
) -> None:
    """A denial of a whole cluster holds for the same face in later videos, for ever."""
    rng = np.random.default_rng(3)
    look = identities(rng, 1)[0]
    person = library.add_person("민지")
    library.add_photo(person, seen(rng, look, noise=0.3))
    first, scenes = library.add_video()
    faces = [_face(seen(rng, look, noise=0.5), time_ms) for time_ms in (500, 3_000)]
    _process(worker_database, library, first, faces)
    assert library.appearances().keys() == {(person, scenes[0])}
    with api_database.tenant(library.user_id, effect="test.decide") as tx:
        ids = [sightings.observation_id(first, face) for face in faces]
        Decisions(tx, library.user_id).not_this_person(person, ids)
    assert not library.appearances()
    later, _ = library.add_video()
    _process(worker_database, library, later, [_face(seen(rng, look, noise=0.5), 700)])
    assert not library.appearances()


def test_nothing_is_stored_without_consent(library: Library, worker_database: Database) -> None:
    """Faces found before consent was withdrawn are not written after."""
    library.database.owner_rows(
        "UPDATE face_consents SET withdrawn_at = now() WHERE user_id = :u", u=library.user_id
    )
    video_id, _ = library.add_video()
    look = identities(np.random.default_rng(4), 1)[0]
    _process(worker_database, library, video_id, [_face(look, 500)])
    assert _count(library, "face_observations") == _count(library, "face_clusters") == 0


def test_switching_faces_off_loses_nothing(library: Library, worker_database: Database) -> None:
    """A video that is processed again without looking for faces keeps those it has."""
    video_id, scenes = library.add_video()
    look = identities(np.random.default_rng(5), 1)[0]
    person = library.add_person("민지")
    library.add_photo(person, look)
    _process(worker_database, library, video_id, [_face(look, 500)])
    library.database.owner_rows("DELETE FROM scene_people WHERE user_id = :u", u=library.user_id)
    _process(worker_database, library, video_id, [], model="")
    assert library.appearances().keys() == {(person, scenes[0])}
