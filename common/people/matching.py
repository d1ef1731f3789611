"""Who is in which scene: a join of faces and people, made anew whenever either changes.

The tenant's faces are compared with all people exactly, by NumPy over rows that are fetched once,
some videos at a time. (Asking SQL for each person takes more than twenty times as long; see
docs/adr/0014.) Faces of different recognisers are never compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from common.people import packed
from common.people.appearances import Found, replace
from common.people.assignment import FrameFaces, Identities, identify
from common.people.known import ROOTS, KnownPeople, known_people
from common.people.locks import lock_people
from common.people.thresholds import Thresholds, of_model
from common.people.voting import Appearances, Ballots, elect

#: Faces that are looked at together, about: of whole videos, so that frames stay whole.
_FACES_AT_ONCE: Final = 20_000

_VIDEOS = text("""
    SELECT model, video_id, count(*) AS faces FROM face_observations
    WHERE user_id = :user_id AND (:all OR video_id = ANY(CAST(:video_ids AS uuid[])))
    GROUP BY model, video_id ORDER BY model, video_id
""")


# LATERAL with OFFSET 0 makes it one look-up by key for each face, whatever the planner thinks of
# tables that have just grown: joined freely, all faces could be compared with all assignments.
def _faces(dimensions: int) -> str:
    return f"""
    WITH faces AS (
        SELECT o.id, o.video_id, o.time_ms, o.quality, o.box, o.vector, a.cluster_id
        FROM face_observations o
        LEFT JOIN LATERAL (
            SELECT cluster_id FROM face_assignments
            WHERE user_id = :user_id AND observation_id = o.id OFFSET 0) AS a ON true
        WHERE o.user_id = :user_id AND o.model = :model
          AND o.video_id = ANY(CAST(:video_ids AS uuid[]))
        ORDER BY o.video_id, o.time_ms, o.id)
    SELECT {packed.uuids("id")} AS ids, {packed.uuids("video_id")} AS video_ids,
           {packed.integers("time_ms")} AS times_ms, {packed.reals("quality")} AS quality,
           {packed.reals("CAST(box[3] * box[4] AS real)")} AS area,
           {packed.uuids("cluster_id")} AS clusters,
           {packed.vectors("vector", dimensions)} AS vectors
    FROM faces
"""


_NAMED = text(f"""
    WITH {ROOTS} SELECT c.id, roots.root FROM face_clusters c
    JOIN roots ON roots.id = c.person_id WHERE c.user_id = :user_id
""")
_EXCLUDED = text(f"""
    WITH {ROOTS} SELECT n.observation_id, roots.root FROM face_negatives n
    JOIN roots ON roots.id = n.person_id
    JOIN face_observations o ON o.user_id = :user_id AND o.id = n.observation_id
    WHERE n.user_id = :user_id AND o.video_id = ANY(CAST(:video_ids AS uuid[]))
""")
# Of every index version: scenes of different versions overlap.
_SCENES = text(f"""
    SELECT {packed.uuids("id")} AS ids, {packed.uuids("video_id")} AS video_ids,
           {packed.integers("start_ms")} AS starts, {packed.integers("end_ms")} AS ends
    FROM (SELECT id, video_id, start_ms, end_ms FROM scenes
          WHERE user_id = :user_id AND video_id = ANY(CAST(:video_ids AS uuid[]))
          ORDER BY video_id, start_ms, id) AS s
""")


def rematch(tx: Connection, user_id: UUID, *, video_ids: Sequence[UUID] | None = None) -> None:
    """Recompute who is in which scene of the tenant, in the caller's transaction.

    To be called after whatever changes people (a photo accepted or deleted, a person deleted,
    consent given or withdrawn): over all videos, none of which is touched.

    Args:
        tx: a transaction of this tenant as a role that may write `scene_people`.
        user_id: the tenant.
        video_ids: only of these videos, whose faces have changed; all by default.
    """
    lock_people(tx, user_id)
    found: list[Found] = []
    for each in _rounds(tx, user_id, video_ids):
        found += _matched(tx, user_id, each)
    replace(tx, user_id, found, video_ids=video_ids)


def recognised(tx: Connection, user_id: UUID, video_id: UUID) -> dict[UUID, UUID]:
    """Faces of a video by id, and who each is; faces of nobody known are missing."""
    who: dict[UUID, UUID] = {}
    for each in _rounds(tx, user_id, [video_id]):
        rows, identities = _identified(tx, user_id, each)
        faces = packed.split_ids(rows.ids)
        for face in np.flatnonzero(identities.people >= 0).tolist():
            who[UUID(bytes=faces[face])] = each.people.ids[int(identities.people[face])]
    return who


@dataclass(frozen=True, kw_only=True)
class _Round:
    """Videos that are looked at together, and whom their faces are compared with."""

    model: str
    thresholds: Thresholds
    people: KnownPeople
    video_ids: list[UUID]


def _rounds(tx: Connection, user_id: UUID, video_ids: Sequence[UUID] | None) -> Iterator[_Round]:
    """Videos with faces of one recogniser each, some at a time; people are read once for each."""
    chosen = {"all": video_ids is None, "video_ids": packed.array(video_ids or ())}
    rows = tx.execute(_VIDEOS, {"user_id": user_id} | chosen).all()
    for model, of_one in groupby(rows, lambda row: str(row.model)):
        thresholds = of_model(model)
        if thresholds is None:
            continue
        people = known_people(tx, user_id, model, thresholds)
        for batch in _batches((row.video_id, row.faces) for row in of_one):
            yield _Round(model=model, thresholds=thresholds, people=people, video_ids=batch)


def _batches(videos: Iterable[tuple[UUID, int]]) -> Iterator[list[UUID]]:
    """Videos, with how many faces they have, together as long as those are not too many."""
    batch: list[UUID] = []
    total = 0
    for video_id, faces in videos:
        if batch and total + faces > _FACES_AT_ONCE:
            yield batch
            batch, total = [], 0
        batch.append(video_id)
        total += faces
    if batch:
        yield batch


def _matched(tx: Connection, user_id: UUID, each: _Round) -> Iterator[Found]:
    if not each.people.ids:
        return
    rows, identities = _identified(tx, user_id, each)
    key = {"user_id": user_id, "video_ids": packed.array(each.video_ids)}
    scenes = tx.execute(_SCENES, key).one()
    ballots = _ballots(rows, packed.read_integers(rows.times_ms), scenes)
    yield from _named(elect(ballots, identities, each.thresholds), scenes, each.people)


def _identified(tx: Connection, user_id: UUID, each: _Round) -> tuple[Any, Identities]:
    """The faces of some videos as packed columns, and who each is."""
    people, dimensions = each.people, each.thresholds.dimensions
    key = {"user_id": user_id, "video_ids": packed.array(each.video_ids)}
    rows = tx.execute(text(_faces(dimensions)), {**key, "model": each.model}).one()
    places = {face: place for place, face in enumerate(packed.split_ids(rows.ids))}
    named = {
        row.id.bytes: people.places.get(row.root.bytes, -1)
        for row in tx.execute(_NAMED, {"user_id": user_id})
    }
    denied = [
        (places.get(row.observation_id.bytes, -1), people.places.get(row.root.bytes, -1))
        for row in tx.execute(_EXCLUDED, key)
    ]
    faces = FrameFaces(
        frames=_frames(packed.runs(rows.video_ids), packed.read_integers(rows.times_ms)),
        vectors=packed.read_vectors(rows.vectors, dimensions),
        told=packed.read_places(rows.clusters, named),
        excluded=np.array([pair for pair in denied if min(pair) >= 0], dtype=np.int64).reshape(
            -1, 2
        ),
    )
    return rows, identify(faces, people.centroids, each.thresholds)


def _frames(videos: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Numbers of frames: rows of one video and time, which are next to each other, share one."""
    if len(times) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = (videos[1:] != videos[:-1]) | (times[1:] != times[:-1])
    return np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)


def _ballots(rows: Any, times: npt.NDArray[np.int64], scenes: Any) -> Ballots:
    """Faces with the scenes that their frames are in, one of each index version."""
    scene_videos, face_videos = packed.split_ids(scenes.video_ids), packed.split_ids(rows.video_ids)
    starts, ends = packed.read_integers(scenes.starts), packed.read_integers(scenes.ends)
    first_faces: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    in_scenes: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    spans = _spans(face_videos)
    for scene, video in enumerate(scene_videos):
        if video in spans:
            begin, end = spans[video]
            low = begin + int(np.searchsorted(times[begin:end], starts[scene], side="left"))
            high = begin + int(np.searchsorted(times[begin:end], ends[scene], side="left"))
            if low < high:
                first_faces.append(np.arange(low, high))
                in_scenes.append(np.full(high - low, scene, dtype=np.int64))
    faces = np.concatenate(first_faces)
    return Ballots(
        faces=faces,
        scenes=np.concatenate(in_scenes),
        times_ms=times[faces],
        tracks=_tracks(rows.clusters)[faces],
        quality=packed.read_reals(rows.quality)[faces],
        area=packed.read_reals(rows.area)[faces],
    )


def _spans(videos: list[bytes]) -> dict[bytes, tuple[int, int]]:
    """Where the rows of each video begin and end."""
    spans: dict[bytes, tuple[int, int]] = {}
    for place, video in enumerate(videos):
        begin, _ = spans.get(video, (place, place))
        spans[video] = (begin, place + 1)
    return spans


def _tracks(clusters: bytes | None) -> npt.NDArray[np.int64]:
    """A number per cluster, and one of its own for each face that is in none."""
    numbers: dict[bytes, int] = {}
    ids = packed.split_ids(clusters)
    found = (
        len(ids) + place if each == packed.NOBODY else numbers.setdefault(each, len(numbers))
        for place, each in enumerate(ids)
    )
    return np.fromiter(found, dtype=np.int64, count=len(ids))


def _named(found: Appearances, scenes: Any, people: KnownPeople) -> Iterator[Found]:
    person_ids = [each.bytes for each in people.ids]
    scene_ids = packed.split_ids(scenes.ids)
    columns = zip(
        found.people.tolist(),
        found.scenes.tolist(),
        found.confidence.astype(np.float32).tolist(),
        found.first_ms.tolist(),
        found.last_ms.tolist(),
        found.best_ms.tolist(),
        strict=True,
    )
    for person, scene, confidence, first_ms, last_ms, best_ms in columns:
        yield Found(person_ids[person], scene_ids[scene], confidence, first_ms, last_ms, best_ms)
