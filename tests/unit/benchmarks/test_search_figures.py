"""The figures of the search benchmark: errors here would go unnoticed."""

from __future__ import annotations

import numpy as np

from tests.benchmarks.search_figures import TIE, Figures, recall


def test_recall_counts_each_of_the_k_best_once() -> None:
    """A scene that is found twice is one scene, and one outside the k best is none."""
    scores = np.array([0.9, 0.8, 0.7, 0.1])
    assert recall([0, 0, 3], scores, 3) == 1 / 3
    assert recall([2, 1, 0], scores, 3) == 1.0
    assert recall([], scores, 3) == 0.0


def test_ties_with_the_last_place_are_as_good() -> None:
    """Either of two scenes that tie for the last place is right; more of them do not exceed 1."""
    scores = np.array([0.9, 0.5, 0.5 - TIE / 2, 0.5 - 3 * TIE])
    assert recall([0, 2], scores, 2) == recall([0, 1], scores, 2) == 1.0
    assert recall([0, 3], scores, 2) == 0.5
    assert recall([0, 1, 2], scores, 2) == 1.0


def test_only_rows_that_are_there_can_be_missing() -> None:
    """A tenant with fewer scenes than asked for is answered in full; one row less is short."""
    figures = Figures(design="ours", scenes=2)
    scores = np.array([0.2, 0.1])
    figures.judge("dense", [0, 1], scores, 20)
    assert (figures.short, figures.all_recalls, figures.rows) == (0, [1.0], [2])
    figures.judge("dense", [0], scores, 20)
    assert (figures.short, figures.all_recalls, figures.rows) == (1, [1.0, 0.5], [2, 1])
