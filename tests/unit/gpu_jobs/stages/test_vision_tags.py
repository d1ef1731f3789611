"""From frames' scores to a scene's tags, whatever the tagger."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from common.domain import FrameVectors
from gpu_jobs.models import Models
from gpu_jobs.stages import vision_tags
from tests.unit.gpu_jobs.stages.examples import frame, frames


class Scored:
    """A tagger that takes the first values of a vector for the scores."""

    name = "scored"

    def __init__(self, *tags: str) -> None:
        self.tags = tags

    def score(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 1152) to (n, len(tags))."""
        return vectors[:, : len(self.tags)]


class Tagging:
    """Models of which only the tagger is asked for."""

    def __init__(self, tagger: Scored) -> None:
        self.tagger = tagger


def tagged(tags: tuple[str, ...], *rows: tuple[int, tuple[float, ...]]) -> list[tuple[Any, ...]]:
    """Run the stage on frames of (scene, scores)."""
    vectors = np.zeros((len(rows), 1152), dtype=np.float32)
    for place, (_, scores) in enumerate(rows):
        vectors[place, : len(scores)] = scores
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    found = vision_tags.run(
        vision_sample_frames=frames(
            *(frame(picture, scene=scene, time_ms=at) for at, (scene, _) in enumerate(rows))
        ),
        vision_embed_frames=FrameVectors(vectors=vectors, model="any"),
        models=cast("Models", Tagging(Scored(*tags))),
    )
    return [(tag.ordinal, tag.tag, tag.score) for tag in found.tags]


def test_one_good_frame_is_enough() -> None:
    """A scene has a tag if any frame shows it: the maximum, which no other frame dilutes."""
    rows = [(0, (0.1, 0.0)), (0, (0.9, 0.2)), (0, (0.0, 0.49)), (1, (0.2, 0.6))]
    assert tagged(("dog", "beach"), *rows) == [(0, "dog", 0.9), (1, "beach", 0.6)]


def test_only_the_best_twelve_are_kept() -> None:
    """Best first, and of equal scores in the order of their keys."""
    tags = tuple(f"tag_{letter}" for letter in "onmlkjihgfedcba")
    scores = tuple(0.6 if place else 0.7 for place in range(len(tags)))
    found = tagged(tags, (3, scores))
    assert found[0] == (3, "tag_o", 0.7)
    assert [tag for _, tag, _ in found[1:]] == [f"tag_{letter}" for letter in "abcdefghijk"]
