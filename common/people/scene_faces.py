"""The faces that speak for a person in a scene."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import NotFoundError
from common.people import packed
from common.people.matching import recognised

_VIDEO = text("SELECT video_id FROM scenes WHERE user_id = :user_id AND id = :scene_id")
_IN_SCENE = text("""
    SELECT o.id FROM face_observations o
    JOIN scenes s ON s.user_id = :user_id AND s.id = :scene_id AND s.video_id = o.video_id
    WHERE o.user_id = :user_id AND o.id = ANY(CAST(:faces AS uuid[]))
      AND o.time_ms >= s.start_ms AND o.time_ms < s.end_ms
    ORDER BY o.id
""")


def of_person(tx: Connection, user_id: UUID, scene_id: UUID, person_id: UUID) -> tuple[UUID, ...]:
    """Faces in a scene that are taken for a person.

    Raises:
        NotFoundError: there is no such scene, or the person is not in it.
    """
    key = {"user_id": user_id, "scene_id": scene_id}
    video = tx.execute(_VIDEO, key).one_or_none()
    if video is None:
        raise NotFoundError(f"scene {scene_id}")
    who = recognised(tx, user_id, video.video_id)
    theirs = packed.array(face for face, person in who.items() if person == person_id)
    faces = tuple(row.id for row in tx.execute(_IN_SCENE, {**key, "faces": theirs}))
    if not faces:
        raise NotFoundError(f"person {person_id} in scene {scene_id}")
    return faces
