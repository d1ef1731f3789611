"""Who is where, as docs/people.md puts it, in plain loops over rows; nothing shared but thresholds.

What matching computes at once must equal this.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from common.people.thresholds import Thresholds
from tests.conftest import TestDatabase
from tests.face_library import DIMENSIONS

Appearance = tuple[float, int, int, int]


class BruteForce:
    """Reads a tenant's tables, and decides face by face.

    Args:
        database: read as its owner.
        user_id: the tenant.
        thresholds: of the recogniser that made all vectors.
    """

    def __init__(self, database: TestDatabase, user_id: UUID, thresholds: Thresholds) -> None:
        self._thresholds = thresholds

        def read(table: str) -> list[Any]:
            return database.owner_rows(f"SELECT * FROM {table} WHERE user_id = :u", u=user_id)

        self._people = {row.id: row for row in read("people")}
        clusters = {row.id: row.person_id for row in read("face_clusters")}
        self._cluster = {row.observation_id: row.cluster_id for row in read("face_assignments")}
        self._denied = {
            (row.observation_id, root)
            for row in read("face_negatives")
            if (root := self._root(row.person_id))
        }
        self._faces = sorted(read("face_observations"), key=lambda row: row.id)
        self._told: dict[UUID, UUID] = {}
        for face in self._faces:
            person = clusters.get(self._cluster.get(face.id))
            root = self._root(person) if person else None
            if root and (face.id, root) not in self._denied:
                self._told[face.id] = root
        self._centroids = self._known(read("photo_faces"))
        self._scenes = read("scenes")

    def appearances(self) -> dict[tuple[UUID, UUID], Appearance]:
        """(person, scene) -> (confidence, first, last, best)."""
        frames: dict[tuple[UUID, int], list[Any]] = defaultdict(list)
        for face in self._faces:
            frames[face.video_id, face.time_ms].append(face)
        who: dict[UUID, tuple[UUID, float]] = {}
        for faces in frames.values():
            who |= self._frame(faces)
        found = {}
        for scene in self._scenes:
            inside = [
                face
                for face in self._faces
                if face.video_id == scene.video_id and scene.start_ms <= face.time_ms < scene.end_ms
            ]
            for person, appearance in self._scene(inside, who).items():
                found[person, scene.id] = appearance
        return found

    def _root(self, person: UUID) -> UUID | None:
        row = self._people[person]
        root = self._people[row.merged_into or row.id]
        return root.id if row.consent_at and root.consent_at else None

    def _known(self, photos: list[Any]) -> dict[UUID, np.ndarray[Any, Any]]:
        groups: dict[UUID, list[list[Any]]] = defaultdict(lambda: [[], []])
        for photo in photos:
            if root := self._root(photo.person_id):
                groups[root][0].append(_vector(photo))
        for face in self._faces:
            if face.id in self._told:
                groups[self._told[face.id]][1].append(_vector(face))
        return {
            person: _unit(sum(_unit(np.mean(part, axis=0)) for part in parts if part))
            for person, parts in groups.items()
        }

    def _frame(self, faces: list[Any]) -> dict[UUID, tuple[UUID, float]]:
        found: dict[UUID, tuple[UUID, float]] = {}
        taken: set[UUID] = set()
        for face in faces:
            told = self._told.get(face.id)
            if told and told not in taken:
                found[face.id] = (told, 1.0)
                taken.add(told)
        while True:
            best: tuple[float, UUID, UUID] | None = None
            for face in faces:
                if face.id in found:
                    continue
                likeness = sorted(
                    (
                        (float(_vector(face) @ centroid), person)
                        for person, centroid in self._centroids.items()
                        if person not in taken and (face.id, person) not in self._denied
                    ),
                    reverse=True,
                )
                if not likeness or likeness[0][0] < self._thresholds.same:
                    continue
                if len(likeness) > 1 and likeness[0][0] - likeness[1][0] < self._thresholds.margin:
                    continue
                if best is None or likeness[0][0] > best[0]:
                    best = (likeness[0][0], face.id, likeness[0][1])
            if best is None:
                return found
            found[best[1]] = (best[2], best[0])
            taken.add(best[2])

    def _scene(
        self, faces: list[Any], who: dict[UUID, tuple[UUID, float]]
    ) -> dict[UUID, Appearance]:
        votes: dict[Any, dict[UUID, float]] = defaultdict(lambda: defaultdict(float))
        cast = []
        for face in faces:
            if face.id not in who:
                continue
            person, likeness = who[face.id]
            weight = face.quality * min(math.sqrt(face.box[2] * face.box[3]) / 0.1, 1.0)
            if likeness >= 1.0:
                weight = max(weight, 0.02)
            share = (likeness - self._thresholds.same) / (
                self._thresholds.certain - self._thresholds.same
            )
            trust = 0.5 + 0.5 * min(max(share, 0.0), 1.0)
            track = self._cluster.get(face.id, face.id)
            votes[track][person] += weight * trust
            cast.append((face, track, person, weight, trust, likeness >= 1.0))
        elected: dict[UUID, list[Any]] = defaultdict(list)
        for vote in cast:
            options = votes[vote[1]]
            if vote[2] == max(options, key=lambda person: (options[person], -person.int)):
                elected[vote[2]].append(vote)
        return {
            person: appearance
            for person, of_person in elected.items()
            if (appearance := _counted(of_person))
        }


def assert_same(
    found: dict[tuple[UUID, UUID], Appearance], expected: dict[tuple[UUID, UUID], Appearance]
) -> None:
    """Equal but for the last digits of confidences."""
    assert found.keys() == expected.keys()
    for key, appearance in expected.items():
        assert found[key] == pytest.approx(appearance, abs=1e-4), key


def _counted(votes: list[Any]) -> Appearance | None:
    support = sum(vote[3] for vote in votes)
    if support < 0.02:
        return None
    mean = sum(vote[3] * vote[4] for vote in votes) / support
    confidence = 1.0 if any(vote[5] for vote in votes) else mean * support / (support + 0.1)
    times = [vote[0].time_ms for vote in votes]
    best = max(votes, key=lambda vote: (vote[3] * vote[4], -vote[0].time_ms))[0].time_ms
    return (min(confidence, 1.0), min(times), max(times), best)


def _vector(row: Any) -> Any:
    numbers = row.vector.strip("[]").split(",")[:DIMENSIONS]
    return np.array([float(each) for each in numbers])


def _unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)
