"""Aligning faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.models.face_alignment import CROP_PX, REFERENCE, align, misfit_px, similarity
from tests.checkpoints import faces as checkpoints

_RNG = np.random.default_rng(5)


def turned(degrees: float, scale: float, shift: tuple[float, float]) -> npt.NDArray[np.float64]:
    """A (2, 3) map, made from its meaning."""
    angle = np.radians(degrees)
    turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.column_stack([turn, shift])


def moved(points: npt.NDArray[np.float64], by: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points after a (2, 3) map."""
    return points @ by[:, :2].T + by[:, 2]


def smooth_picture(width: int = 400, height: int = 300) -> npt.NDArray[np.uint8]:
    """A colourful picture without edges, in which interpolation makes little difference."""
    small = _RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.05, 20),
    x=st.floats(-2_000, 2_000),
    y=st.floats(-2_000, 2_000),
)
def test_known_transforms_are_found(degrees: float, scale: float, x: float, y: float) -> None:
    """Whatever rotation, scale and shift made points from others, it is found exactly."""
    known = turned(degrees, scale, (x, y))
    found = similarity(REFERENCE, moved(REFERENCE, known))
    np.testing.assert_allclose(found, known, atol=1e-7 * max(scale, 1) * 2_000)


@given(st.lists(st.floats(-5, 5), min_size=10, max_size=10))
def test_no_other_transform_is_better(noise: list[float]) -> None:
    """With noise the found map is the least-squares one: the normal equations hold."""
    goals = moved(REFERENCE, turned(20, 2, (5, 9))) + np.reshape(noise, (5, 2))
    fitted = similarity(REFERENCE, goals)
    x, y = REFERENCE.T
    zero, one = np.zeros(5), np.ones(5)
    rows = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    (along, across, dx, dy), *_ = np.linalg.lstsq(rows, goals.T.ravel(), rcond=None)
    np.testing.assert_allclose(fitted, [(along, -across, dx), (across, along, dy)], atol=1e-8)


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (35, 1.7), (-90, 0.8), (180, 2.2)])
def test_a_face_comes_out_upright(degrees: float, scale: float) -> None:
    """What lies at the landmarks comes to lie at the reference points, however it was turned."""
    known = turned(degrees, scale, (0, 0))
    middle = moved(REFERENCE, known).mean(axis=0)
    known[:, 2] = np.array([200, 150]) - middle
    landmarks = moved(REFERENCE, known)
    picture = smooth_picture()
    crop = align(picture, landmarks)
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    assert crop.dtype == np.uint8
    for there, here in zip(landmarks, REFERENCE, strict=True):
        expected = cv2.getRectSubPix(picture, (1, 1), tuple(there))[0, 0].astype(int)
        got = cv2.getRectSubPix(crop, (1, 1), tuple(here))[0, 0].astype(int)
        assert np.abs(expected - got).max() <= 4


def test_an_aligned_face_stays() -> None:
    """A picture that is a crop already comes out as it is, in its channel order."""
    picture = smooth_picture(CROP_PX, CROP_PX)
    np.testing.assert_array_equal(align(picture, REFERENCE), picture)


@pytest.mark.parametrize("seed", range(5))
def test_opencv_cuts_the_same(tmp_path: Path, seed: int) -> None:
    """Crops are those of OpenCV's own recogniser, up to rounding, for faces of every kind."""
    theirs = cv2.FaceRecognizerSF.create(
        str(checkpoints.recogniser(tmp_path, dimensions=128, batch=1)), ""
    )
    rng = np.random.default_rng(seed)
    known = turned(rng.uniform(-180, 180), rng.uniform(0.5, 2.5), (0, 0))
    landmarks = moved(REFERENCE, known) + rng.normal(0, 3, (5, 2))
    landmarks += np.array([200, 150]) - landmarks.mean(axis=0)
    picture = smooth_picture()
    row = np.concatenate([np.zeros(4), landmarks.ravel(), [0.9]]).astype(np.float32)
    expected = theirs.alignCrop(picture, row[None])
    difference = np.abs(align(picture, landmarks).astype(int) - expected.astype(int))
    assert difference.max() <= 2
    assert difference.mean() < 0.1


def test_disorder_does_not_fit() -> None:
    """A face fits whatever its place and size; a mirrored or a scrambled one does not."""
    assert misfit_px(moved(REFERENCE, turned(77, 3.3, (40, 2)))) == pytest.approx(0, abs=1e-9)
    mirrored = REFERENCE[[1, 0, 2, 4, 3]]
    assert misfit_px(mirrored) > 20
    assert misfit_px(REFERENCE[[2, 0, 4, 1, 3]]) > 12
    # One corner of the mouth is 5 px off in a face twice as large as the crop.
    off = moved(REFERENCE, turned(0, 2, (0, 0)))
    off[4, 0] += 10
    assert 0.5 < misfit_px(off) < 2.5
