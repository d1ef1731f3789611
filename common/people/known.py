"""The people that faces are compared with, and what each looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from common.people import packed
from common.people.thresholds import Thresholds

#: SQL: `roots`, people (id) and who each is part of (root): themselves, or who they were merged
#: into. Without consent of both a face may not be looked for.
ROOTS: Final = """
    roots AS (
        SELECT p.id, r.id AS root FROM people p
        JOIN people r ON r.user_id = :user_id AND r.id = coalesce(p.merged_into, p.id)
        WHERE p.user_id = :user_id AND p.consent_at IS NOT NULL AND r.consent_at IS NOT NULL)
"""


def _known_faces(dimensions: int) -> str:
    """SQL: the mean of each person's photos, and that of the faces that the user named.

    Both count the same, however many there are of each: photos are chosen, frames show how the
    person looks on video.
    """
    return f"""
    WITH {ROOTS}, means AS (
        SELECT root, avg(CAST(vector AS vector)) AS mean
        FROM photo_faces JOIN roots ON roots.id = person_id
        WHERE user_id = :user_id AND model = :model GROUP BY root
        UNION ALL
        SELECT root, avg(CAST(vector AS vector)) AS mean
        FROM face_observations o
        JOIN face_assignments a ON a.user_id = :user_id AND a.observation_id = o.id
        JOIN face_clusters c ON c.user_id = :user_id AND c.id = a.cluster_id
        JOIN roots ON roots.id = c.person_id
        WHERE o.user_id = :user_id AND o.model = :model
          AND (o.id, root) NOT IN (
              SELECT n.observation_id, denied.root FROM face_negatives n
              JOIN roots AS denied ON denied.id = n.person_id WHERE n.user_id = :user_id)
        GROUP BY root)
    SELECT {packed.uuids("root")} AS roots, {packed.means("mean", dimensions)} AS means FROM means
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownPeople:
    """The people that faces of one recogniser are compared with."""

    ids: list[UUID]
    #: (n, dimensions) float32, L2-normalised.
    centroids: npt.NDArray[np.float32]
    #: Of each id, as 16 bytes, its place.
    places: dict[bytes, int]


def known_people(tx: Connection, user_id: UUID, model: str, thresholds: Thresholds) -> KnownPeople:
    """Everybody of whom a face is known, by accepted photos or by clusters that the user named.

    Args:
        tx: a transaction of this tenant.
        user_id: the tenant.
        model: whose faces.
        thresholds: of its recogniser.
    """
    statement = text(_known_faces(thresholds.dimensions))
    row = tx.execute(statement, {"user_id": user_id, "model": model}).one()
    means = packed.read_means(row.means, thresholds.dimensions)
    sums: dict[UUID, npt.NDArray[np.float64]] = {}
    for each, mean in zip(packed.split_ids(row.roots), means, strict=True):
        root = UUID(bytes=each)
        sums[root] = sums.get(root, np.zeros(thresholds.dimensions)) + _unit(mean)
    ids = sorted(sums)
    centroids = np.array([_unit(sums[each]) for each in ids], dtype=np.float32)
    return KnownPeople(
        ids=ids,
        centroids=centroids.reshape(-1, thresholds.dimensions),
        places={each.bytes: place for place, each in enumerate(ids)},
    )


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
