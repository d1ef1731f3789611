"""Who is in which scene: equal to brute force, retroactive, never one person twice in a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import pytest

from common.database import Database
from common.people.matching import rematch
from common.people.thresholds import of_model
from tests.conftest import TestDatabase
from tests.face_library import MODEL, SCENE_MS, Face, Library, Vector, drawn_id, identities, seen
from tests.integration.people.brute_force import BruteForce, assert_same

THRESHOLDS = of_model(MODEL)


@pytest.fixture
def library(database: TestDatabase) -> Library:
    """A tenant without videos and people."""
    return Library(database=database).create()


@pytest.fixture
def match(library: Library, api_database: Database) -> Callable[[], dict[tuple[UUID, UUID], float]]:
    """Matches all, and says who is where with which confidence."""

    def run() -> dict[tuple[UUID, UUID], float]:
        with api_database.tenant(library.user_id, effect="test.rematch") as tx:
            rematch(tx, library.user_id)
        return {key: each[0] for key, each in library.appearances().items()}

    return run


@dataclass(kw_only=True)
class Crowd:
    """People whose faces overlap, and a video full of them."""

    people: list[UUID]
    #: True person by face; None for strangers.
    truth: dict[UUID, UUID | None] = field(default_factory=dict)
    faces: list[Face] = field(default_factory=list)


def _crowd(library: Library, seed: int) -> Crowd:
    """Six enrolled people and three strangers who look alike, in frames of up to three faces."""
    rng = np.random.default_rng(seed)
    looks = identities(rng, 9, spread=0.72)
    crowd = Crowd(
        people=[library.add_person("somebody", person_id=drawn_id(rng)) for _ in range(6)]
    )
    for person, look in zip(crowd.people, looks, strict=False):
        for _ in range(int(rng.integers(1, 3))):
            library.add_photo(person, seen(rng, look, noise=0.6))
    for _ in range(2):
        video_id, _ = library.add_video(scenes=4)
        library.add_scenes(video_id, 3, version="v2", scene_ms=12_000)
        for time_ms in range(500, 4 * SCENE_MS, 2_500):
            for who in rng.choice(9, size=int(rng.integers(0, 4)), replace=False).tolist():
                crowd.faces.append(_face(rng, video_id, time_ms, looks[who]))
                truth = crowd.people[who] if who < 6 else None
                crowd.truth[crowd.faces[-1].observation_id] = truth
    library.add_faces(crowd.faces)
    return crowd


def _face(rng: np.random.Generator, video_id: UUID, time_ms: int, look: Vector) -> Face:
    side = float(np.float32(rng.uniform(0.02, 0.4)))
    return Face(
        video_id=video_id,
        time_ms=time_ms,
        vector=seen(rng, look, noise=1.1),
        observation_id=drawn_id(rng),
        quality=float(np.float32(rng.uniform(0.05, 1.0))),
        box=(0.1, 0.1, side, side),
    )


def _said(library: Library, crowd: Crowd, rng: np.random.Generator) -> None:
    """What a user says: some faces are named, some denied, two people are one."""
    named: set[tuple[UUID, UUID, int]] = set()
    for face in rng.permutation(np.array(crowd.faces, dtype=object))[:12].tolist():
        truth = crowd.truth[face.observation_id]
        if truth is None or (truth, face.video_id, face.time_ms) in named:
            continue
        named.add((truth, face.video_id, face.time_ms))
        library.add_cluster([face], truth)
    for face in rng.permutation(np.array(crowd.faces, dtype=object))[:10].tolist():
        library.deny(face, crowd.people[int(rng.integers(6))])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_matching_equals_brute_force(
    library: Library,
    match: Callable[[], dict[tuple[UUID, UUID], float]],
    seed: int,
) -> None:
    """Names, denials, merged people, overlapping faces and two index versions: the same rows."""
    rng = np.random.default_rng(seed)
    crowd = _crowd(library, seed)
    _said(library, crowd, rng)
    library.database.owner_rows(
        "UPDATE people SET merged_into = :into WHERE user_id = :u AND id = :id",
        into=crowd.people[0],
        u=library.user_id,
        id=crowd.people[1],
    )
    assert THRESHOLDS is not None
    match()
    expected = BruteForce(library.database, library.user_id, THRESHOLDS).appearances()
    found = library.appearances()
    assert_same(found, expected)
    assert len(found) > 15
    assert all(person != crowd.people[1] for person, _ in found)
