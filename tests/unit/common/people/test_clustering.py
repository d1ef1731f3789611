"""Clusters: exact means, stable when videos come one by one, and never two faces of one frame."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from common.people.clustering import Group, Vectors, sort_faces

_THRESHOLD = 0.42


def _looks(rng: np.random.Generator, people: int) -> Vectors:
    looks = rng.normal(size=(people, 64))
    return np.asarray(looks / np.linalg.norm(looks, axis=1, keepdims=True), dtype=np.float32)


def _video(
    rng: np.random.Generator, looks: Vectors, *, noise: float, frames: int = 30
) -> tuple[Vectors, list[int], list[int], list[int]]:
    """Faces, their frames, windows and true people; several people to a frame."""
    vectors, where, who = [], [], []
    for frame in range(frames):
        for person in rng.choice(len(looks), size=int(rng.integers(1, 4)), replace=False).tolist():
            vector = looks[person] + noise * rng.normal(size=64) / 8
            vectors.append(vector / np.linalg.norm(vector))
            where.append(frame)
            who.append(person)
    windows = [frame // 4 for frame in where]
    return np.asarray(vectors, dtype=np.float32), where, windows, who


def test_people_who_differ_clearly_are_found_exactly() -> None:
    """With little noise every person is one cluster, and every cluster one person."""
    rng = np.random.default_rng(1)
    looks = _looks(rng, 5)
    vectors, frames, windows, who = _video(rng, looks, noise=0.5)
    made = sort_faces(vectors, frames, windows, [], threshold=_THRESHOLD)
    assert sorted(face for group in made for face in group.faces) == list(range(len(vectors)))
    assert [len({who[face] for face in group.faces}) for group in made] == [1] * 5


@pytest.mark.parametrize("seed", range(6))
def test_clusters_keep_their_rules_when_faces_overlap(seed: int) -> None:
    """Sums are those of the faces, no frame is twice in a cluster, no two new ones are alike."""
    rng = np.random.default_rng(seed)
    vectors, frames, windows, _ = _video(rng, _looks(rng, 6), noise=1.6)
    made = sort_faces(vectors, frames, windows, [], threshold=_THRESHOLD)
    for group in made:
        assert np.allclose(group.total, vectors[group.faces].astype(float).sum(axis=0))
        assert len({frames[face] for face in group.faces}) == len(group.faces) == group.count
    for one, other in combinations(made, 2):
        pairs = vectors[one.faces] @ vectors[other.faces].T
        assert one.frames & other.frames or pairs.mean() < _THRESHOLD + 1e-6


def test_sorting_is_deterministic() -> None:
    """The same faces make the same clusters."""
    vectors, frames, windows, _ = _video(
        np.random.default_rng(3), _looks(np.random.default_rng(3), 6), noise=1.5
    )
    first, second = (sort_faces(vectors, frames, windows, [], threshold=0.4) for _ in range(2))
    assert [group.faces for group in first] == [group.faces for group in second]


def test_a_later_video_joins_what_is_there() -> None:
    """Known clusters take their person's new faces in and are not merged; strangers begin one."""
    rng = np.random.default_rng(4)
    looks = _looks(rng, 4)
    known = [
        Group(total=looks[person].astype(float) * 3, count=3, frames=set())
        for person in (0, 1, 1)  # two clusters of one person, as a user may have split them
    ]
    vectors, frames, windows, who = _video(rng, looks, noise=0.4)
    made = sort_faces(vectors, frames, windows, known, threshold=_THRESHOLD)
    assert {who[face] for face in known[0].faces} == {0}
    assert {who[face] for group in known[1:] for face in group.faces} == {1}
    assert [{who[face] for face in group.faces} for group in made] in ([{2}, {3}], [{3}, {2}])


def test_a_face_stays_out_of_a_cluster_that_has_its_frame() -> None:
    """However alike: another face of the frame is that person already."""
    look = _looks(np.random.default_rng(5), 1)
    known = [Group(total=look[0].astype(float), count=1, frames={7})]
    made = sort_faces(np.concatenate([look, look]), [7, 8], [0, 1], known, threshold=_THRESHOLD)
    assert [group.faces for group in made] == [[0]]
    assert known[0].faces == [1]
