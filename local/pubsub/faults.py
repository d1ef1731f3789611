"""Faults to inject into the Pub/Sub stand-in: in calls, and in what becomes of messages."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field

from local.rpc import CallFaults


class DeliveryFaults:
    """Loses, repeats, delays and reorders messages; repeatable for a given seed.

    Args:
        lose: share of messages that never reach a subscription, 0–1.
        duplicate: share that reach it twice.
        delay: share that arrive late, by up to `max_delay_s`.
        reorder: share of deliveries that take any waiting message rather than the oldest.
        seed: of all choices.
    """

    def __init__(
        self,
        *,
        lose: float = 0.0,
        duplicate: float = 0.0,
        delay: float = 0.0,
        max_delay_s: float = 1.0,
        reorder: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._lose = lose
        self._duplicate = duplicate
        self._delay = delay
        self._max_delay_s = max_delay_s
        self._reorder = reorder
        self._random = random.Random(seed)
        self._planned: Counter[str] = Counter()
        self._lock = threading.Lock()

    def lose_next(self, subscription: str, *, times: int = 1) -> None:
        """Let the next `times` messages never reach `subscription` (full name)."""
        with self._lock:
            self._planned[subscription] += times

    def arrivals_s(self, subscription: str) -> tuple[float, ...]:
        """Delay of each copy of a message in `subscription`; empty when it is lost."""
        with self._lock:
            if self._planned[subscription]:
                self._planned[subscription] -= 1
                return ()
            if self._chance(self._lose):
                return ()
            copies = 2 if self._chance(self._duplicate) else 1
            return tuple(self._late_by_s() for _ in range(copies))

    def choose(self, waiting: int) -> int:
        """Which of `waiting` messages (oldest first, at least one) is delivered next."""
        with self._lock:
            return self._random.randrange(waiting) if self._chance(self._reorder) else 0

    def _late_by_s(self) -> float:
        return self._random.uniform(0, self._max_delay_s) if self._chance(self._delay) else 0.0

    def _chance(self, share: float) -> bool:
        return share > 0 and self._random.random() < share


@dataclass(frozen=True, kw_only=True)
class Faults:
    """All faults of one stand-in; without arguments there are none."""

    calls: CallFaults = field(default_factory=CallFaults)
    deliveries: DeliveryFaults = field(default_factory=DeliveryFaults)
