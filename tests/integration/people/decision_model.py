"""What decisions about faces do, as a plain model: sets and dicts, and a list of states to undo."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from uuid import UUID

#: Video and time.
Frame = tuple[UUID, int]


class Refused(Exception):
    """An operation that the model refuses, with the code of the error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(kw_only=True)
class Cluster:
    """Faces, and who they are."""

    faces: set[UUID]
    person: UUID | None = None


@dataclass(kw_only=True)
class State:
    """All that can be undone."""

    clusters: list[Cluster] = field(default_factory=list)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    denied: set[tuple[UUID, UUID]] = field(default_factory=set)

    def root(self, person: UUID | None) -> UUID | None:
        """Whom a person is part of."""
        return None if person is None else self.merged.get(person, person)

    def of(self, person: UUID) -> list[Cluster]:
        """The clusters that are a person."""
        return [each for each in self.clusters if self.root(each.person) == person]

    def facts(self) -> object:
        """To compare; clusters have no names of their own."""
        clusters = {frozenset(each.faces): each.person for each in self.clusters}
        return clusters, self.merged, self.denied


class Model:
    """The state, and those before it.

    Args:
        state: to begin with.
        frames: of every face.
        people: all there are, and whether each consents.
    """

    def __init__(self, state: State, frames: dict[UUID, Frame], people: dict[UUID, bool]) -> None:
        self.state = state
        self.people = people
        self._frames = frames
        self._before: list[State] = []
        self._undone: list[State] = []

    def name(self, place: int, person: UUID) -> None:
        """A cluster is a person."""
        cluster = self.state.clusters[place]
        self._require_own(person)
        if not self.people[person]:
            raise Refused("consent_required")
        if all(
            any((face, each) in self.state.denied for each in self._parts(person))
            for face in cluster.faces
        ):
            raise Refused("person_denied")
        self._require_apart([cluster, *self.state.of(person)])
        self._keep()
        self.state.clusters[place].person = person

    def merge(self, into: int, other: int) -> None:
        """Two clusters are one."""
        if into == other:
            raise Refused("invalid_request")
        first, second = self.state.clusters[into], self.state.clusters[other]
        roots = {self.state.root(each.person) for each in (first, second)} - {None}
        if len(roots) == 2:
            raise Refused("clusters_named_differently")
        named = [each for root in roots if root for each in self.state.of(root)]
        self._require_apart([first, second, *named])
        self._keep()
        first, second = self.state.clusters[into], self.state.clusters[other]
        first.person = first.person or second.person
        first.faces |= second.faces
        self.state.clusters.remove(second)

    def split(self, place: int, faces: set[UUID]) -> None:
        """Some faces of a cluster are somebody else."""
        if not faces or not faces < self.state.clusters[place].faces:
            raise Refused("invalid_request")
        self._keep()
        self.state.clusters[place].faces -= faces
        self.state.clusters.append(Cluster(faces=set(faces)))

    def merge_people(self, into: UUID, other: UUID) -> None:
        """Two people are one."""
        self._require_own(into)
        self._require_own(other)
        if into == other:
            raise Refused("invalid_request")
        self._require_apart([*self.state.of(into), *self.state.of(other)])
        self._keep()
        for person in self._parts(other):
            self.state.merged[person] = into

    def deny(self, person: UUID, faces: set[UUID]) -> None:
        """These faces are not a person."""
        self._require_own(person)
        if all((face, person) in self.state.denied for face in faces):
            raise Refused("invalid_request")
        self._keep()
        self.state.denied |= {(face, person) for face in faces}
        for cluster in self.state.of(person):
            leaving = cluster.faces & faces
            if leaving == cluster.faces:
                cluster.person = None
            elif leaving:
                cluster.faces -= leaving
                self.state.clusters.append(Cluster(faces=leaving))

    def undo(self) -> None:
        """As it was before the last operation."""
        if not self._before:
            raise Refused("nothing_to_undo")
        self._undone.append(self.state)
        self.state = self._before.pop()

    def redo(self) -> None:
        """As it was before the last undo."""
        if not self._undone:
            raise Refused("nothing_to_undo")
        self._before.append(self.state)
        self.state = self._undone.pop()

    def _keep(self) -> None:
        self._before.append(deepcopy(self.state))
        self._undone.clear()

    def _parts(self, person: UUID) -> list[UUID]:
        return [person, *(each for each, into in self.state.merged.items() if into == person)]

    def _require_own(self, person: UUID) -> None:
        if person in self.state.merged:
            raise Refused("not_found")

    def _require_apart(self, clusters: list[Cluster]) -> None:
        distinct = {id(each): each for each in clusters}.values()
        frames = [self._frames[face] for each in distinct for face in each.faces]
        if len(frames) != len(set(frames)):
            raise Refused("faces_share_frame")
