"""Faces that look like one person, put together. Pure NumPy.

Average linkage: two groups are as alike as the mean over all pairs of their faces, which for unit
vectors is the inner product of the groups' means; so it is exact without keeping the pairs. Two
faces of one frame are never in one cluster. Clusters that were there before are joined by new
faces, never with each other and never taken apart: what a user looks at does not shift.

First the faces of some seconds are grouped among themselves (one person in a few frames), then
groups join the cluster that is likest, or begin one, in the order of time; last, new clusters are
merged with what they turned out to be like. The order of time makes it deterministic. A merge of
all pairs at once would cost the square of a video's faces; this costs groups times clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Mean = npt.NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Group:
    """Faces that are taken for one person's."""

    #: Sum of their vectors.
    total: Mean
    count: int
    #: Numbers of the frames they are in, as far as new faces can be in them too.
    frames: set[int]
    #: Places of its new faces.
    faces: list[int] = field(default_factory=list)

    @property
    def mean(self) -> Mean:
        """Of the vectors: as long as they are alike."""
        return self.total / self.count

    def take(self, other: Group) -> None:
        """Become both."""
        self.total = self.total + other.total
        self.count += other.count
        self.frames |= other.frames
        self.faces += other.faces


def sort_faces(
    vectors: Vectors,
    frames: Sequence[int],
    windows: Sequence[int],
    clusters: Sequence[Group],
    *,
    threshold: float,
) -> list[Group]:
    """Put new faces into clusters.

    Args:
        vectors: (n, dimensions), L2-normalised, in the order of time.
        frames: number of each face's frame.
        windows: number of the stretch of time that each face is in.
        clusters: those that there are; they are changed.
        threshold: mean cosine from which on groups are one.

    Returns:
        The new clusters, in the order of time.
    """
    open_clusters, made = list(clusters), len(clusters)
    for group in _groups(vectors, frames, windows, threshold):
        home = _likest(group, open_clusters, threshold)
        if home is None:
            open_clusters.append(group)
        else:
            open_clusters[home].take(group)
    return _merged(open_clusters[:made], open_clusters[made:], threshold)


def _groups(
    vectors: Vectors, frames: Sequence[int], windows: Sequence[int], threshold: float
) -> list[Group]:
    """The faces of each stretch of time, grouped among themselves."""
    by_window: dict[int, list[Group]] = {}
    for face, vector in enumerate(vectors):
        total = vector.astype(np.float64)
        group = Group(total=total, count=1, frames={frames[face]}, faces=[face])
        by_window.setdefault(windows[face], []).append(group)
    return [
        group for window in sorted(by_window) for group in _merged([], by_window[window], threshold)
    ]


def _likest(group: Group, clusters: Sequence[Group], threshold: float) -> int | None:
    """Place of the cluster that a group belongs to; of equals, the first."""
    if not clusters:
        return None
    likeness = np.array([cluster.mean for cluster in clusters]) @ group.mean
    for place in np.argsort(-likeness, kind="stable").tolist():
        if likeness[place] < threshold:
            return None
        if not clusters[place].frames & group.frames:
            return int(place)
    return None


def _merged(fixed: list[Group], groups: list[Group], threshold: float) -> list[Group]:
    """Merge the likest pair, one of which is new, until none is alike enough.

    Args:
        fixed: are never merged with each other; they take new groups in.
        groups: the new ones.
        threshold: as above.

    Returns:
        What is left of the new ones.
    """
    everyone = [*fixed, *groups]
    if len(everyone) < 2:
        return groups
    means = np.array([group.mean for group in everyone])
    likeness = means @ means.T
    alive = np.ones(len(everyone), dtype=bool)
    for place, group in enumerate(everyone):
        likeness[place, place] = -np.inf
        for other in range(place):
            if group.frames & everyone[other].frames:
                likeness[place, other] = likeness[other, place] = -np.inf
    likeness[: len(fixed), : len(fixed)] = -np.inf
    while True:
        first, second = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
        if likeness[first, second] < threshold:
            return [group for place, group in enumerate(everyone) if alive[place]][len(fixed) :]
        keep, gone = sorted((int(first), int(second)))
        everyone[keep].take(everyone[gone])
        alive[gone] = False
        likeness[gone, :] = likeness[:, gone] = -np.inf
        means[keep] = everyone[keep].mean
        row = means @ means[keep]
        blocked = ~alive | [bool(everyone[keep].frames & each.frames) for each in everyone]
        if keep < len(fixed):
            blocked[: len(fixed)] = True
        row[blocked] = -np.inf
        row[keep] = -np.inf
        likeness[keep, :] = likeness[:, keep] = row
