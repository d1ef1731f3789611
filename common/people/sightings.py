"""The faces of one video, written, sorted and matched, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from common.domain import FaceObservation
from common.people import clusters, consent, packed
from common.people.locks import lock_people
from common.people.matching import rematch
from common.search_index import halfvec

#: Namespace of observation ids; a constant of this project, never to be changed.
_OBSERVATIONS: Final = UUID("0b7a2c54-3a0f-5b51-8a55-0d2f7f6f9d11")
#: A chunk of 512-number vectors is about 1 MB of text.
_ROWS_PER_STATEMENT: Final = 256

_DELETE = text("""
    DELETE FROM face_observations
    WHERE user_id = :user_id AND video_id = :video_id AND id <> ALL (CAST(:ids AS uuid[]))
""")
_UPSERT = text("""
    INSERT INTO face_observations
        (user_id, id, video_id, time_ms, model, quality, box, vector)
    SELECT :user_id, r.id, :video_id, r.time_ms, :model, r.quality, CAST(r.box AS real[]),
           CAST(r.vector AS halfvec(512))
    FROM unnest(CAST(:ids AS uuid[]), CAST(:times_ms AS bigint[]), CAST(:qualities AS real[]),
                CAST(:boxes AS text[]), CAST(:vectors AS text[]))
         AS r (id, time_ms, quality, box, vector)
    ON CONFLICT (user_id, id) DO UPDATE
        SET model = excluded.model, quality = excluded.quality, vector = excluded.vector
""")


def replace_video(
    tx: Connection,
    *,
    user_id: UUID,
    video_id: UUID,
    faces: Sequence[FaceObservation],
    model: str,
) -> None:
    """Store the faces of a video in place of what was known of it; sort the new; match all.

    Faces that were seen before keep their rows, and with them what the user said about them.
    Without the user's consent none are stored. Where faces were not looked for, what is known
    stays: switching the feature off loses nothing.

    Args:
        tx: a transaction of this tenant as the worker, after the video's scenes were written.
        user_id: the tenant.
        video_id: an existing video of the tenant.
        faces: in any order.
        model: that found them; "" if faces were not looked for.
    """
    if not consent.hold(tx, user_id):
        return
    lock_people(tx, user_id)
    if model:
        _store(tx, user_id, video_id, faces, model)
        clusters.sort_new(tx, user_id, video_id)
    rematch(tx, user_id, video_ids=[video_id])


def observation_id(video_id: UUID, face: FaceObservation) -> UUID:
    """The id of a face: the same whenever the same video is processed again."""
    box = ",".join(f"{side:.4f}" for side in face.box)
    return uuid5(_OBSERVATIONS, f"{video_id}/{face.time_ms}/{box}")


def _store(
    tx: Connection, user_id: UUID, video_id: UUID, faces: Sequence[FaceObservation], model: str
) -> None:
    # A face that was found twice in the same place is one.
    rows = {observation_id(video_id, face): face for face in reversed(faces)}
    owner = {"user_id": user_id, "video_id": video_id}
    tx.execute(_DELETE, {**owner, "ids": packed.array(rows)})
    ordered = sorted(rows.items(), key=lambda row: (row[1].time_ms, row[0]))
    for start in range(0, len(ordered), _ROWS_PER_STATEMENT):
        chunk = ordered[start : start + _ROWS_PER_STATEMENT]
        columns = {
            "ids": packed.array(key for key, _ in chunk),
            "times_ms": packed.array(face.time_ms for _, face in chunk),
            "qualities": packed.array(face.quality for _, face in chunk),
            "boxes": [packed.array(face.box) for _, face in chunk],
            "vectors": [halfvec(face.vector) for _, face in chunk],
        }
        tx.execute(_UPSERT, {**owner, "model": model, **columns})
