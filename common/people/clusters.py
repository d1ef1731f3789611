"""Faces that look like one person, over all of a user's videos: sorted in as videos come.

Clusters that the user named are left alone: who else looks like that person is for matching to say,
and for the user to confirm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.people import packed
from common.people.clustering import Group, sort_faces
from common.people.thresholds import Thresholds, of_model

#: Faces that can hardly be seen are not shown to anyone to name.
LEAST_QUALITY: Final = 0.3
#: Faces this near in time are grouped first.
_WINDOW_MS: Final = 10_000

_MODELS = text("""
    SELECT DISTINCT model FROM face_observations
    WHERE user_id = :user_id AND video_id = :video_id ORDER BY model
""")
_OPEN_FRAMES = text("""
    SELECT a.cluster_id, o.time_ms FROM face_observations o
    JOIN face_assignments a ON a.user_id = :user_id AND a.observation_id = o.id
    JOIN face_clusters c ON c.user_id = :user_id AND c.id = a.cluster_id
    WHERE o.user_id = :user_id AND o.video_id = :video_id AND c.person_id IS NULL
""")
_EMPTY = text("""
    DELETE FROM face_clusters c
    WHERE c.user_id = :user_id AND c.person_id IS NULL AND NOT EXISTS (
        SELECT FROM face_assignments a WHERE a.user_id = :user_id AND a.cluster_id = c.id)
""")
_CREATE = text("""
    INSERT INTO face_clusters (user_id, id)
    SELECT :user_id, id FROM unnest(CAST(:ids AS uuid[])) AS r (id)
""")
_ASSIGN = text("""
    INSERT INTO face_assignments (user_id, observation_id, cluster_id)
    SELECT :user_id, r.face, r.cluster
    FROM unnest(CAST(:faces AS uuid[]), CAST(:clusters AS uuid[])) AS r (face, cluster)
""")
# What all faces of a cluster are not, a face that joins it is not either.
_INHERIT = text("""
    INSERT INTO face_negatives (user_id, observation_id, person_id)
    SELECT :user_id, joining.face, denied.person_id
    FROM unnest(CAST(:faces AS uuid[]), CAST(:clusters AS uuid[])) AS joining (face, cluster)
    JOIN (
        SELECT a.cluster_id, n.person_id, count(*) AS faces
        FROM face_assignments a
        JOIN face_negatives n ON n.user_id = :user_id AND n.observation_id = a.observation_id
        WHERE a.user_id = :user_id AND a.cluster_id = ANY(CAST(:clusters AS uuid[]))
        GROUP BY a.cluster_id, n.person_id) AS denied ON denied.cluster_id = joining.cluster
    JOIN (
        SELECT cluster_id, count(*) AS faces FROM face_assignments
        WHERE user_id = :user_id AND cluster_id = ANY(CAST(:clusters AS uuid[]))
        GROUP BY cluster_id) AS whole
        ON whole.cluster_id = joining.cluster AND whole.faces = denied.faces
    ON CONFLICT DO NOTHING
""")


def _new_faces(dimensions: int) -> str:
    return f"""
    SELECT {packed.uuids("id")} AS ids, {packed.integers("time_ms")} AS times_ms,
           {packed.vectors("vector", dimensions)} AS vectors
    FROM (SELECT o.id, o.time_ms, o.vector FROM face_observations o
          WHERE o.user_id = :user_id AND o.video_id = :video_id AND o.model = :model
            AND o.quality >= :least_quality
            AND NOT EXISTS (SELECT FROM face_assignments a
                            WHERE a.user_id = :user_id AND a.observation_id = o.id)
          ORDER BY o.time_ms, o.id) AS f
    """


def _open_clusters(dimensions: int) -> str:
    return f"""
    SELECT {packed.uuids("cluster_id")} AS ids, {packed.integers("faces")} AS faces,
           {packed.means("mean", dimensions)} AS means
    FROM (SELECT a.cluster_id, count(*) AS faces, avg(CAST(o.vector AS vector)) AS mean
          FROM face_assignments a
          JOIN face_observations o ON o.user_id = :user_id AND o.id = a.observation_id
          JOIN face_clusters c ON c.user_id = :user_id AND c.id = a.cluster_id
          WHERE a.user_id = :user_id AND o.model = :model AND c.person_id IS NULL
          GROUP BY a.cluster_id, c.created_at ORDER BY c.created_at, a.cluster_id) AS k
    """


def sort_new(tx: Connection, user_id: UUID, video_id: UUID) -> None:
    """Put the faces of a video that are in no cluster into one, or begin new ones.

    Args:
        tx: a transaction of this tenant that holds the lock of its people.
        user_id: the tenant.
        video_id: whose faces were just written.
    """
    key = {"user_id": user_id, "video_id": video_id}
    tx.execute(_EMPTY, {"user_id": user_id})
    for (model,) in tx.execute(_MODELS, key).all():
        thresholds = of_model(model)
        if thresholds is not None:
            _sort(tx, key, model, thresholds)


def _sort(tx: Connection, key: dict[str, Any], model: str, thresholds: Thresholds) -> None:
    chosen = {**key, "model": model, "least_quality": LEAST_QUALITY}
    faces = tx.execute(text(_new_faces(thresholds.dimensions)), chosen).one()
    ids = [UUID(bytes=each) for each in packed.split_ids(faces.ids)]
    if not ids:
        return
    known = _known(tx, key, model, thresholds)
    times = packed.read_integers(faces.times_ms).tolist()
    made = sort_faces(
        packed.read_vectors(faces.vectors, thresholds.dimensions),
        frames=times,
        windows=[time_ms // _WINDOW_MS for time_ms in times],
        clusters=list(known.values()),
        threshold=thresholds.cluster,
    )
    joined = {cluster: group for cluster, group in known.items() if group.faces}
    _write(tx, key["user_id"], ids, joined, made)


def _known(
    tx: Connection, key: dict[str, Any], model: str, thresholds: Thresholds
) -> dict[UUID, Group]:
    statement = text(_open_clusters(thresholds.dimensions))
    row = tx.execute(statement, {"user_id": key["user_id"], "model": model}).one()
    means = packed.read_means(row.means, thresholds.dimensions)
    counts = packed.read_integers(row.faces).tolist()
    groups = {
        UUID(bytes=each): Group(total=mean * count, count=count, frames=set())
        for each, mean, count in zip(packed.split_ids(row.ids), means, counts, strict=True)
    }
    for frame in tx.execute(_OPEN_FRAMES, key):
        if frame.cluster_id in groups:
            groups[frame.cluster_id].frames.add(frame.time_ms)
    return groups


def _write(
    tx: Connection,
    user_id: UUID,
    ids: Sequence[UUID],
    joined: dict[UUID, Group],
    made: Sequence[Group],
) -> None:
    new = {uuid4(): group for group in made}
    tx.execute(_CREATE, {"user_id": user_id, "ids": packed.array(new)})
    for statement, groups in ((_INHERIT, joined), (_ASSIGN, joined | new)):
        pairs = [(ids[face], cluster) for cluster, group in groups.items() for face in group.faces]
        if pairs:
            columns = {
                "faces": packed.array(face for face, _ in pairs),
                "clusters": packed.array(cluster for _, cluster in pairs),
            }
            tx.execute(statement, {"user_id": user_id} | columns)
