"""Who is in a scene: the votes of the faces that were recognised in its frames. Pure NumPy.

A vote weighs as much as the face can be seen (its quality) and as large as it is. Faces of one
cluster in one scene are one person's, so they elect one person together. What is left of a scene
then is people with a share of votes behind each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from common.people.assignment import Identities
from common.people.thresholds import Thresholds

#: A face this large (root of its share of the frame) weighs fully.
_FULL_SIZE: Final = 0.1
#: A likeness that is just enough counts so much; one that is certain counts 1.
_JUST_ENOUGH: Final = 0.5
#: Votes of this weight are worth half the confidence that more of the same would give.
_HALF_SUPPORT: Final = 0.1
#: Less weight than this is no evidence: one small, blurred face.
_LEAST_WEIGHT: Final = 0.02

Indices = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ballots:
    """Where faces were seen: one row per face and scene that holds its frame."""

    #: Place of the face in `Identities`.
    faces: Indices
    scenes: Indices
    times_ms: Indices
    #: Of the face: which cluster, or a number of its own if it is in none.
    tracks: Indices
    #: 0–1.
    quality: Numbers
    #: Of the box, as a share of the frame's.
    area: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Appearances:
    """People in scenes: one row per pair."""

    scenes: Indices
    people: Indices
    confidence: Numbers
    first_ms: Indices
    last_ms: Indices
    #: Of the vote that weighs most.
    best_ms: Indices


_NOBODY: Final = Appearances(
    scenes=np.zeros(0, dtype=np.int64),
    people=np.zeros(0, dtype=np.int64),
    confidence=np.zeros(0),
    first_ms=np.zeros(0, dtype=np.int64),
    last_ms=np.zeros(0, dtype=np.int64),
    best_ms=np.zeros(0, dtype=np.int64),
)


def elect(ballots: Ballots, identities: Identities, thresholds: Thresholds) -> Appearances:
    """Count the votes.

    Args:
        ballots: all faces, known or not.
        identities: who each is.
        thresholds: of the recogniser.
    """
    known = identities.people[ballots.faces] >= 0
    if not known.any():
        return _NOBODY
    faces, scenes = ballots.faces[known], ballots.scenes[known]
    times, tracks = ballots.times_ms[known], ballots.tracks[known]
    people = identities.people[faces]
    trust = _trust(identities.likeness[faces], thresholds)
    size = np.minimum(np.sqrt(ballots.area[known]) / _FULL_SIZE, 1.0)
    weights = ballots.quality[known] * size
    # What the user says about a face they can hardly see is still so.
    told = identities.likeness[faces] >= 1.0
    weights = np.where(told, np.maximum(weights, _LEAST_WEIGHT), weights)
    elected = _elected(scenes, tracks, people, weights * trust)
    return _counted(
        scenes[elected],
        people[elected],
        times[elected],
        weights[elected],
        trust[elected],
        told[elected],
    )


def _trust(likeness: Numbers, thresholds: Thresholds) -> Numbers:
    """What a likeness is worth, from just enough to certain."""
    share = (likeness - thresholds.same) / (thresholds.certain - thresholds.same)
    return _JUST_ENOUGH + (1 - _JUST_ENOUGH) * np.clip(share, 0.0, 1.0)


def _elected(
    scenes: Indices, tracks: Indices, people: Indices, votes: Numbers
) -> npt.NDArray[np.bool_]:
    """Which votes are for the person that their track elects; of equals, the first person."""
    _, group_of = np.unique(_paired(scenes, tracks), return_inverse=True)
    option, option_of = np.unique(_paired(group_of, people), return_inverse=True)
    group, person = np.zeros_like(option), np.zeros_like(option)
    group[option_of], person[option_of] = group_of, people
    totals = np.bincount(option_of, weights=votes)
    # The last to be written wins: the most votes, and of equals the first person.
    order = np.lexsort((-person, totals))
    winner = np.zeros(group_of.max() + 1, dtype=np.int64)
    winner[group[order]] = person[order]
    return np.asarray(winner[group_of] == people)


def _paired(first: Indices, second: Indices) -> Indices:
    """One number for two; both from 0."""
    return np.asarray(first * (second.max() + 1) + second)


def _counted(
    scenes: Indices,
    people: Indices,
    times: Indices,
    weights: Numbers,
    trust: Numbers,
    told: npt.NDArray[np.bool_],
) -> Appearances:
    _, chosen, pair_of = np.unique(_paired(scenes, people), return_index=True, return_inverse=True)
    count = len(chosen)
    support = np.bincount(pair_of, weights=weights, minlength=count)
    total = np.bincount(pair_of, weights=weights * trust, minlength=count)
    said = np.bincount(pair_of, weights=told, minlength=count) > 0
    confidence = total / np.maximum(support, 1e-12) * support / (support + _HALF_SUPPORT)
    first = np.full(count, np.iinfo(np.int64).max)
    last, best = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    np.minimum.at(first, pair_of, times)
    np.maximum.at(last, pair_of, times)
    # The heaviest vote is written last; of equals, the earliest.
    order = np.lexsort((-times, weights * trust))
    best[pair_of[order]] = times[order]
    kept = support >= _LEAST_WEIGHT
    return Appearances(
        scenes=scenes[chosen][kept],
        people=people[chosen][kept],
        confidence=np.where(said, 1.0, np.minimum(confidence, 1.0))[kept],
        first_ms=first[kept],
        last_ms=last[kept],
        best_ms=best[kept],
    )
