"""What the search benchmark searches: real vectors of sentences and pictures.

A scene's text vector is the normalised mean of the real vectors of one to three sentences; a frame
is a blend of the real presences of two drawn pictures. The tenants that are measured are kept in
memory, for the oracle; their neighbours are only sizes, and made block by block while they are
stored, so that their number costs no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from uuid import UUID

import numpy as np
import numpy.typing as npt

from common.encoders import QueryEncoders
from common.encoders.colour_frames import presence
from common.encoders.colour_space import picture_vectors

Floats = npt.NDArray[np.float32]

FRAMES_PER_SCENE = 3
#: Scenes that arrive together, as one video's do.
SCENES_PER_VIDEO = 40
#: Neighbours have 2,500 scenes over their rank, again and again: Zipf's law, from 2,500 to 20.
_LARGEST, _RANKS = 2_500, 125

#: Parts of sentences, in order.
_PARTS = tuple(
    line.strip().split(", ")
    for line in """
        the old man, my sister, a tall teacher, our neighbour, two children, the driver
        opens, paints, carries, repairs, forgets, photographs, describes, washes
        a wooden boat, the kitchen window, three suitcases, an expensive camera, some fresh bread
        at the station, in the mountains, behind the school, near the harbour, in a busy market
        before sunrise, in the evening, last winter, on her birthday, while it rains
    """.strip().splitlines()
)

#: What is asked: text for the transcript leg, colours for the visual leg.
QUESTIONS = tuple(
    zip(
        [
            "someone fixing a bike",
            "fresh bread at the market",
            "kids carrying luggage",
            "the cake for her birthday",
            "a ship made of wood",
            "taking a picture near the sea",
            "post from Korea",
            "repairing the fence before dawn",
            "the ticket for the train was forgotten",
            "cleaning the window in the rain",
        ],
        [
            "red car at night",
            "green field at noon",
            "blue sky",
            "sunset",
            "dark street with neon lights",
            "white slide",
            "orange and purple",
            "bright yellow",
            "black and white",
            "pink",
        ],
        strict=True,
    )
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What all vectors are made of."""

    #: Sentences, and their vectors (n, 1024).
    lines: list[str]
    said: Floats
    #: Presences (m, 24) of drawn pictures.
    seen: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Scenes of one tenant that are stored together."""

    user_id: UUID
    #: (n,) ids of 16 bytes.
    scene_ids: npt.NDArray[np.void]
    #: (n, 1024), and (n * FRAMES_PER_SCENE, 1152) scene by scene.
    text: Floats
    frames: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Tenant:
    """A tenant that is measured: row n of `text` and rows 3n…3n+2 of `frames` are scene n."""

    user_id: UUID
    scenes: int
    text: Floats
    frames: Floats
    #: (scenes, 3): which sentences are said in a scene; -1 for none.
    lines: npt.NDArray[np.int64]

    def scene_id(self, scene: int) -> UUID:
        """The id of a scene; ids are spread like hashes, as real ones are."""
        return _scene_id(self.user_id, scene)

    def block(self, first: int) -> Block:
        """The video that starts with this scene."""
        last = min(first + SCENES_PER_VIDEO, self.scenes)
        return Block(
            user_id=self.user_id,
            scene_ids=_scene_ids(self.user_id, first, last),
            text=self.text[first:last],
            frames=self.frames[first * FRAMES_PER_SCENE : last * FRAMES_PER_SCENE],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbour:
    """A tenant that is only there."""

    number: int
    scenes: int
    material: Material

    @property
    def user_id(self) -> UUID:
        """Of the tenant."""
        return _user_id(self.number)

    def block(self, first: int) -> Block:
        """The video that starts with this scene, made anew: always the same."""
        last = min(first + SCENES_PER_VIDEO, self.scenes)
        random = np.random.default_rng((self.number, first))
        text, _ = _texts(self.material.said, last - first, random)
        return Block(
            user_id=self.user_id,
            scene_ids=_scene_ids(self.user_id, first, last),
            text=text,
            frames=_blended(self.material.seen, (last - first) * FRAMES_PER_SCENE, random),
        )


def material(models: QueryEncoders, *, spoken: int, drawn: int) -> Material:
    """Encode so many sentences, and draw so many pictures."""
    lines = sentences(spoken)
    return Material(lines=lines, said=models.text.encode(lines), seen=pictures(drawn))


def tenant(made_of: Material, number: int, scenes: int, *, user_id: UUID | None = None) -> Tenant:
    """A tenant to be measured.

    Args:
        made_of: of the offline profile's models.
        number: of the tenant; no two have the same.
        scenes: how many it has.
        user_id: where it is a given one.
    """
    random = np.random.default_rng(number)
    text, lines = _texts(made_of.said, scenes, random)
    return Tenant(
        user_id=user_id or _user_id(number),
        scenes=scenes,
        text=text,
        frames=_blended(made_of.seen, scenes * FRAMES_PER_SCENE, random),
        lines=lines,
    )


def neighbours(made_of: Material, scenes: int, *, first_number: int) -> list[Neighbour]:
    """Tenants that have so many scenes together."""
    found: list[Neighbour] = []
    for rank in cycle(range(1, _RANKS + 1)):
        if scenes <= 0:
            return found
        size = min(_LARGEST // rank, scenes)
        found.append(Neighbour(number=first_number + len(found), scenes=size, material=made_of))
        scenes -= size
    raise AssertionError("the ranks never end")


def sentences(count: int) -> list[str]:
    """Distinct composed sentences, spread over all combinations."""
    total = int(np.prod([len(part) for part in _PARTS]))
    chosen = np.random.default_rng(1).permutation(total)[:count]
    places = np.unravel_index(chosen, [len(part) for part in _PARTS])
    return [
        " ".join(part[place] for part, place in zip(_PARTS, row, strict=True))
        for row in np.stack(places, axis=1)
    ]


def pictures(count: int) -> npt.NDArray[np.float32]:
    """Presences, (count, 24), of drawn pictures: a sky, a ground, things, grain."""
    random = np.random.default_rng(2)
    rows = []
    for _ in range(count):
        light = random.choice([0.15, 0.5, 1.0])
        picture = np.empty((36, 64, 3))
        picture[:] = random.integers(0, 256, 3)
        picture[random.integers(10, 30) :] = random.integers(0, 256, 3)
        for _ in range(random.integers(0, 4)):
            top, left = random.integers(0, 28), random.integers(0, 48)
            picture[top : top + 12, left : left + 18] = random.integers(0, 256, 3)
        picture = picture * light + random.normal(0, 4, picture.shape)
        rows.append(presence(np.clip(picture, 0, 255).astype(np.uint8)))
    return np.array(rows, dtype=np.float32)


def _user_id(number: int) -> UUID:
    return UUID(int=number << 96 | 0x4000_8000_0000_0000_0000)


def _scene_id(user_id: UUID, scene: int) -> UUID:
    mixed = (scene * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)
    return UUID(int=user_id.int ^ mixed)


def _scene_ids(user_id: UUID, first: int, last: int) -> npt.NDArray[np.void]:
    return np.array([_scene_id(user_id, scene).bytes for scene in range(first, last)], dtype="V16")


def _texts(
    said: Floats, scenes: int, random: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.int64]]:
    chosen = random.integers(0, len(said), (scenes, 3))
    counted = np.arange(3) < random.integers(1, 4, scenes)[:, None]
    out = np.zeros((scenes, said.shape[1]), dtype=np.float32)
    for place in range(3):
        out += said[chosen[:, place]] * counted[:, place, None]
    vectors = np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)
    return vectors, np.where(counted, chosen, -1)


def _blended(seen: Floats, frames: int, random: np.random.Generator) -> Floats:
    first, second = random.integers(0, len(seen), (2, frames))
    share = random.uniform(0, 1, (frames, 1)).astype(np.float32)
    blended = seen[first] * share + seen[second] * (1 - share)
    parts = [picture_vectors(chunk) for chunk in np.array_split(blended, frames // 50_000 + 1)]
    return np.concatenate(parts)
