"""Other ways to match: person by person in SQL, and frame by frame in plain loops."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

import numpy as np
from sqlalchemy import text

from common.database import Database
from common.people.thresholds import Thresholds
from tests.benchmarks.people_data import Tenant
from tests.face_library import SCENE_MS, as_halfvec

#: All a loop over people asks of the database for one of them: who might be this person.
_LIKE_ONE = text("""
    SELECT id, likeness FROM (
        SELECT id, -(vector <#> (SELECT CAST(:centroid AS halfvec(512)))) AS likeness
        FROM face_observations WHERE user_id = :user_id OFFSET 0) AS compared
    WHERE likeness > :floor
""")


def person_by_person(
    api: Database, tenant: Tenant, thresholds: Thresholds, *, sample: int
) -> list[float]:
    """Times of the query for some people, each in ms; deciding comes on top."""
    times = []
    centroids = _centroids(tenant)
    with api.tenant(tenant.library.user_id) as tx:
        for place in np.linspace(0, len(centroids) - 1, sample).astype(int).tolist():
            values = {
                "user_id": tenant.library.user_id,
                "centroid": as_halfvec(centroids[place].astype(np.float32)),
                "floor": thresholds.same - thresholds.margin,
            }
            started_at = time.perf_counter()
            tx.execute(_LIKE_ONE, values).all()
            times.append((time.perf_counter() - started_at) * 1000)
    return times


def frame_by_frame(tenant: Tenant, thresholds: Thresholds) -> set[tuple[UUID, UUID]]:
    """(person, scene) of all votes, by brute force; without a database."""
    centroids = _centroids(tenant)
    frames: dict[tuple[int, int], list[int]] = defaultdict(list)
    for face, key in enumerate(zip(tenant.videos.tolist(), tenant.times_ms.tolist(), strict=True)):
        frames[key].append(face)
    found = set()
    for (video, time_ms), faces in frames.items():
        scene = tenant.scenes[video][time_ms // SCENE_MS]
        for person in _of_frame(centroids @ tenant.vectors[faces].T, thresholds):
            found.add((tenant.people[person], scene))
    return found


def _of_frame(
    likeness: np.ndarray[tuple[int, int], np.dtype[np.float64]], thresholds: Thresholds
) -> Iterator[int]:
    """The people in a frame, surest first; a face and a person are given away once."""
    open_likeness = likeness.copy()
    while True:
        best, sure_face = -math.inf, -1
        for face in range(open_likeness.shape[1]):
            second, first = np.sort(open_likeness[:, face])[-2:]
            sure = first >= thresholds.same and first - second >= thresholds.margin
            if sure and first > best:
                best, sure_face = float(first), face
        if sure_face < 0:
            return
        person = int(np.argmax(open_likeness[:, sure_face]))
        yield person
        open_likeness[person, :] = open_likeness[:, sure_face] = -math.inf
        # Infinities differ by no number.
        open_likeness[:, sure_face] = -2.0


def _centroids(tenant: Tenant) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    means = tenant.photos.astype(np.float64).mean(axis=1)
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))
