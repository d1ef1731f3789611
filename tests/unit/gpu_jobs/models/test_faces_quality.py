"""How well a face can be seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.models.face_alignment import REFERENCE
from gpu_jobs.models.face_quality import combine, eyes_px, frontality, quality, sharpness

_BEST: dict[str, float] = {"score": 1.0, "eyes_px": 100.0, "sharpness": 1e9, "frontality": 1.0}
_PARTS = st.fixed_dictionaries(
    {
        "score": st.floats(0, 1),
        "eyes_px": st.floats(0, 500),
        "sharpness": st.floats(0, 20_000),
        "frontality": st.floats(0, 1),
    }
)
#: How far the tip of the nose, the corners of the mouth and the eyes stand out of the face.
_DEPTH = np.array([0.0, 0.0, 20.0, 4.0, 4.0])


def head(*, turned: float = 0.0, nodded: float = 0.0) -> npt.NDArray[np.float64]:
    """Landmarks of a head in three dimensions, turned and nodded by degrees."""
    middle = REFERENCE.mean(axis=0)
    x, y = (REFERENCE - middle).T
    z = _DEPTH
    yaw, pitch = np.radians(turned), np.radians(nodded)
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    y = y * np.cos(pitch) + z * np.sin(pitch)
    return np.asarray(np.column_stack([x, y]) + middle, dtype=np.float64)


def noise(spread: float) -> npt.NDArray[np.uint8]:
    """A crop of noise."""
    pixels = np.random.default_rng(3).normal(128, spread, (112, 112, 3))
    return np.asarray(pixels.clip(0, 255), dtype=np.uint8)


@given(_PARTS)
def test_quality_is_a_share(parts: dict[str, float]) -> None:
    """Whatever is measured, quality is between 0 and 1."""
    assert 0 <= combine(**parts) <= 1


@given(_PARTS, st.sampled_from(sorted(_BEST)), st.floats(0, 1))
def test_better_never_counts_less(parts: dict[str, float], part: str, by: float) -> None:
    """When one part rises and nothing else changes, quality does not fall."""
    better = parts | {part: parts[part] + by * (_BEST[part] - parts[part]) if by else parts[part]}
    if better[part] >= parts[part]:
        assert combine(**better) >= combine(**parts) - 1e-12


@pytest.mark.parametrize(
    ("part", "worse"),
    [("score", 0.7), ("eyes_px", 20.0), ("sharpness", 50.0), ("frontality", 0.5)],
)
def test_every_part_counts(part: str, worse: float) -> None:
    """Each part alone lowers the quality, and ruins it when nothing is left of it."""
    assert combine(**_BEST) == pytest.approx(1)
    assert combine(**(_BEST | {part: worse})) < 0.9
    assert combine(**(_BEST | {part: 0.0})) == 0


def test_the_formula() -> None:
    """Quality is the geometric mean of the four, at the scales that are documented."""
    found = combine(score=0.7, eyes_px=17.62, sharpness=100.0, frontality=0.5)
    assert found == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["turned", "nodded"])
def test_turning_away_is_less_frontal(kind: str) -> None:
    """A head that turns or nods, to either side, is less frontal with every step."""
    for sign in (1, -1):
        steps = [frontality(head(**{kind: sign * degrees})) for degrees in (0, 10, 20, 30)]
        assert steps[0] == pytest.approx(1, abs=0.01)
        assert all(later < before - 0.02 for before, later in pairwise(steps))
    assert frontality(head(turned=60)) == 0


@given(st.floats(-180, 180), st.floats(0.3, 10))
def test_tilt_and_size_do_not_matter(degrees: float, scale: float) -> None:
    """A head tilted in the plane of the picture, near or far, is as frontal as before."""
    angle = np.radians(degrees)
    turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    face = head(turned=15, nodded=5)
    assert frontality(face @ turn.T) == pytest.approx(frontality(face))


def test_what_is_no_face_is_not_frontal() -> None:
    """Eyes in one point, or below the mouth, give 0 instead of an error."""
    assert frontality(np.zeros((5, 2))) == 0
    assert frontality(REFERENCE[[3, 4, 2, 0, 1]]) == 0


def test_blur_is_less_sharp() -> None:
    """Sharpness is OpenCV's variance of the Laplacian, and falls with blur."""
    crop = noise(40)
    # cvtColor rounds the luma to whole numbers.
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    theirs = float(cv2.Laplacian(luma, cv2.CV_32F)[1:-1, 1:-1].var())
    assert sharpness(crop) == pytest.approx(theirs, rel=0.01)
    blurred = np.asarray(cv2.GaussianBlur(crop, (0, 0), 1.5), dtype=np.uint8)
    assert sharpness(blurred) < sharpness(crop) / 10
    assert sharpness(np.full((112, 112, 3), 90, np.uint8)) == pytest.approx(0, abs=1e-3)


def test_measures_come_together() -> None:
    """A face's quality is that of its score, eyes, crop and landmarks."""
    face: dict[str, Any] = {"score": 0.8, "landmarks": head(turned=20), "crop": noise(10)}
    assert quality(**face) == combine(
        score=0.8,
        eyes_px=eyes_px(head(turned=20)),
        sharpness=sharpness(noise(10)),
        frontality=frontality(head(turned=20)),
    )
    assert eyes_px(REFERENCE) == pytest.approx(35.24, abs=0.01)
