"""The NumPy arithmetic against textbook definitions."""

from __future__ import annotations

import math

import numpy as np

from common.encoders.bert import Norm, gelu


def test_gelu_is_the_exact_one() -> None:
    """GELU differs from x * Phi(x) by the error function by less than a millionth everywhere."""
    x = np.linspace(-12, 12, 40_001, dtype=np.float32)
    exact = [float(v) * 0.5 * (1 + math.erf(float(v) / math.sqrt(2))) for v in x]
    assert np.abs(gelu(x) - np.array(exact)).max() < 1e-6


def test_gelu_keeps_its_input() -> None:
    """GELU returns a new array: the caller's stays as it was."""
    x = np.array([[-1.0, 0.0, 2.0]], dtype=np.float32)
    gelu(x)
    assert x.tolist() == [[-1.0, 0.0, 2.0]]


def test_norm_has_mean_zero_and_variance_one() -> None:
    """Layer normalisation without weights gives each row mean 0 and variance 1."""
    x = np.random.default_rng(1).normal(3, 7, (5, 384)).astype(np.float32)
    norm = Norm(weight=np.ones(384, np.float32), bias=np.zeros(384, np.float32), epsilon=1e-12)
    y = norm(x)
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axis=1), 1, rtol=1e-4)
