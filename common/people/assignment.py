"""Which face is whom: a frame at a time, then by the votes of a scene's frames. Pure NumPy.

A face may be a person from a threshold of likeness on, if no other person is nearly as like; else
it is nobody. Two faces in one frame are never one person: in a frame, the surest face takes its
person first, and that person is then no candidate for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from common.people.thresholds import Thresholds

#: Faces compared with all people at once; bounds the memory that takes.
_CHUNK: Final = 8_192

Indices = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameFaces:
    """Faces of some videos, those of a frame next to each other."""

    #: (n,) number of the frame, rising.
    frames: Indices
    #: (n, dimensions) float32, L2-normalised.
    vectors: npt.NDArray[np.float32]
    #: (n,) place of the person that the user says it is; -1 for none.
    told: Indices
    #: (m, 2) pairs of a face's and a person's place: it is not them.
    excluded: Indices


@dataclass(frozen=True, kw_only=True, eq=False)
class Identities:
    """Who each face is."""

    #: (n,) place of the person; -1 for nobody known.
    people: Indices
    #: (n,) how alike, 1 where the user said so; 0 for nobody.
    likeness: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pairs:
    """Faces and the people they may be, by face, the likest first."""

    faces: Indices
    people: Indices
    likeness: Numbers


def identify(
    faces: FrameFaces, people: npt.NDArray[np.float32], thresholds: Thresholds
) -> Identities:
    """Say who each face is.

    Args:
        faces: of any number of frames.
        people: (n_people, dimensions), L2-normalised; zeros for a person whose face is not known.
        thresholds: of the recogniser that made both.
    """
    count = len(faces.frames)
    found = Identities(people=np.full(count, -1, dtype=np.int64), likeness=np.zeros(count))
    excluded = set(map(tuple, faces.excluded.tolist()))
    _take_told(faces, excluded, found)
    if count == 0 or len(people) == 0:
        return found
    pairs = _without(_candidates(faces, people, thresholds), excluded, faces, found)
    contended = _contended(pairs, faces.frames, len(people))
    _decide_alone(pairs, ~contended, thresholds, found)
    _decide_together(pairs, contended, faces.frames, thresholds, found)
    return found


def _take_told(faces: FrameFaces, excluded: set[tuple[int, ...]], found: Identities) -> None:
    """What the user said; of two faces of a frame that are told to be one person, the first."""
    taken: set[tuple[int, int]] = set()
    for face in np.flatnonzero(faces.told >= 0).tolist():
        person, frame = int(faces.told[face]), int(faces.frames[face])
        if (face, person) not in excluded and (frame, person) not in taken:
            taken.add((frame, person))
            found.people[face], found.likeness[face] = person, 1.0


def _candidates(
    faces: FrameFaces, people: npt.NDArray[np.float32], thresholds: Thresholds
) -> _Pairs:
    """All pairs that can matter: alike enough, or near enough to be a second best."""
    floor = thresholds.same - thresholds.margin
    parts: list[tuple[Indices, Indices, Numbers]] = []
    for start in range(0, len(faces.vectors), _CHUNK):
        likeness = (faces.vectors[start : start + _CHUNK] @ people.T).ravel()
        # One long row: found five times as fast as in two dimensions (measured).
        near = np.flatnonzero(likeness > floor)
        rows, columns = np.divmod(near, len(people))
        parts.append((rows + start, columns, likeness[near].astype(np.float64)))
    return _sorted(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def _sorted(faces: Indices, people: Indices, likeness: Numbers) -> _Pairs:
    order = np.lexsort((people, -likeness, faces))
    return _Pairs(faces=faces[order], people=people[order], likeness=likeness[order])


def _without(
    pairs: _Pairs, excluded: set[tuple[int, ...]], faces: FrameFaces, found: Identities
) -> _Pairs:
    """The pairs that are still open after what the user said.

    A face whose person is told has none, a person who is told to be another face of the frame is
    in none, and what the user said no to is out.
    """
    told = np.flatnonzero(found.people >= 0)
    taken = {(int(faces.frames[face]), int(found.people[face])) for face in told}
    frames_with = np.isin(faces.frames, faces.frames[told])
    keep = found.people[pairs.faces] < 0
    doubtful = keep & frames_with[pairs.faces]
    if excluded:
        denied = np.array(sorted({pair[0] for pair in excluded}), dtype=np.int64)
        doubtful |= keep & np.isin(pairs.faces, denied)
    for at in np.flatnonzero(doubtful).tolist():
        face, person = int(pairs.faces[at]), int(pairs.people[at])
        keep[at] = (face, person) not in excluded and (int(faces.frames[face]), person) not in taken
    return _Pairs(faces=pairs.faces[keep], people=pairs.people[keep], likeness=pairs.likeness[keep])


def _contended(pairs: _Pairs, frames: Indices, people: int) -> npt.NDArray[np.bool_]:
    """(n_pairs,) whether in the pair's frame two faces may be the same person."""
    keys = frames[pairs.faces] * people + pairs.people
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.isin(frames[pairs.faces], twice // people)


def _decide_alone(
    pairs: _Pairs, chosen: npt.NDArray[np.bool_], thresholds: Thresholds, found: Identities
) -> None:
    """Faces that no other face of their frame competes with, all at once."""
    faces, people = pairs.faces[chosen], pairs.people[chosen]
    likeness = pairs.likeness[chosen]
    if len(faces) == 0:
        return
    best = np.flatnonzero(np.concatenate([[True], faces[1:] != faces[:-1]]))
    after = best + 1
    has_second = (after < len(faces)) & (faces[np.minimum(after, len(faces) - 1)] == faces[best])
    second = np.where(has_second, likeness[np.minimum(after, len(faces) - 1)], -np.inf)
    sure = likeness[best] >= thresholds.same
    sure &= likeness[best] - second >= thresholds.margin
    found.people[faces[best[sure]]] = people[best[sure]]
    found.likeness[faces[best[sure]]] = likeness[best[sure]]


def _decide_together(
    pairs: _Pairs,
    chosen: npt.NDArray[np.bool_],
    frames: Indices,
    thresholds: Thresholds,
    found: Identities,
) -> None:
    """The others, frame by frame, the surest first."""
    by_frame: dict[int, dict[int, list[tuple[float, int]]]] = {}
    for at in np.flatnonzero(chosen).tolist():
        face = int(pairs.faces[at])
        of_frame = by_frame.setdefault(int(frames[face]), {})
        of_frame.setdefault(face, []).append((float(pairs.likeness[at]), int(pairs.people[at])))
    for open_faces in by_frame.values():
        while sure := _surest(open_faces, thresholds):
            likeness, face, person = sure
            found.people[face], found.likeness[face] = person, likeness
            del open_faces[face]
            for face_left, candidates in open_faces.items():
                open_faces[face_left] = [each for each in candidates if each[1] != person]


def _surest(
    open_faces: dict[int, list[tuple[float, int]]], thresholds: Thresholds
) -> tuple[float, int, int] | None:
    """Of a frame's open faces the one that is surest of its person; None if none is sure.

    Args:
        open_faces: for each, how alike it is to the people who are left, the likest first.
        thresholds: of the recogniser.
    """
    sure = [
        (candidates[0][0], -face, candidates[0][1])
        for face, candidates in open_faces.items()
        if candidates
        and candidates[0][0] >= thresholds.same
        and (len(candidates) == 1 or candidates[0][0] - candidates[1][0] >= thresholds.margin)
    ]
    if not sure:
        return None
    likeness, face, person = max(sure)
    return likeness, -face, person
