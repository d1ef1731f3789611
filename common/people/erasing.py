"""Forgetting faces: a photo, a person, or all of them. SQL in tenant transactions.

Rows and vectors are gone when the transaction commits, also for whoever is at work on them; who is
in which scene is found anew. Objects are owed: the sweep deletes them, again and again until nobody
who did not know yet can write any more. A receipt counts what went.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.errors import NotFoundError
from common.people import consent
from common.people.locks import lock_people
from common.people.matching import rematch
from common.videos.erasing import Subject, expire_exports, forget_answers, write_receipt

# People who were found to be this one are part of them.
_SELVES = text("""
    WITH RECURSIVE selves AS (
        SELECT id FROM people WHERE user_id = :user_id AND id = :person_id
        UNION SELECT p.id FROM people p JOIN selves s ON p.merged_into = s.id
        WHERE p.user_id = :user_id
    )
    SELECT id FROM selves ORDER BY id
""")
_EVERYBODY = text("SELECT id FROM people WHERE user_id = :user_id ORDER BY id")
_OF: Final = "user_id = :user_id AND person_id = ANY(CAST(:people AS uuid[]))"
_PHOTO: Final = f"{_OF} AND (CAST(:photo_id AS uuid) IS NULL OR {{}} = CAST(:photo_id AS uuid))"
# A payload names its run.
_MESSAGES = text("""
    DELETE FROM outbox o USING runs r JOIN person_photos f
        ON f.user_id = r.user_id AND f.id = r.photo_id
    WHERE o.user_id = :user_id AND f.user_id = :user_id
      AND f.person_id = ANY(CAST(:people AS uuid[]))
      AND (CAST(:photo_id AS uuid) IS NULL OR f.id = CAST(:photo_id AS uuid))
      AND position(CAST(r.id AS text) IN o.payload) > 0
""")
_LOCK_PHOTOS = text(f"""
    SELECT 1 FROM person_photos WHERE {_PHOTO.format("id")} ORDER BY id FOR UPDATE
""")
_LOCK_ALL_PHOTOS = text("""
    SELECT 1 FROM person_photos WHERE user_id = :user_id ORDER BY id FOR UPDATE
""")
_VECTORS = text(f"DELETE FROM photo_faces WHERE {_PHOTO.format('photo_id')}")
# Their runs go with them: whoever works on one loses it.
_PHOTOS = text(f"""
    DELETE FROM person_photos WHERE {_PHOTO.format("id")}
    RETURNING id, CASE WHEN state = 'uploading' THEN expires_at END AS writable_until
""")
_UNNAME = text(f"UPDATE face_clusters SET person_id = NULL WHERE {_OF}")
_NEGATIVES = text(f"DELETE FROM face_negatives WHERE {_OF}")
_JOURNAL = text("""
    DELETE FROM people_journal j
    WHERE j.user_id = :user_id AND EXISTS (
        SELECT FROM unnest(CAST(:people AS uuid[])) AS p (id)
        WHERE position(CAST(p.id AS text) IN CAST(j.before AS text) || CAST(j.after AS text)) > 0)
""")
_CONSENT = text("""
    UPDATE people SET consent_policy_version = NULL, consent_at = NULL,
        updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = ANY(CAST(:people AS uuid[])) AND consent_at IS NOT NULL
""")
_PEOPLE = text("""
    DELETE FROM people WHERE user_id = :user_id AND id = ANY(CAST(:people AS uuid[]))
""")
_OBSERVATIONS = text("DELETE FROM face_observations WHERE user_id = :user_id")
_CLUSTERS = text("DELETE FROM face_clusters WHERE user_id = :user_id")
_WHOLE_JOURNAL = text("DELETE FROM people_journal WHERE user_id = :user_id")
_OWE = text("""
    INSERT INTO face_erasures (user_id, id, person_id, photo_id, writable_until)
    VALUES (:user_id, :id, CAST(:person_id AS uuid), CAST(:photo_id AS uuid),
            CAST(:writable_until AS timestamptz))
""")


@dataclass(kw_only=True)
class _Gone:
    """What went already."""

    #: By kind, how many.
    removed: dict[str, int]
    #: An upload URL of a photo works until then.
    writable_until: datetime | None


def erase_photo(tx: Connection, user_id: UUID, person_id: UUID, photo_id: UUID) -> None:
    """Delete a photo and what was learned from it.

    Raises:
        NotFoundError: missing, deleted, another person's or another tenant's.
    """
    _lock(tx, user_id, [person_id], photo_id)
    gone = _delete_photos(tx, user_id, [person_id], photo_id)
    if not gone.removed["photos"]:
        raise NotFoundError(f"photo {photo_id}")
    _owe(tx, user_id, ("photo", photo_id), gone, person_id=person_id, photo_id=photo_id)
    expire_exports(tx, user_id)
    rematch(tx, user_id)


def erase_person(tx: Connection, user_id: UUID, person_id: UUID) -> None:
    """Delete a person, their names and photos, and where they were seen.

    Raises:
        NotFoundError: missing, deleted or another tenant's.
    """
    selves = _selves(tx, user_id, person_id)
    gone = _forget(tx, user_id, selves)
    gone.removed["people"] = tx.execute(_PEOPLE, {"user_id": user_id, "people": selves}).rowcount
    _owe_each(tx, user_id, person_id, selves, gone)
    rematch(tx, user_id)


def withdraw_person(tx: Connection, user_id: UUID, person_id: UUID) -> bool:
    """Take a person's consent back: only their names stay. False if there was none.

    Raises:
        NotFoundError: missing, deleted or another tenant's.
    """
    selves = _selves(tx, user_id, person_id)
    _lock(tx, user_id, selves, None)
    if tx.execute(_CONSENT, {"user_id": user_id, "people": selves}).rowcount == 0:
        return False
    gone = _forget(tx, user_id, selves)
    _owe_each(tx, user_id, person_id, selves, gone)
    rematch(tx, user_id)
    return True


def withdraw_all(tx: Connection, user_id: UUID) -> bool:
    """Take the user's consent back: everything made of faces goes. False if there was none."""
    key = {"user_id": user_id}
    # Whoever learns from a photo holds it, then the consent.
    tx.execute(_LOCK_ALL_PHOTOS, key)
    if not consent.withdraw(tx, user_id):
        return False
    everybody = [row.id for row in tx.execute(_EVERYBODY, key)]
    gone = _forget(tx, user_id, everybody)
    tx.execute(_CONSENT, key | {"people": everybody})
    gone.removed["face_clusters"] = tx.execute(_CLUSTERS, key).rowcount
    gone.removed["face_observations"] = tx.execute(_OBSERVATIONS, key).rowcount
    tx.execute(_WHOLE_JOURNAL, key)
    _owe(tx, user_id, ("faces", user_id), gone)
    rematch(tx, user_id)
    return True


def _selves(tx: Connection, user_id: UUID, person_id: UUID) -> list[UUID]:
    selves = [row.id for row in tx.execute(_SELVES, {"user_id": user_id, "person_id": person_id})]
    if not selves:
        raise NotFoundError(f"person {person_id}")
    return selves


def _forget(tx: Connection, user_id: UUID, people: Sequence[UUID]) -> _Gone:
    """Delete what was learned of people, what the user said of them, and what could tell of it."""
    _lock(tx, user_id, people, None)
    gone = _delete_photos(tx, user_id, people, None)
    key = {"user_id": user_id, "people": people}
    tx.execute(_UNNAME, key)
    tx.execute(_NEGATIVES, key)
    tx.execute(_JOURNAL, key)
    for each in people:
        forget_answers(tx, user_id, each)
    expire_exports(tx, user_id)
    return gone


def _lock(tx: Connection, user_id: UUID, people: Sequence[UUID], photo_id: UUID | None) -> None:
    """As whoever learns from a photo does: photos first, then all people."""
    tx.execute(_LOCK_PHOTOS, {"user_id": user_id, "people": people, "photo_id": photo_id})
    lock_people(tx, user_id)


def _delete_photos(
    tx: Connection, user_id: UUID, people: Sequence[UUID], photo_id: UUID | None
) -> _Gone:
    key = {"user_id": user_id, "people": people, "photo_id": photo_id}
    tx.execute(_MESSAGES, key)
    vectors = tx.execute(_VECTORS, key).rowcount
    photos = tx.execute(_PHOTOS, key).all()
    for photo in photos:
        forget_answers(tx, user_id, photo.id)
    until = [photo.writable_until for photo in photos if photo.writable_until is not None]
    return _Gone(
        removed={"photos": len(photos), "face_vectors": vectors},
        writable_until=max(until, default=None),
    )


def _owe_each(
    tx: Connection, user_id: UUID, person_id: UUID, selves: Sequence[UUID], gone: _Gone
) -> None:
    """Their objects lie apart; what went is counted once."""
    for each in selves:
        counted = gone.removed if each == person_id else {}
        own = _Gone(removed=counted, writable_until=gone.writable_until)
        _owe(tx, user_id, ("person", each), own, person_id=each)


def _owe(
    tx: Connection,
    user_id: UUID,
    subject: tuple[Subject, UUID],
    gone: _Gone,
    *,
    person_id: UUID | None = None,
    photo_id: UUID | None = None,
) -> None:
    erasure_id = uuid4()
    values = {"user_id": user_id, "id": erasure_id, "person_id": person_id, "photo_id": photo_id}
    tx.execute(_OWE, values | {"writable_until": gone.writable_until})
    write_receipt(tx, user_id, erasure_id, subject, gone.removed, "user")
