"""Naming, merging, splitting, denying and undoing, against a plain model, on real Postgres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from common.database import Database
from common.errors import HeimdexError
from common.people.decisions import Decisions
from common.people.thresholds import of_model
from tests.conftest import TestDatabase
from tests.face_library import MODEL, Face, Library, drawn_id, identities, seen
from tests.integration.people.brute_force import BruteForce, assert_same
from tests.integration.people.decision_model import Cluster, Model, Refused, State

_SOME, _MANY = 120, 1_000


class Played:
    """A library and the model of it, and one random operation after the other on both."""

    def __init__(self, library: Library, api: Database, seed: int) -> None:
        self._library = library
        self._api = api
        self._rng = np.random.default_rng(seed)
        self.faces = self._fill()
        self.model = self._modelled()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def step(self) -> None:
        """One operation on both; both refuse it with the same code, or neither does."""
        kind, expected, real = self._choice()
        wanted = got = ""
        try:
            expected()
        except Refused as refusal:
            wanted = refusal.code
        try:
            with self._api.tenant(self._library.user_id, effect="test.decide") as tx:
                real(Decisions(tx, self._library.user_id))
        except HeimdexError as error:
            got = error.code
        assert got == wanted
        self.done[kind] += not got
        self.refused[got] += bool(got)

    def facts(self) -> object:
        """The tables as the model has them."""
        read = self._library.database.owner_rows
        owner = {"u": self._library.user_id}
        names = {
            r.id: r.person_id
            for r in read("SELECT * FROM face_clusters WHERE user_id = :u", **owner)
        }
        clusters: dict[UUID, set[UUID]] = {key: set() for key in names}
        for row in read("SELECT * FROM face_assignments WHERE user_id = :u", **owner):
            clusters[row.cluster_id].add(row.observation_id)
        merged = read(
            "SELECT * FROM people WHERE user_id = :u AND merged_into IS NOT NULL", **owner
        )
        denied = read("SELECT * FROM face_negatives WHERE user_id = :u", **owner)
        return (
            {frozenset(faces): names[key] for key, faces in clusters.items()},
            {row.id: row.merged_into for row in merged},
            {(row.observation_id, row.person_id) for row in denied},
        )

    def _choice(self) -> tuple[str, Callable[[], None], Callable[[Decisions], object]]:
        rng, model = self._rng, self.model
        kind = str(
            rng.choice(
                ["name", "merge", "split", "people", "deny", "undo", "redo"],
                p=[0.25, 0.2, 0.15, 0.05, 0.15, 0.15, 0.05],
            )
        )
        clusters = model.state.clusters
        one, two = (int(each) for each in rng.integers(len(clusters), size=2))
        people = list(model.people)
        person, other = (people[int(each)] for each in rng.integers(len(people), size=2))
        if kind == "name":
            cluster = self._id(clusters[one])
            return kind, lambda: model.name(one, person), lambda d: d.name_cluster(cluster, person)
        if kind == "merge":
            into, gone = self._id(clusters[one]), self._id(clusters[two])
            return kind, lambda: model.merge(one, two), lambda d: d.merge_clusters(into, gone)
        if kind == "split":
            cluster = self._id(clusters[one])
            faces = self._some(sorted(clusters[one].faces))
            return (
                kind,
                lambda: model.split(one, set(faces)),
                lambda d: d.split_cluster(cluster, faces),
            )
        if kind == "people":
            return (
                kind,
                lambda: model.merge_people(person, other),
                lambda d: d.merge_people(person, other),
            )
        if kind == "deny":
            own = sorted(face for each in model.state.of(person) for face in each.faces)
            pool = own if own and rng.random() < 0.6 else [f.observation_id for f in self.faces]
            faces = self._some(pool) or pool[:1]
            return (
                kind,
                lambda: model.deny(person, set(faces)),
                lambda d: d.not_this_person(person, faces),
            )
        if kind == "undo":
            return kind, model.undo, lambda d: d.undo()
        return kind, model.redo, lambda d: d.redo()

    def _some(self, faces: list[UUID]) -> list[UUID]:
        size = int(self._rng.integers(0, min(len(faces), 4) + 1))
        return [faces[int(at)] for at in self._rng.choice(len(faces), size=size, replace=False)]

    def _id(self, cluster: Cluster) -> UUID:
        rows = self._library.database.owner_rows(
            "SELECT cluster_id FROM face_assignments WHERE user_id = :u AND observation_id = :f",
            u=self._library.user_id,
            f=min(cluster.faces),
        )
        return UUID(str(rows[0].cluster_id))

    def _fill(self) -> list[Face]:
        """Three videos of frames with up to three of eight people."""
        looks = identities(self._rng, 8, spread=0.8)
        faces: list[Face] = []
        for _ in range(3):
            video_id, _ = self._library.add_video(scenes=3)
            for time_ms in range(1_000, 30_000, 3_000):
                for who in self._rng.choice(8, size=int(self._rng.integers(1, 4)), replace=False):
                    vector = seen(self._rng, looks[int(who)], noise=0.9)
                    face_id = drawn_id(self._rng)
                    faces.append(
                        Face(
                            video_id=video_id,
                            time_ms=time_ms,
                            vector=vector,
                            observation_id=face_id,
                        )
                    )
        self._library.add_faces(faces)
        return faces

    def _modelled(self) -> Model:
        """Five people, one of whom does not consent, and clusters of a few faces."""
        ids = [drawn_id(self._rng) for _ in range(5)]
        people = {each: place > 0 for place, each in enumerate(ids)}
        for each, consents in people.items():
            self._library.add_person("somebody", consent=consents, person_id=each)
        state = State()
        for start in range(0, len(self.faces), 3):
            group: list[Face] = []
            for face in self.faces[start : start + 3]:
                if all((face.video_id, face.time_ms) != (g.video_id, g.time_ms) for g in group):
                    group.append(face)
            self._library.add_cluster(group)
            state.clusters.append(Cluster(faces={face.observation_id for face in group}))
        frames = {face.observation_id: (face.video_id, face.time_ms) for face in self.faces}
        return Model(state, frames, people)


@pytest.mark.parametrize(
    ("operations", "seed"),
    [pytest.param(_SOME, 1, id="some"), pytest.param(_MANY, 2, id="many", marks=pytest.mark.deep)],
)
def test_decisions_equal_a_plain_model(
    database: TestDatabase, api_database: Database, operations: int, seed: int
) -> None:
    """After each of many random operations the tables say what the model says; scenes follow."""
    library = Library(database=database).create()
    played = Played(library, api_database, seed)
    thresholds = of_model(MODEL)
    assert thresholds is not None
    for operation in range(operations):
        played.step()
        assert played.facts() == played.model.state.facts()
        if operation % 20 == 19:
            expected = BruteForce(database, library.user_id, thresholds).appearances()
            assert_same(library.appearances(), expected)
    assert min(played.done[kind] for kind in ("name", "merge", "split", "deny", "undo")) > 3
    assert sum(played.refused.values()) > 3
