"""The broker behind one lock, with waiting for messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from local.pubsub.broker import Broker

Result = TypeVar("Result")


class Hub:
    """Lets many threads use one broker, and wait until it has something for them.

    Args:
        broker: used by nobody else.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._changed = threading.Condition()
        self._closed = False
        self._waiting = 0

    @property
    def closed(self) -> bool:
        """Whether waiting has ended for good."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many callers are inside `wait`."""
        return self._waiting

    @contextmanager
    def broker(self) -> Iterator[Broker]:
        """Use the broker alone; wakes all waiters afterwards."""
        with self._changed:
            try:
                yield self._broker
            finally:
                self._changed.notify_all()

    def wait(
        self,
        ask: Callable[[Broker], Result],
        *,
        timeout_s: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Result | None:
        """Ask again after every change until the answer is truthy.

        Args:
            ask: called under the lock; must not block.
            timeout_s: seconds of real time; None waits without end.
            cancelled: call `wake` after this turned true.

        Returns:
            The answer, or None after the timeout, when cancelled or closed.
        """
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            self._waiting += 1
            try:
                return self._wait(ask, until_s, cancelled)
            finally:
                self._waiting -= 1

    def wake(self) -> None:
        """Let all waiters look again: the clock was moved, or someone was cancelled."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End all waiting, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait(
        self, ask: Callable[[Broker], Result], until_s: float | None, cancelled: Callable[[], bool]
    ) -> Result | None:
        while not (self._closed or cancelled()):
            answer = ask(self._broker)
            if answer:
                return answer
            pause_s = self._pause_s(until_s)
            if pause_s is not None and pause_s <= 0:
                return None
            self._changed.wait(pause_s)
        return None

    def _pause_s(self, until_s: float | None) -> float | None:
        left_s = None if until_s is None else until_s - time.monotonic()
        due_s = self._broker.next_due_s()
        if due_s is None or (left_s is not None and left_s <= 0):
            return left_s
        # At least a millisecond, or a clock that rounds would make this a busy loop.
        until_due_s = max(0.001, due_s - self._broker.clock())
        return until_due_s if left_s is None else min(left_s, until_due_s)
