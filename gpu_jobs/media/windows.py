"""Long takes cut into windows.

A phone video is often one take of minutes; a hit that says "somewhere in these ten minutes" is no
answer. A take of 16 s or more is cut into windows of 8 to 12 s. Between 12 and 16 s no such cut
exists, and the take stays whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

MIN_WINDOW_MS: Final = 8_000
MAX_WINDOW_MS: Final = 12_000
#: Length of a window whose take goes on.
STEP_MS: Final = 10_000
#: From here on the first window is settled: at least 16 s remain, which can always be cut well.
SETTLED_MS: Final = STEP_MS + 2 * MIN_WINDOW_MS


def settled_windows(start_ms: int, now_ms: int) -> Iterator[tuple[int, int]]:
    """Windows that are certain while the take that began at `start_ms` still runs at `now_ms`."""
    while now_ms - start_ms >= SETTLED_MS:
        yield start_ms, start_ms + STEP_MS
        start_ms += STEP_MS


def windows(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """Cut a finished take; the windows cover it without gap or overlap."""
    for window in settled_windows(start_ms, end_ms):
        yield window
        start_ms = window[1]
    length_ms = end_ms - start_ms
    count = 1 if length_ms < 2 * MIN_WINDOW_MS else -(-length_ms // MAX_WINDOW_MS)
    edges = [start_ms + length_ms * i // count for i in range(count + 1)]
    yield from pairwise(edges)
