"""What an archive tells of people and faces: everything that is kept of them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

_PEOPLE: Final = text("""
    SELECT p.id, p.name, p.aliases, p.merged_into, p.consent_policy_version, p.consent_at,
           p.created_at, p.updated_at,
           ARRAY(SELECT s.scene_id FROM scene_people s
                 WHERE s.user_id = p.user_id AND s.person_id = p.id ORDER BY 1) AS scene_ids
    FROM people p WHERE p.user_id = :user_id ORDER BY p.id
""")
_PHOTOS: Final = text("""
    SELECT f.id, f.person_id, f.content_type, f.size_bytes, f.crc32c, f.state, f.problem,
           f.created_at, f.finalized_at AS uploaded_at, v.model, v.quality, v.box,
           CAST(v.vector AS real[]) AS vector
    FROM person_photos f LEFT JOIN photo_faces v ON v.user_id = f.user_id AND v.photo_id = f.id
    WHERE f.user_id = :user_id AND f.person_id = :person_id ORDER BY f.created_at, f.id
""")
_CONSENTS: Final = text("""
    SELECT policy_version, given_at, withdrawn_at FROM face_consents
    WHERE user_id = :user_id ORDER BY given_at
""")
_FACES: Final = text("""
    SELECT o.id, o.time_ms, o.model, o.quality, o.box, CAST(o.vector AS real[]) AS vector,
           a.cluster_id, c.person_id,
           ARRAY(SELECT n.person_id FROM face_negatives n
                 WHERE n.user_id = o.user_id AND n.observation_id = o.id ORDER BY 1) AS not_people
    FROM face_observations o
    LEFT JOIN face_assignments a ON a.user_id = o.user_id AND a.observation_id = o.id
    LEFT JOIN face_clusters c ON c.user_id = a.user_id AND c.id = a.cluster_id
    WHERE o.user_id = :user_id AND o.video_id = :video_id ORDER BY o.time_ms, o.id
""")


def people(tx: Connection, user_id: UUID) -> list[dict[str, Any]]:
    """Everybody, with their photos and the scenes that they were seen in."""
    rows = [row._asdict() for row in tx.execute(_PEOPLE, {"user_id": user_id})]
    return [row | {"photos": _photos(tx, user_id, row["id"])} for row in rows]


def consents(tx: Connection, user_id: UUID) -> list[dict[str, Any]]:
    """What the user agreed to, and took back."""
    return [row._asdict() for row in tx.execute(_CONSENTS, {"user_id": user_id})]


def of_video(tx: Connection, user_id: UUID, video_id: UUID) -> list[dict[str, Any]]:
    """The faces that were found in a video, and what the user said of each."""
    key = {"user_id": user_id, "video_id": video_id}
    return [row._asdict() for row in tx.execute(_FACES, key)]


def _photos(tx: Connection, user_id: UUID, person_id: UUID) -> list[dict[str, Any]]:
    rows = tx.execute(_PHOTOS, {"user_id": user_id, "person_id": person_id})
    return [row._asdict() | {"fetch": _fetch(person_id, row)} for row in rows]


def _fetch(person_id: UUID, row: Any) -> str | None:
    if row.uploaded_at is None:
        return None
    return f"GET /v1/people/{person_id}/photos/{row.id}/original"
