"""Clusters of faces, as users look at them. SQL in tenant transactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, text

from common.errors import NotFoundError
from common.people import packed
from common.people.known import known_people
from common.people.thresholds import of_model

Naming = Literal["named", "unnamed"]


@dataclass(frozen=True, kw_only=True)
class FaceRecord:
    """A face in a frame of a video."""

    id: UUID
    video_id: UUID
    time_ms: int
    #: Left, top, width, height: shares of the frame.
    box: tuple[float, float, float, float]
    #: 0–1.
    quality: float


@dataclass(frozen=True, kw_only=True)
class ClusterRecord:
    """Faces that look like one person."""

    id: UUID
    #: Who the user said it is; None for nobody yet.
    person_id: UUID | None
    person_name: str | None
    faces: int
    videos: int
    #: The face that can be seen best.
    best: FaceRecord
    #: Of a cluster of nobody yet: somebody known who looks like it.
    suggested_id: UUID | None = None
    suggested_name: str | None = None


_SHOWN: Final = """
    SELECT c.id, root.id AS person_id, root.name AS person_name, k.faces, k.videos,
           o.id AS face_id, o.video_id, o.time_ms, CAST(o.box AS text) AS box, o.quality, o.model
    FROM (
        SELECT a.cluster_id, count(*) AS faces, count(DISTINCT f.video_id) AS videos
        FROM face_assignments a
        JOIN face_observations f ON f.user_id = :user_id AND f.id = a.observation_id
        WHERE a.user_id = :user_id {within} GROUP BY a.cluster_id) AS k
    JOIN face_clusters c ON c.user_id = :user_id AND c.id = k.cluster_id
    LEFT JOIN people p ON p.user_id = :user_id AND p.id = c.person_id
    LEFT JOIN people root ON root.user_id = :user_id AND root.id = coalesce(p.merged_into, p.id)
    CROSS JOIN LATERAL (
        SELECT b.* FROM face_assignments e
        JOIN face_observations b ON b.user_id = :user_id AND b.id = e.observation_id
        WHERE e.user_id = :user_id AND e.cluster_id = c.id
        ORDER BY b.quality DESC, b.id LIMIT 1 OFFSET 0) AS o
"""
_FIND = text(f"{_SHOWN.format(within='AND a.cluster_id = :id')}")
_LIST = text(f"""
    {_SHOWN.format(within="")}
    WHERE (CAST(:named AS boolean) IS NULL OR :named = (c.person_id IS NOT NULL))
      AND (CAST(:person_id AS uuid) IS NULL OR root.id = CAST(:person_id AS uuid))
      AND (CAST(:after_id AS uuid) IS NULL
           OR (-k.faces, c.id) > (-CAST(:after_faces AS bigint), CAST(:after_id AS uuid)))
    ORDER BY k.faces DESC, c.id LIMIT :limit
""")
_FACES = text("""
    SELECT o.id AS face_id, o.video_id, o.time_ms, CAST(o.box AS text) AS box, o.quality
    FROM face_assignments a
    JOIN face_observations o ON o.user_id = :user_id AND o.id = a.observation_id
    WHERE a.user_id = :user_id AND a.cluster_id = :id
      AND (CAST(:after_id AS uuid) IS NULL
           OR (-o.quality, o.id) > (-CAST(:after_quality AS real), CAST(:after_id AS uuid)))
    ORDER BY o.quality DESC, o.id LIMIT :limit
""")
_NAMES = text("""
    SELECT id, name FROM people WHERE user_id = :user_id AND id = ANY(CAST(:ids AS uuid[]))
""")
_DENIED = text("""
    SELECT DISTINCT a.cluster_id, coalesce(p.merged_into, p.id) AS root
    FROM face_assignments a
    JOIN face_negatives n ON n.user_id = :user_id AND n.observation_id = a.observation_id
    JOIN people p ON p.user_id = :user_id AND p.id = n.person_id
    WHERE a.user_id = :user_id AND a.cluster_id = ANY(CAST(:ids AS uuid[]))
""")


def _means(dimensions: int) -> str:
    return f"""
    SELECT {packed.uuids("cluster_id")} AS ids, {packed.means("mean", dimensions)} AS means
    FROM (SELECT a.cluster_id, avg(CAST(o.vector AS vector)) AS mean
          FROM face_assignments a
          JOIN face_observations o ON o.user_id = :user_id AND o.id = a.observation_id
          WHERE a.user_id = :user_id AND o.model = :model
            AND a.cluster_id = ANY(CAST(:ids AS uuid[])) GROUP BY a.cluster_id) AS k
    """


def find(tx: Connection, user_id: UUID, cluster_id: UUID) -> ClusterRecord:
    """One cluster.

    Raises:
        NotFoundError: missing, without faces, or another tenant's.
    """
    row = tx.execute(_FIND, {"user_id": user_id, "id": cluster_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"cluster {cluster_id}")
    return _records(tx, user_id, [row])[0]


def list_largest(
    tx: Connection,
    user_id: UUID,
    *,
    limit: int,
    naming: Naming | None = None,
    person_id: UUID | None = None,
    after: tuple[int, UUID] | None = None,
) -> list[ClusterRecord]:
    """Clusters, the largest first.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant.
        limit: at most this many.
        naming: only those that are named, or are not.
        person_id: only those of this person.
        after: faces and id of the cluster that the list goes on after.
    """
    faces, cluster_id = after or (None, None)
    values = {
        "user_id": user_id,
        "named": None if naming is None else naming == "named",
        "person_id": person_id,
        "after_faces": faces,
        "after_id": cluster_id,
        "limit": limit,
    }
    return _records(tx, user_id, tx.execute(_LIST, values).all())


def list_faces(
    tx: Connection,
    user_id: UUID,
    cluster_id: UUID,
    *,
    limit: int,
    after: tuple[float, UUID] | None = None,
) -> list[FaceRecord]:
    """Faces of a cluster, those that can be seen best first."""
    quality, face_id = after or (None, None)
    values = {
        "user_id": user_id,
        "id": cluster_id,
        "after_quality": quality,
        "after_id": face_id,
        "limit": limit,
    }
    return [_face(row) for row in tx.execute(_FACES, values)]


def _records(tx: Connection, user_id: UUID, rows: list[Any] | Any) -> list[ClusterRecord]:
    suggested = _suggested(tx, user_id, [row for row in rows if row.person_id is None])
    names = {
        row.id: row.name
        for row in tx.execute(
            _NAMES, {"user_id": user_id, "ids": packed.array(set(suggested.values()))}
        )
    }
    return [
        ClusterRecord(
            id=row.id,
            person_id=row.person_id,
            person_name=row.person_name,
            faces=row.faces,
            videos=row.videos,
            best=_face(row),
            suggested_id=suggested.get(row.id),
            suggested_name=names.get(suggested.get(row.id)),
        )
        for row in rows
    ]


def _suggested(tx: Connection, user_id: UUID, rows: list[Any]) -> Mapping[UUID, UUID]:
    """Who looks like each cluster, by the likeness that faces are matched by."""
    found: dict[UUID, UUID] = {}
    key = {"user_id": user_id, "ids": packed.array(row.id for row in rows)}
    if not rows:
        return found
    denied = {(row.cluster_id, row.root) for row in tx.execute(_DENIED, key)}
    for model in sorted({row.model for row in rows}):
        thresholds = of_model(model)
        if thresholds is None:
            continue
        people = known_people(tx, user_id, model, thresholds)
        means = tx.execute(text(_means(thresholds.dimensions)), key | {"model": model}).one()
        vectors = packed.read_means(means.means, thresholds.dimensions)
        for packed_id, mean in zip(packed.split_ids(means.ids), vectors, strict=True):
            likeness = people.centroids @ (mean / np.linalg.norm(mean))
            cluster_id = UUID(bytes=packed_id)
            for place in np.argsort(-likeness, kind="stable")[:2].tolist():
                person = people.ids[place]
                if likeness[place] >= thresholds.same and (cluster_id, person) not in denied:
                    found[cluster_id] = person
                    break
    return found


def _face(row: Any) -> FaceRecord:
    left, top, width, height = (float(side) for side in row.box.strip("{}").split(","))
    return FaceRecord(
        id=row.face_id,
        video_id=row.video_id,
        time_ms=row.time_ms,
        box=(left, top, width, height),
        quality=row.quality,
    )
