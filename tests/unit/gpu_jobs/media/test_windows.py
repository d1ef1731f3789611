"""Long takes cut into windows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.media.windows import SETTLED_MS, settled_windows, windows

TIMES = st.integers(0, 600_000)
LENGTHS = st.integers(1, 700_000)


@given(TIMES, LENGTHS)
def test_windows_cover_the_take(start_ms: int, length_ms: int) -> None:
    """Windows cover a take of any length without gap or overlap."""
    cut = list(windows(start_ms, start_ms + length_ms))
    assert cut[0][0] == start_ms
    assert cut[-1][1] == start_ms + length_ms
    assert all(one[1] == other[0] for one, other in pairwise(cut))


@given(TIMES, st.integers(16_000, 700_000))
def test_windows_of_a_long_take_last_8_to_12_seconds(start_ms: int, length_ms: int) -> None:
    """Every window of a take of 16 s or more is 8 to 12 s long."""
    for start, end in windows(start_ms, start_ms + length_ms):
        assert 8_000 <= end - start <= 12_000


@given(TIMES, st.integers(1, 15_999))
def test_a_short_take_stays_whole(start_ms: int, length_ms: int) -> None:
    """A take that cannot be cut into windows of 8 s or more is one scene."""
    assert list(windows(start_ms, start_ms + length_ms)) == [(start_ms, start_ms + length_ms)]


@given(TIMES, LENGTHS, LENGTHS)
def test_settled_windows_stay(start_ms: int, seen_ms: int, more_ms: int) -> None:
    """What is settled while the take runs is how the finished take begins."""
    settled = list(settled_windows(start_ms, start_ms + seen_ms))
    whole = list(windows(start_ms, start_ms + seen_ms + more_ms))
    assert whole[: len(settled)] == settled


@pytest.mark.parametrize(("length_ms", "count"), [(SETTLED_MS - 1, 0), (SETTLED_MS, 1)])
def test_a_window_is_settled_once_16_seconds_remain(length_ms: int, count: int) -> None:
    """Nothing is settled before the rest can be cut well."""
    assert len(list(settled_windows(0, length_ms))) == count
