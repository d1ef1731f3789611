"""More like this: a scene as the query.

Two pictures, or two texts of a video, are alike in another way than a question and its answer, so
their similarities have curves of their own. All are provisional, as nobody has labelled pairs of
like scenes yet: a repetition scores 1, and what merely shares a language or a setting stays below
the tiers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from common import coding
from common.curves import Knots, interpolate
from common.encoders import QueryEncoders
from functions.search.encoding import EncodedQuery
from functions.search.found_words import FoundWords
from functions.search.legs import Abstention
from functions.search.model import LEGS, Evidence, Leg, Ranked, Request, Tier, Weights
from functions.search.rank import Verdict, ordered, share_out
from functions.search.retrieval import Example

#: Legs that can compare scenes.
_COMPARING: Final[tuple[Leg, ...]] = ("dense", "vision", "tags")
#: How alike, all legs together, makes a hit.
STRONG: Final = 0.75
POSSIBLE: Final = 0.5

#: (cosine, score) of two texts, by model; of one that is not here, the last.
_TEXTS: Final[Mapping[str, Knots]] = MappingProxyType(
    {
        "all-MiniLM-L6-v2": ((0.3, 0.0), (0.5, 0.5), (0.7, 0.8), (0.9, 1.0)),
        "": ((0.5, 0.0), (0.7, 0.5), (0.8, 0.8), (0.95, 1.0)),
    }
)
#: The same of two pictures. In the colour space most of 24 axes are absent from any picture, and
#: what is absent from both makes them alike too.
_PICTURES: Final[Mapping[str, Knots]] = MappingProxyType(
    {
        "colour-and-light": ((0.6, 0.0), (0.75, 0.3), (0.85, 0.6), (0.97, 1.0)),
        "": ((0.6, 0.0), (0.75, 0.4), (0.85, 0.7), (0.97, 1.0)),
    }
)


def encoded(example: Example, models: QueryEncoders) -> EncodedQuery:
    """A scene in the place of an encoded query.

    Args:
        example: of the index version that `models` made.
        models: for the codings of their vectors.
    """
    total = sum(score for _, score in example.tags)
    return EncodedQuery(
        text_vector=example.text_vector,
        text_code=_code(example.text_vector, models.text.name),
        frame_vector=example.frame_vector,
        frame_code=_code(example.frame_vector, models.image.name),
        pictured=(),
        tags=tuple((tag, score / total) for tag, score in example.tags if total > 0),
    )


def abstentions(
    request: Request, scene: EncodedQuery, off: frozenset[Leg] = frozenset()
) -> dict[Leg, Abstention]:
    """The legs that cannot compare scenes, or this one, or are off, each with its reason."""
    has: Mapping[Leg, object] = {
        "dense": scene.text_vector,
        "vision": scene.frame_vector,
        "tags": scene.tags,
    }
    weights: Mapping[Leg, float] = {
        "dense": request.weights.text,
        "vision": request.weights.vision,
        "tags": request.weights.tags,
    }
    found: dict[Leg, Abstention] = {}
    for leg in LEGS:
        if leg in off:
            found[leg] = "switched_off"
        elif leg not in _COMPARING or not has[leg]:
            found[leg] = "nothing_to_ask"
        elif not weights[leg]:
            found[leg] = "weight_zero"
    return found


def effective_weights(weights: Weights, legs: Sequence[Leg]) -> Weights:
    """The weights after sharing out those of absent legs; they sum to 1."""
    return share_out(
        weights,
        {"text": "dense" in legs, "vision": "vision" in legs, "tags": "tags" in legs},
        person=0.0,
    )


def rank(
    candidates: Sequence[Evidence],
    *,
    scene: EncodedQuery,
    legs: Sequence[Leg],
    weights: Weights,
    models: QueryEncoders,
) -> list[Ranked]:
    """The candidates that are alike, best first; ties by video and time.

    Args:
        candidates: distinct scenes, without the example.
        scene: the example.
        legs: that take part.
        weights: effective ones.
        models: of the index version.
    """
    verdicts = [_verdict(_scores(each, scene, legs, models), weights) for each in candidates]
    return ordered(candidates, verdicts, FoundWords((), ()))


def _verdict(scores: Mapping[Leg, float], weights: Weights) -> Verdict:
    fused = (
        weights.text * scores.get("dense", 0.0)
        + weights.vision * scores.get("vision", 0.0)
        + weights.tags * scores.get("tags", 0.0)
    )
    tier: Tier | None = "possible" if fused >= POSSIBLE else None
    return Verdict(scores=scores, fused=fused, tier="strong" if fused >= STRONG else tier, found={})


def _scores(
    evidence: Evidence, scene: EncodedQuery, legs: Sequence[Leg], models: QueryEncoders
) -> dict[Leg, float]:
    scores: dict[Leg, float] = {
        "dense": _alike(_TEXTS, models.text.name, evidence.text_cosine),
        "vision": _alike(_PICTURES, models.image.name, evidence.frame_cosine),
        "tags": sum(share * evidence.tags.get(tag, 0.0) for tag, share in scene.tags),
    }
    return {leg: min(scores[leg], 1.0) for leg in legs}


def _alike(curves: Mapping[str, Knots], model: str, cosine: float | None) -> float:
    return 0.0 if cosine is None else interpolate(curves.get(model, curves[""]), cosine)


def _code(vector: str | None, model: str) -> str | None:
    if vector is None:
        return None
    return coding.of_model(model).codes(np.array([json.loads(vector)], dtype=np.float32))[0]
