"""Actors: threads of which one runs at a time, from one point to the next.

Every durable effect of the production code has a point before and one after it
(`common.effects`). An actor's thread stops at each and waits until it is resumed with a verdict, so
whoever resumes actors decides the order of everything that happens. Threads that are no actors
never stop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from common.errors import TransientError

#: `go` on; `die`: the process is gone, nothing after this point happens; `fail`: the dependency
#: did not answer (after an effect: it did what it was asked and the answer was lost).
Verdict = Literal["go", "die", "fail"]

#: A step takes milliseconds; a longer one waits for something that nobody will do.
_STUCK_S: Final = 60.0
_local = threading.local()


class Died(BaseException):
    """The process was killed here. No handler of the production code catches it."""


class StuckError(Exception):
    """An actor did not reach its next point."""


class Actor:
    """One process, run step by step.

    Args:
        name: as the trace calls it.
        body: what the process does.
    """

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.name = name
        #: Where it stands.
        self.point = "start"
        self.ended = False
        self.died = False
        #: What the body raised, for whoever started it to judge.
        self.error: Exception | None = None
        self._in_transaction = 0
        self._verdict: Verdict = "go"
        self._its_turn = threading.Semaphore(0)
        self._our_turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(body,), name=name, daemon=True)

    @property
    def holds_locks(self) -> bool:
        """It stands within a transaction: another one that needs its rows would wait for ever."""
        return self._in_transaction > 0 and not self.point.startswith("after:")

    def resume(self, verdict: Verdict) -> None:
        """Let it run to its next point, or its end.

        Raises:
            StuckError: it did not get there.
        """
        self._verdict = verdict
        if not self._thread.is_alive():
            self._thread.start()
        self._its_turn.release()
        if not self._our_turn.acquire(timeout=_STUCK_S):
            raise StuckError(f"{self.name} after {self.point}")
        if self.ended:
            self._thread.join()

    def _run(self, body: Callable[[], None]) -> None:
        _local.actor = self
        self._its_turn.acquire()
        try:
            if self._verdict == "die":
                raise Died
            body()
        except Died:
            self.died = True
        except Exception as error:  # noqa: BLE001 (judged by whoever started the actor)
            self.error = error
        finally:
            self.ended = True
            self._our_turn.release()

    def _stop_at(self, point: str) -> None:
        self.point = point
        self._our_turn.release()
        self._its_turn.acquire()
        if self._verdict == "die":
            raise Died
        if self._verdict == "fail":
            raise TransientError(detail=f"injected at {point}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._in_transaction += 1
        try:
            yield
        finally:
            self._in_transaction -= 1


def stop_at(point: str) -> None:
    """Wait here for a verdict, if this thread is an actor's.

    Raises:
        Died: the verdict is `die`.
        TransientError: the verdict is `fail`.
    """
    actor: Actor | None = getattr(_local, "actor", None)
    if actor is not None:
        actor._stop_at(point)


@contextmanager
def in_transaction() -> Iterator[None]:
    """Mark the body as a transaction of the actor, if there is one."""
    actor: Actor | None = getattr(_local, "actor", None)
    if actor is None:
        yield
        return
    with actor._transaction():
        yield
