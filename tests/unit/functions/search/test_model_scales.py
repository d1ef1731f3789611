"""Raw scores of one model are never compared with another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from common.curves import interpolate
from functions.search.calibration import of_text_model
from functions.search.importance import importance
from functions.search.model import Evidence, Leg, LegScore, Weights
from functions.search.query import parse
from functions.search.rank import Judge, rank

_QUERY: Final = parse("red train", ())
_MINILM: Final = of_text_model("all-MiniLM-L6-v2")
#: Cosines that the scenes have. Curves have their knots just there, so that any rising map of
#: them is a map of the whole scale.
_COSINES: Final = tuple(round(0.05 * step, 2) for step in range(-2, 16))
_PLACE: Final = st.integers(0, len(_COSINES) - 1)
_RISING: Final = st.lists(
    st.integers(-1_000, 1_000), min_size=len(_COSINES), max_size=len(_COSINES), unique=True
).map(lambda points: [point / 1_000 for point in sorted(points)])
_SCENES: Final = st.lists(
    st.tuples(_PLACE, _PLACE, st.sets(st.sampled_from(["red", "train"])), st.booleans()),
    min_size=1,
    max_size=6,
)


def _judge(text_scale: Sequence[float], frame_scale: Sequence[float]) -> Judge:
    """A judge of models whose cosine number i is number i of the scale."""
    visible: Mapping[float, float] = {
        own: max(cosine, 0.0) for own, cosine in zip(frame_scale, _COSINES, strict=True)
    }
    red = frozenset(word for word in _QUERY.words if word.text == "red")
    calibration = replace(
        _MINILM,
        curve=_measured(text_scale, _MINILM.curve),
        chance=_measured(text_scale, _MINILM.chance),
    )
    return Judge(
        query=_QUERY,
        legs=("dense", "lexical", "vision", "tags"),
        weights=Weights(),
        importance=importance(_QUERY.words, {}, scenes=10),
        pictured=red,
        tagged={word: frozenset({"red"}) for word in red},
        tags={"red": 1.0},
        sparse={},
        text_calibration=calibration,
        vision_calibration=lambda cosine: visible[cosine],
        scenes=10,
    )


def _measured(
    scale: Sequence[float], knots: tuple[tuple[float, float], ...]
) -> tuple[tuple[float, float], ...]:
    return tuple(
        (own, interpolate(knots, cosine)) for own, cosine in zip(scale, _COSINES, strict=True)
    )


def _scenes(
    drawn: Sequence[tuple[int, int, set[str], bool]],
    text_scale: Sequence[float],
    frame_scale: Sequence[float],
) -> list[Evidence]:
    return [
        Evidence(
            scene_id=UUID(int=number),
            video_id=UUID(int=1),
            start_ms=number * 1_000,
            end_ms=number * 1_000 + 1_000,
            text_cosine=text_scale[text],
            frame_cosine=frame_scale[frame],
            frame_ms=0,
            sparse_product=0.0,
            spoken_terms=frozenset(spoken),
            screen_terms=frozenset(),
            tags={"red": 1.0} if tagged else {},
            people={},
        )
        for number, (text, frame, spoken, tagged) in enumerate(drawn)
    ]


def _ranking(
    drawn: Sequence[tuple[int, int, set[str], bool]],
    text_scale: Sequence[float],
    frame_scale: Sequence[float],
) -> list[tuple[UUID, float, str | None, Mapping[Leg, LegScore]]]:
    """All that a search answers of the hits, but the raw cosines."""
    hits = rank(_judge(text_scale, frame_scale), _scenes(drawn, text_scale, frame_scale))
    return [(hit.evidence.scene_id, hit.score, hit.tier, hit.legs) for hit in hits]


@given(_SCENES, _RISING, _RISING)
def test_ranking_does_not_depend_on_a_models_scale(
    drawn: list[tuple[int, int, set[str], bool]], text: list[float], frame: list[float]
) -> None:
    """Re-scaled cosines with the calibration re-scaled alike change no order, tier or score."""
    assert _ranking(drawn, text, _COSINES) == _ranking(drawn, _COSINES, _COSINES)
    assert _ranking(drawn, _COSINES, frame) == _ranking(drawn, _COSINES, _COSINES)
    assert _ranking(drawn, text, frame) == _ranking(drawn, _COSINES, _COSINES)


def test_a_calibration_belongs_to_its_scale() -> None:
    """Cosines re-scaled without their calibration do change the ranking."""
    drawn = [(12, 0, set[str](), False), (2, 0, {"red"}, False)]
    halved = [cosine / 2 for cosine in _COSINES]
    scenes = _scenes(drawn, halved, _COSINES)
    of_other_scale = [hit.evidence.scene_id for hit in rank(_judge(_COSINES, _COSINES), scenes)]
    assert of_other_scale != [scene for scene, *_ in _ranking(drawn, halved, _COSINES)]
