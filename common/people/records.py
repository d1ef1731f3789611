"""A user's people: make, find, list, rename. SQL in tenant transactions.

A person who was found to be another one (`merged_into`) is part of that one, and not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from common.errors import InputError, NotFoundError
from common.people.locks import lock_people

#: Of one account: what search compares a query's words with.
MAX_PEOPLE: Final = 1_000

_COLUMNS: Final = """
    p.id, p.name, p.aliases, p.consent_policy_version, p.consent_at, p.created_at, p.updated_at,
    (SELECT count(*) FROM person_photos f WHERE f.user_id = p.user_id AND f.person_id = p.id)
    AS photos,
    (SELECT count(*) FROM photo_faces f WHERE f.user_id = p.user_id AND f.person_id = p.id)
    AS accepted_photos,
    (SELECT count(*) FROM scene_people s WHERE s.user_id = p.user_id AND s.person_id = p.id)
    AS scenes
"""
_FIND = f"""
    SELECT {_COLUMNS} FROM people p
    WHERE p.user_id = :user_id AND p.id = :id AND p.merged_into IS NULL
"""
_LIST = text(f"""
    SELECT {_COLUMNS} FROM people p
    WHERE p.user_id = :user_id AND p.merged_into IS NULL
      AND (CAST(:id AS uuid) IS NULL OR (p.created_at, p.id)
           < (CAST(:created_at AS timestamptz), CAST(:id AS uuid)))
    ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
""")
_COUNT = text("SELECT count(*) FROM people WHERE user_id = :user_id")
_CREATE = text("""
    INSERT INTO people (user_id, id, name, aliases) VALUES (:user_id, :id, :name, :aliases)
""")
_CHANGE = text("""
    UPDATE people SET name = coalesce(:name, name),
        aliases = coalesce(CAST(:aliases AS text[]), aliases), updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :id
""")
_CONSENT = text("""
    UPDATE people SET consent_policy_version = :policy_version, consent_at = clock_timestamp(),
        updated_at = clock_timestamp()
    WHERE user_id = :user_id AND id = :id AND consent_at IS NULL
""")


@dataclass(frozen=True, kw_only=True)
class PersonRecord:
    """A person, and how much is known of them."""

    id: UUID
    name: str
    aliases: tuple[str, ...]
    #: None for both: their face may not be looked for.
    consent_policy_version: str | None
    consent_at: datetime | None
    created_at: datetime
    updated_at: datetime
    photos: int
    accepted_photos: int
    #: They were seen in.
    scenes: int


def create(tx: Connection, user_id: UUID, *, name: str, aliases: tuple[str, ...]) -> UUID:
    """Make a person; returns their id.

    Raises:
        InputError: `too_many_people`.
    """
    # Two requests at once are not to count the same people.
    lock_people(tx, user_id)
    if tx.execute(_COUNT, {"user_id": user_id}).scalar_one() >= MAX_PEOPLE:
        raise InputError("too_many_people", f"at most {MAX_PEOPLE}")
    person_id = uuid4()
    values = {"user_id": user_id, "id": person_id, "name": name, "aliases": list(aliases)}
    tx.execute(_CREATE, values)
    return person_id


def find(
    tx: Connection, user_id: UUID, person_id: UUID, *, for_update: bool = False
) -> PersonRecord:
    """One person.

    Raises:
        NotFoundError: missing, deleted, merged into another, or another tenant's.
    """
    statement = text(_FIND + (" FOR UPDATE OF p" if for_update else ""))
    row = tx.execute(statement, {"user_id": user_id, "id": person_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"person {person_id}")
    return _record(row)


def list_newest(
    tx: Connection, user_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> list[PersonRecord]:
    """People, newest first.

    Args:
        tx: a transaction of the tenant.
        user_id: the tenant.
        limit: at most this many.
        before: time and id of the person that the list goes on after.
    """
    created_at, person_id = before or (None, None)
    values = {"user_id": user_id, "limit": limit, "created_at": created_at, "id": person_id}
    return [_record(row) for row in tx.execute(_LIST, values)]


def change(
    tx: Connection,
    user_id: UUID,
    person_id: UUID,
    *,
    name: str | None = None,
    aliases: tuple[str, ...] | None = None,
) -> None:
    """Give a person, who was found, another name or other aliases; None leaves them."""
    values = {
        "user_id": user_id,
        "id": person_id,
        "name": name,
        "aliases": None if aliases is None else list(aliases),
    }
    tx.execute(_CHANGE, values)


def consent(tx: Connection, user_id: UUID, person_id: UUID, policy_version: str) -> bool:
    """Record a person's consent; False if there is one."""
    values = {"user_id": user_id, "id": person_id, "policy_version": policy_version}
    return tx.execute(_CONSENT, values).rowcount == 1


def _record(row: Row[Any]) -> PersonRecord:
    return PersonRecord(**{**row._mapping, "aliases": tuple(row.aliases)})
