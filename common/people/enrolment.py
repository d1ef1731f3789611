"""What becomes of a photo whose face was looked at. SQL in the transaction that ends its run."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from common.domain import PhotoFace
from common.people import consent, problems
from common.people.matching import rematch
from common.people.thresholds import of_model
from common.search_index import halfvec

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_CONSENTS = text("""
    SELECT 1 FROM people WHERE user_id = :user_id AND id = :person_id AND consent_at IS NOT NULL
""")
# Faces of different models are never compared.
_LIKENESS = text("""
    SELECT 1 - (avg(vector) <=> CAST(:vector AS halfvec)) AS cosine FROM photo_faces
    WHERE user_id = :user_id AND person_id = :person_id AND model = :model
""")
_ACCEPT = text("""
    INSERT INTO photo_faces (user_id, photo_id, person_id, model, quality, box, vector)
    VALUES (:user_id, :photo_id, :person_id, :model, :quality, :box, CAST(:vector AS halfvec))
""")
_END = text("""
    UPDATE person_photos SET state = :state, problem = :problem
    WHERE user_id = :user_id AND id = :photo_id
""")


def apply(tx: Connection, user_id: UUID, person_id: UUID, photo_id: UUID, face: PhotoFace) -> None:
    """Learn the person's face from a photo, and find them in all videos; or say why not.

    Args:
        tx: a transaction of the tenant that has locked the photo.
        user_id: the tenant.
        person_id: whose photo it is.
        photo_id: which.
        face: what was found in it.
    """
    key = {"user_id": user_id, "person_id": person_id, "photo_id": photo_id}
    consented = consent.hold(tx, user_id) and tx.execute(_CONSENTS, key).one_or_none() is not None
    problem = face.problem or ("" if consented else problems.NO_CONSENT)
    if not problem:
        problem = _compare(tx, key, face)
    state = "rejected" if problem else "accepted"
    tx.execute(_END, key | {"state": state, "problem": problem or None})
    if problem:
        return
    values = {"model": face.model, "quality": face.quality, "box": list(face.box or ())}
    tx.execute(_ACCEPT, key | values | {"vector": _vector(face)})
    rematch(tx, user_id)


def _compare(tx: Connection, key: dict[str, UUID], face: PhotoFace) -> str:
    # Two photos at once are not to find the person without any.
    tx.execute(_LOCK, {"name": f"person:{key['person_id']}"})
    values = {"vector": _vector(face), "model": face.model}
    cosine = tx.execute(_LIKENESS, key | values).scalar_one()
    thresholds = of_model(face.model)
    if cosine is None or thresholds is None:
        return ""
    return problems.DIFFERENT if cosine < thresholds.same else ""


def _vector(face: PhotoFace) -> str:
    assert face.vector is not None
    return halfvec(face.vector)
