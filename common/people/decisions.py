"""What a user says about faces: this is 민지, these two are one, this is somebody else.

Each is one entry of the journal, can be undone, and changes who is in which scene at once. Two
faces of one frame never become one person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.errors import InputError, NotFoundError
from common.people import consent, journal, packed
from common.people.journal import Entry, Rows
from common.people.locks import lock_people
from common.people.matching import rematch

_PERSON = text("""
    SELECT id, name, aliases, consent_policy_version,
           CAST(to_jsonb(consent_at) #>> '{}' AS text) AS consent_at,
           CAST(to_jsonb(created_at) #>> '{}' AS text) AS created_at
    FROM people WHERE user_id = :user_id AND id = :id AND merged_into IS NULL
""")
_CLUSTER = text("""
    SELECT c.id, c.person_id, coalesce(p.merged_into, p.id) AS root
    FROM face_clusters c LEFT JOIN people p ON p.user_id = :user_id AND p.id = c.person_id
    WHERE c.user_id = :user_id AND c.id = :id
""")
_MEMBERS = text(f"""
    SELECT {packed.uuids("observation_id")} AS faces
    FROM (SELECT observation_id FROM face_assignments
          WHERE user_id = :user_id AND cluster_id = :id ORDER BY observation_id) AS f
""")
_CLUSTERS_OF = text("""
    SELECT c.id FROM face_clusters c JOIN people p ON p.user_id = :user_id AND p.id = c.person_id
    WHERE c.user_id = :user_id AND coalesce(p.merged_into, p.id) = :root ORDER BY c.id
""")
_SHARED_FRAME = text("""
    SELECT o.video_id, o.time_ms FROM face_assignments a
    JOIN face_observations o ON o.user_id = :user_id AND o.id = a.observation_id
    WHERE a.user_id = :user_id AND a.cluster_id = ANY(CAST(:ids AS uuid[]))
    GROUP BY o.video_id, o.time_ms HAVING count(*) > 1
    ORDER BY o.video_id, o.time_ms LIMIT 1
""")
_PARTS = text("""
    SELECT id, merged_into FROM people
    WHERE user_id = :user_id AND (id = :id OR merged_into = :id) ORDER BY id
""")
_FACES = text("""
    SELECT o.id, a.cluster_id, EXISTS (
        SELECT FROM face_negatives n
        WHERE n.user_id = :user_id AND n.observation_id = o.id AND n.person_id = :person_id)
        AS denied
    FROM face_observations o
    LEFT JOIN face_assignments a ON a.user_id = :user_id AND a.observation_id = o.id
    WHERE o.user_id = :user_id AND o.id = ANY(CAST(:faces AS uuid[])) ORDER BY o.id
""")
_ALLOWED = text("""
    SELECT count(*) FROM face_assignments a
    WHERE a.user_id = :user_id AND a.cluster_id = :id AND NOT EXISTS (
        SELECT FROM face_negatives n JOIN people p ON p.user_id = :user_id AND p.id = n.person_id
        WHERE n.user_id = :user_id AND n.observation_id = a.observation_id
          AND coalesce(p.merged_into, p.id) = :root)
""")


@dataclass(frozen=True, kw_only=True)
class _Cluster:
    id: str
    #: As the row has it, and whom that person is part of.
    person: str | None
    root: str | None
    faces: list[str]


class Decisions:
    """A user's decisions, in one transaction.

    Args:
        tx: of this tenant, as a role that may write.
        user_id: the tenant.

    Raises:
        InputError: `consent_required`: the user does not consent to faces being told apart.
    """

    def __init__(self, tx: Connection, user_id: UUID) -> None:
        self._tx = tx
        self._user_id = user_id
        if not consent.hold(tx, user_id):
            raise InputError("consent_required")
        lock_people(tx, user_id)

    def name_cluster(self, cluster_id: UUID, person_id: UUID, *, created: bool = False) -> None:
        """Say who a cluster is.

        Args:
            cluster_id: of the cluster, named before or not.
            person_id: who agreed to be known by their face.
            created: the person was made for this, and goes if it is undone.

        Raises:
            NotFoundError: no such cluster or person.
            InputError: `consent_required`, `person_denied`, `faces_share_frame`.
        """
        cluster, person = self._cluster(cluster_id), self._person(person_id)
        if person["consent_at"] is None:
            raise InputError("consent_required", f"person {person_id}")
        allowed = self._read(_ALLOWED, id=cluster_id, root=person_id).scalar_one()
        if not allowed:
            raise InputError("person_denied", f"cluster {cluster_id}")
        self._require_apart([cluster_id, *self._clusters_of(person_id)])
        made = {str(person_id): person} if created else {}
        self._do(
            "name_cluster",
            before=Rows(clusters={cluster.id: cluster.person}),
            after=Rows(clusters={cluster.id: str(person_id)}, people=made),
        )

    def merge_clusters(self, into_id: UUID, other_id: UUID) -> None:
        """Say that two clusters are one person; the other one's faces join the first.

        Raises:
            NotFoundError: no such cluster.
            InputError: `invalid_request`, `clusters_named_differently`, `faces_share_frame`.
        """
        into, other = self._cluster(into_id), self._cluster(other_id)
        if into_id == other_id:
            raise InputError("invalid_request", "a cluster cannot be merged with itself")
        if into.root and other.root and into.root != other.root:
            raise InputError("clusters_named_differently", f"{into_id}, {other_id}")
        person, root = into.person or other.person, into.root or other.root
        named = self._clusters_of(UUID(root)) if root else []
        self._require_apart([into_id, other_id, *named])
        self._do(
            "merge_clusters",
            before=Rows(
                clusters={into.id: into.person, other.id: other.person},
                members={other.id: other.faces},
            ),
            after=Rows(clusters={into.id: person}, members={into.id: other.faces}),
        )

    def split_cluster(self, cluster_id: UUID, faces: Sequence[UUID]) -> UUID:
        """Say that some faces of a cluster are somebody else; they become a cluster of nobody yet.

        Returns:
            The id of the new cluster.

        Raises:
            NotFoundError: no such cluster.
            InputError: `invalid_request`: none of its faces, all of them, or others.
        """
        cluster = self._cluster(cluster_id)
        leaving = sorted({str(face) for face in faces})
        if not leaving or not set(leaving) < set(cluster.faces):
            raise InputError("invalid_request", "some of the cluster's faces, and not all")
        made = uuid4()
        self._do(
            "split_cluster",
            before=Rows(members={cluster.id: leaving}),
            after=Rows(clusters={str(made): None}, members={str(made): leaving}),
        )
        return made

    def merge_people(self, into_id: UUID, other_id: UUID) -> None:
        """Say that two people are one; the other is part of the first from then on.

        Raises:
            NotFoundError: no such person.
            InputError: `invalid_request`, `faces_share_frame`.
        """
        self._person(into_id)
        self._person(other_id)
        if into_id == other_id:
            raise InputError("invalid_request", "a person cannot be merged with themselves")
        self._require_apart([*self._clusters_of(into_id), *self._clusters_of(other_id)])
        parts = {str(row.id): _text(row.merged_into) for row in self._read(_PARTS, id=other_id)}
        self._do(
            "merge_people",
            before=Rows(merged=parts),
            after=Rows(merged=dict.fromkeys(parts, str(into_id))),
        )

    def not_this_person(self, person_id: UUID, faces: Sequence[UUID]) -> None:
        """Say that faces are not a person; they leave the person's clusters, for ever.

        Raises:
            NotFoundError: no such person or face.
            InputError: `invalid_request`: no faces, or it was said of all of them before.
        """
        self._person(person_id)
        wanted = packed.array(sorted(set(faces)))
        rows = self._read(_FACES, person_id=person_id, faces=wanted).all()
        if len(rows) != len(set(faces)):
            raise NotFoundError("a face")
        denied = [str(row.id) for row in rows if not row.denied]
        if not denied:
            raise InputError("invalid_request", "it was said before, of all faces")
        leaving: dict[UUID, list[str]] = defaultdict(list)
        own = set(self._clusters_of(person_id))
        for row in rows:
            if row.cluster_id in own:
                leaving[row.cluster_id].append(str(row.id))
        before, after = self._left(leaving)
        said = {str(person_id): denied}
        self._do(
            "not_this_person",
            before=before,
            after=Rows(clusters=after.clusters, members=after.members, denied=said),
        )

    def undo(self) -> Entry:
        """Undo the last decision.

        Raises:
            InputError: `nothing_to_undo`.
        """
        entry = journal.undo(self._tx, self._user_id)
        rematch(self._tx, self._user_id)
        return entry

    def redo(self) -> Entry:
        """Do what was undone last again.

        Raises:
            InputError: `nothing_to_undo`.
        """
        entry = journal.redo(self._tx, self._user_id)
        rematch(self._tx, self._user_id)
        return entry

    def _left(self, leaving: dict[UUID, list[str]]) -> tuple[Rows, Rows]:
        """Faces that leave a person's clusters: a new cluster each, or all of it is nobody's."""
        were: dict[str, str | None] = {}
        become: dict[str, str | None] = {}
        old: dict[str, list[str]] = {}
        new: dict[str, list[str]] = {}
        for cluster_id, faces in sorted(leaving.items()):
            cluster = self._cluster(cluster_id)
            if len(faces) == len(cluster.faces):
                were[cluster.id], become[cluster.id] = cluster.person, None
                continue
            made = str(uuid4())
            become[made] = None
            old[cluster.id], new[made] = faces, faces
        return Rows(clusters=were, members=old), Rows(clusters=become, members=new)

    def _do(self, kind: journal.Kind, *, before: Rows, after: Rows) -> None:
        journal.do(self._tx, self._user_id, kind, before=before, after=after)
        rematch(self._tx, self._user_id)

    def _cluster(self, cluster_id: UUID) -> _Cluster:
        row = self._read(_CLUSTER, id=cluster_id).one_or_none()
        faces = packed.split_ids(self._read(_MEMBERS, id=cluster_id).scalar_one())
        # One whose faces are all gone is not shown to anyone.
        if row is None or not faces:
            raise NotFoundError(f"cluster {cluster_id}")
        return _Cluster(
            id=str(row.id),
            person=_text(row.person_id),
            root=_text(row.root),
            faces=[str(UUID(bytes=face)) for face in faces],
        )

    def _person(self, person_id: UUID) -> dict[str, Any]:
        """The columns of a person who is part of nobody else."""
        row = self._read(_PERSON, id=person_id).one_or_none()
        if row is None:
            raise NotFoundError(f"person {person_id}")
        columns: dict[str, Any] = row._asdict()
        del columns["id"]
        return columns

    def _clusters_of(self, person_id: UUID) -> list[UUID]:
        return [row.id for row in self._read(_CLUSTERS_OF, root=person_id)]

    def _require_apart(self, cluster_ids: Sequence[UUID]) -> None:
        """No frame has two faces of these clusters."""
        row = self._read(_SHARED_FRAME, ids=packed.array(set(cluster_ids))).one_or_none()
        if row is not None:
            raise InputError("faces_share_frame", f"video {row.video_id} at {row.time_ms} ms")

    def _read(self, statement: Any, **values: object) -> Any:
        return self._tx.execute(statement, {"user_id": self._user_id, **values})


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
