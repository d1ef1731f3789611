"""From cosines to scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.search.calibration import NO_EVIDENCE, of_text_model

COSINE = st.floats(min_value=-1, max_value=1)
MINILM = of_text_model("all-MiniLM-L6-v2")


@given(COSINE, COSINE, st.integers(min_value=1, max_value=10**6))
def test_scores_are_monotone_and_bounded(first: float, second: float, compared: int) -> None:
    """A higher cosine never scores lower, whatever the library's size."""
    low, high = sorted((first, second))
    assert 0 <= MINILM.score(low, compared=compared) <= MINILM.score(high, compared=compared) <= 1


@given(COSINE, st.integers(min_value=1, max_value=10**6), st.integers(min_value=1, max_value=10**6))
def test_more_scenes_never_make_a_cosine_better_evidence(
    cosine: float, first: int, second: int
) -> None:
    """The larger the library, the more chance can explain."""
    few, many = sorted((first, second))
    assert MINILM.score(cosine, compared=few) >= MINILM.score(cosine, compared=many)


def test_measured_points_hold() -> None:
    """Nonsense stays below evidence in a library of 150 scenes; a clear paraphrase does not."""
    assert MINILM.score(0.36, compared=150) <= NO_EVIDENCE
    assert MINILM.score(0.06, compared=10) == 0
    assert MINILM.score(0.50, compared=150) >= 0.6


def test_a_model_without_calibration_is_refused() -> None:
    """Cosines of an unknown model mean nothing."""
    with pytest.raises(KeyError):
        of_text_model("unknown")
