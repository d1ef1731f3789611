"""What the user did to people and clusters, and how to undo it.

An operation is a set of rows as they were and as they became. Doing, undoing and doing again are
one function: make rows so. Undoing goes back in order, the last operation first; a new operation
ends what could be done again. Faces that were sorted into a cluster since stay in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.errors import InputError
from common.people import packed

Kind = Literal["name_cluster", "merge_clusters", "split_cluster", "merge_people", "not_this_person"]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that an operation touches, by their ids as text."""

    #: Columns of people that it made.
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Whom people are part of; None for people of their own.
    merged: Mapping[str, str | None] = field(default_factory=dict)
    #: Who clusters are; None for nobody yet.
    clusters: Mapping[str, str | None] = field(default_factory=dict)
    #: Faces by the cluster they are in.
    members: Mapping[str, list[str]] = field(default_factory=dict)
    #: Faces by the person they are not.
    denied: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An operation."""

    id: UUID
    seq: int
    kind: Kind
    before: Rows
    after: Rows


_ADD_PEOPLE = text("""
    INSERT INTO people (user_id, id, name, aliases, consent_policy_version, consent_at, created_at)
    SELECT :user_id, r.* FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        id uuid, name text, aliases text[], consent_policy_version text, consent_at timestamptz,
        created_at timestamptz)
    ON CONFLICT (user_id, id) DO NOTHING
""")
_MERGE_PEOPLE = text("""
    UPDATE people p SET merged_into = r.into_id, updated_at = clock_timestamp()
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, into_id uuid)
    WHERE p.user_id = :user_id AND p.id = r.id
""")
_SET_CLUSTERS = text("""
    INSERT INTO face_clusters (user_id, id, person_id)
    SELECT :user_id, r.id, r.person_id
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, person_id uuid)
    ON CONFLICT (user_id, id) DO UPDATE SET person_id = excluded.person_id
""")
# One may have lost its last face since, and gone.
_ENSURE_CLUSTERS = text("""
    INSERT INTO face_clusters (user_id, id)
    SELECT :user_id, id FROM unnest(CAST(:ids AS uuid[])) AS r (id)
    ON CONFLICT (user_id, id) DO NOTHING
""")
# A face's video may have been deleted since.
_SET_MEMBERS = text("""
    INSERT INTO face_assignments (user_id, observation_id, cluster_id)
    SELECT :user_id, o.id, :cluster_id FROM face_observations o
    WHERE o.user_id = :user_id AND o.id = ANY(CAST(:faces AS uuid[]))
    ON CONFLICT (user_id, observation_id) DO UPDATE SET cluster_id = excluded.cluster_id
""")
_DENY = text("""
    INSERT INTO face_negatives (user_id, observation_id, person_id)
    SELECT :user_id, o.id, :person_id FROM face_observations o
    WHERE o.user_id = :user_id AND o.id = ANY(CAST(:faces AS uuid[]))
    ON CONFLICT DO NOTHING
""")
_ALLOW = text("""
    DELETE FROM face_negatives
    WHERE user_id = :user_id AND person_id = :person_id
      AND observation_id = ANY(CAST(:faces AS uuid[]))
""")
_DROP_MEMBERS = text("""
    DELETE FROM face_assignments
    WHERE user_id = :user_id AND observation_id = ANY(CAST(:faces AS uuid[]))
""")
# One that faces have joined since stays.
_DROP_CLUSTERS = text("""
    DELETE FROM face_clusters c
    WHERE c.user_id = :user_id AND c.id = ANY(CAST(:ids AS uuid[])) AND NOT EXISTS (
        SELECT FROM face_assignments a WHERE a.user_id = :user_id AND a.cluster_id = c.id)
""")
# Somebody who has more by now than the operation gave them stays.
_DROP_PEOPLE = text("""
    DELETE FROM people p
    WHERE p.user_id = :user_id AND p.id = ANY(CAST(:ids AS uuid[]))
      AND NOT EXISTS (SELECT FROM person_photos f
                      WHERE f.user_id = :user_id AND f.person_id = p.id)
      AND NOT EXISTS (SELECT FROM face_clusters c
                      WHERE c.user_id = :user_id AND c.person_id = p.id)
      AND NOT EXISTS (SELECT FROM face_negatives n
                      WHERE n.user_id = :user_id AND n.person_id = p.id)
      AND NOT EXISTS (SELECT FROM people q WHERE q.user_id = :user_id AND q.merged_into = p.id)
""")
_RECORD = text("""
    INSERT INTO people_journal (user_id, id, seq, kind, before, after)
    SELECT :user_id, :id, coalesce(max(seq), 0) + 1, :kind, CAST(:before AS jsonb),
           CAST(:after AS jsonb)
    FROM people_journal WHERE user_id = :user_id
""")
_END_REDO = text("""
    DELETE FROM people_journal WHERE user_id = :user_id AND undone_at IS NOT NULL
""")
_LAST_DONE: Final = "undone_at IS NULL ORDER BY seq DESC"
_FIRST_UNDONE: Final = "undone_at IS NOT NULL ORDER BY seq"
_MARK = text("""
    UPDATE people_journal
    SET undone_at = CASE WHEN :undone THEN clock_timestamp() END
    WHERE user_id = :user_id AND id = :id
""")


def do(tx: Connection, user_id: UUID, kind: Kind, *, before: Rows, after: Rows) -> UUID:
    """Carry out an operation and note it.

    Args:
        tx: a transaction of this tenant that holds the lock of its people.
        user_id: the tenant.
        kind: what is done.
        before: the rows as they are.
        after: as they become; those that are in `before` alone are deleted.

    Returns:
        The id of the entry.
    """
    tx.execute(_END_REDO, {"user_id": user_id})
    _make(tx, user_id, wanted=after, other=before)
    entry = {"user_id": user_id, "id": uuid4(), "kind": kind}
    rows = {"before": _written(before), "after": _written(after)}
    tx.execute(_RECORD, entry | rows)
    return UUID(str(entry["id"]))


def undo(tx: Connection, user_id: UUID) -> Entry:
    """Undo the last operation that is not undone.

    Raises:
        InputError: `nothing_to_undo`.
    """
    entry = _entry(tx, user_id, _LAST_DONE)
    _make(tx, user_id, wanted=entry.before, other=entry.after)
    tx.execute(_MARK, {"user_id": user_id, "id": entry.id, "undone": True})
    return entry


def redo(tx: Connection, user_id: UUID) -> Entry:
    """Do the operation again that was undone last.

    Raises:
        InputError: `nothing_to_undo`.
    """
    entry = _entry(tx, user_id, _FIRST_UNDONE)
    _make(tx, user_id, wanted=entry.after, other=entry.before)
    tx.execute(_MARK, {"user_id": user_id, "id": entry.id, "undone": False})
    return entry


def _entry(tx: Connection, user_id: UUID, which: str) -> Entry:
    statement = text(
        f"SELECT id, seq, kind, before, after FROM people_journal "
        f"WHERE user_id = :user_id AND {which} LIMIT 1"
    )
    row = tx.execute(statement, {"user_id": user_id}).one_or_none()
    if row is None:
        raise InputError("nothing_to_undo")
    return Entry(
        id=row.id,
        seq=row.seq,
        kind=row.kind,
        before=Rows(**row.before),
        after=Rows(**row.after),
    )


def _make(tx: Connection, user_id: UUID, *, wanted: Rows, other: Rows) -> None:
    """Make rows so; delete those that are only in `other`."""
    owner = {"user_id": user_id}
    people = [{"id": key, **columns} for key, columns in wanted.people.items()]
    merged = [{"id": key, "into_id": into} for key, into in wanted.merged.items()]
    clusters = [{"id": key, "person_id": person} for key, person in wanted.clusters.items()]
    for statement, rows in (
        (_ADD_PEOPLE, people),
        (_MERGE_PEOPLE, merged),
        (_SET_CLUSTERS, clusters),
    ):
        if rows:
            tx.execute(statement, {**owner, "rows": json.dumps(rows, ensure_ascii=False)})
    tx.execute(_ENSURE_CLUSTERS, {**owner, "ids": packed.array(wanted.members)})
    for cluster, faces in wanted.members.items():
        tx.execute(_SET_MEMBERS, {**owner, "cluster_id": cluster, "faces": packed.array(faces)})
    _drop(tx, owner, wanted, other)
    for statement, denied in ((_ALLOW, other.denied), (_DENY, wanted.denied)):
        for person, faces in denied.items():
            tx.execute(statement, {**owner, "person_id": person, "faces": packed.array(faces)})
    if gone := other.people.keys() - wanted.people.keys():
        tx.execute(_DROP_PEOPLE, {**owner, "ids": packed.array(sorted(gone))})


def _drop(tx: Connection, owner: dict[str, Any], wanted: Rows, other: Rows) -> None:
    kept = {face for faces in wanted.members.values() for face in faces}
    left = {face for faces in other.members.values() for face in faces} - kept
    if left:
        tx.execute(_DROP_MEMBERS, {**owner, "faces": packed.array(sorted(left))})
    if gone := other.clusters.keys() - wanted.clusters.keys():
        tx.execute(_DROP_CLUSTERS, {**owner, "ids": packed.array(sorted(gone))})


def _written(rows: Rows) -> str:
    return json.dumps(asdict(rows), ensure_ascii=False)
