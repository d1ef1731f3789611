"""From cosines to scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from functions.search.calibration import (
    NO_EVIDENCE,
    of_text_model,
    read,
    sparse_score,
)

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


def test_what_was_never_measured_says_so() -> None:
    """The curve of BGE-M3 is provisional until its weights are at hand; MiniLM's is fitted."""
    assert of_text_model("bge-m3").provisional
    assert of_text_model("bge-m3").note
    assert not MINILM.provisional
    assert MINILM.pairs >= 100


@pytest.mark.parametrize(
    "entry",
    [
        '{"provisional": true, "curve": [[0.1, 0.0]]}',
        '{"provisional": true, "curve": [[0.1, 0.5], [0.2, 0.4]]}',
        '{"provisional": true, "curve": [[0.2, 0.0], [0.1, 1.0]]}',
        '{"provisional": true, "curve": [[0.1, 0.0], [0.2, 1.1]]}',
        '{"provisional": true, "curve": [[0.1, 0], [0.2, 1]], "chance": [[0.1, -2], [0.2, -1]]}',
        '{"provisional": true, "curve": [[0.1, 0], [0.2, 1]], "colour": "red"}',
        '{"curve": [[0.1, 0.0], [0.2, 1.0]]}',
        "[]",
    ],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, entry: str) -> None:
    """A curve that falls, or was fitted to nobody knows what, never scores a search."""
    path = tmp_path / "calibrations.json"
    path.write_text(f'{{"model": {entry}}}', encoding="utf-8")
    with pytest.raises(ConfigError):
        read(path)


def test_a_missing_file_is_an_error_of_configuration(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(ConfigError, match=r"missing\.json"):
        read(tmp_path / "missing.json")


def test_a_model_without_calibration_is_refused() -> None:
    """Cosines of an unknown model mean nothing."""
    with pytest.raises(KeyError):
        of_text_model("unknown")


@given(
    st.dictionaries(st.text(), st.floats(0.01, 10), min_size=1),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_learned_weights_score_by_what_the_query_weighs(
    asked: dict[str, float], first: float, second: float
) -> None:
    """A text that weighs the query's tokens as it does scores 1; more never scores lower."""
    low, high = sorted((first, second))
    assert 0 <= sparse_score(asked, low) <= sparse_score(asked, high) <= 1
    assert sparse_score(asked, sum(weight**2 for weight in asked.values())) == 1
    assert sparse_score({}, high) == 0
