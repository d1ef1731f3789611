"""What the search benchmark searches: real vectors of sentences and pictures, for three tenants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
class Tenant:
    """One tenant's vectors: row n of `text` and rows 3n…3n+2 of `frames` are scene n."""

    user_id: UUID
    scenes: int
    text: Floats
    frames: Floats

    def scene_id(self, scene: int) -> UUID:
        """The id of a scene; ids are spread like hashes, as real ones are."""
        mixed = (scene * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)
        return UUID(int=self.user_id.int ^ mixed)


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


def tenants(
    models: QueryEncoders, sizes: Sequence[int], *, spoken: int, drawn: int
) -> Iterator[Tenant]:
    """Tenants of these sizes.

    A scene's text vector is the normalised mean of the real vectors of one to three sentences; a
    frame is a blend of the real presences of two drawn pictures.

    Args:
        models: the offline profile's.
        sizes: scenes of each tenant.
        spoken: distinct sentences to encode.
        drawn: distinct pictures to draw.
    """
    said = models.text.encode(sentences(spoken))
    seen = pictures(drawn)
    for number, scenes in enumerate(sizes, start=1):
        random = np.random.default_rng(number)
        frames = scenes * FRAMES_PER_SCENE
        yield Tenant(
            user_id=UUID(int=number << 96 | 0x4000_8000_0000_0000_0000),
            scenes=scenes,
            text=_texts(said, scenes, random),
            frames=_blended(seen, frames, random),
        )


def _texts(said: Floats, scenes: int, random: np.random.Generator) -> Floats:
    chosen = random.integers(0, len(said), (scenes, 3))
    counted = np.arange(3) < random.integers(1, 4, scenes)[:, None]
    out = np.zeros((scenes, said.shape[1]), dtype=np.float32)
    for place in range(3):
        out += said[chosen[:, place]] * counted[:, place, None]
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


def _blended(seen: Floats, frames: int, random: np.random.Generator) -> Floats:
    first, second = random.integers(0, len(seen), (2, frames))
    share = random.uniform(0, 1, (frames, 1)).astype(np.float32)
    blended = seen[first] * share + seen[second] * (1 - share)
    parts = [picture_vectors(chunk) for chunk in np.array_split(blended, frames // 50_000 + 1)]
    return np.concatenate(parts)
