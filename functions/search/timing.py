"""What the parts of a search take: spans for one, log lines for all."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from common import log, tracing
from functions.search.model import Leg

Part = Literal["encode", "recall", "evidence", "fuse", "show"]


class Timings:
    """Of one search.

    Args:
        legs_alone: ask one leg after the other. The answer is the same; all legs in one statement
            are faster, but what each took of it nobody can tell.
    """

    def __init__(self, *, legs_alone: bool) -> None:
        self.legs_alone = legs_alone
        self._started_at = time.monotonic()
        self._ms: dict[str, Any] = {}

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Count the body's time for a part."""
        started_at = time.monotonic()
        with tracing.span(f"search.{name}"):
            yield
        self._ms[f"{name}_ms"] = _ms_since(started_at)

    @contextmanager
    def leg(self, leg: Leg) -> Iterator[None]:
        """Log what a leg took that is asked alone."""
        started_at = time.monotonic()
        with tracing.span(f"leg {leg}"):
            yield
        log.event("search.leg", leg=leg, duration_ms=_ms_since(started_at))

    def log(self, *, mode: str, legs: int, total: int) -> None:
        """Log the whole; nothing of what was asked or found."""
        log.event(
            "search.answered",
            mode=mode,
            legs=legs,
            total=total,
            duration_ms=_ms_since(self._started_at),
            **self._ms,
        )


class Sampling:
    """Chooses the searches whose legs are timed. Thread-safe.

    Args:
        every: one in so many, the first among them; 0 for none.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def timings(self) -> Timings:
        """For the next search."""
        with self._lock:
            number = next(self._numbers)
        return Timings(legs_alone=self._every > 0 and number % self._every == 0)


def _ms_since(started_at: float) -> float:
    return round((time.monotonic() - started_at) * 1_000, 1)
