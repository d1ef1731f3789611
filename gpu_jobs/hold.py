"""Holding a lease while a run is worked on: heartbeats, and knowing when to stop."""

from __future__ import annotations

import contextvars
import threading
import time
from types import TracebackType
from typing import Final

from common import log
from common.domain import Lease
from common.errors import LeaseLostError, TransientError
from common.ledger.claims import Claims

#: Two heartbeats may fail before the lease's time is over.
_BEATS_PER_LEASE: Final = 3


class StopRequested(Exception):
    """The process was asked to end; the run is to be released."""


class Hold:
    """Keeps a lease alive in a thread of its own while the `with` block works under it.

    Args:
        claims: of the worker's lane.
        lease: just claimed.
        stop: set when the process was asked to end.
    """

    def __init__(self, claims: Claims, lease: Lease, stop: threading.Event) -> None:
        self._claims = claims
        self._lease = lease
        self._stop = stop
        self._ended = threading.Event()
        self._lost = False
        self._confirmed_at = time.monotonic()
        # A thread begins with nothing bound; its log lines belong to the run all the same.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._beat_until_ended,), name="heartbeat", daemon=True
        )

    def check(self) -> None:
        """Return if it is right to go on; call it before every durable step.

        After a pause of the whole process (or a database that did not answer) longer than the
        lease, the lease is confirmed first.

        Raises:
            LeaseLostError: another worker has the run, or the video is gone.
            StopRequested: the process is to end.
            TransientError: the lease could not be confirmed.
        """
        if self._stop.is_set():
            raise StopRequested
        if time.monotonic() - self._confirmed_at > self._claims.lease_s:
            self._beat()
        if self._lost:
            raise LeaseLostError(f"run {self._lease.run.run_id}")

    def __enter__(self) -> Hold:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat_until_ended(self) -> None:
        while not self._lost and not self._ended.wait(self._claims.lease_s / _BEATS_PER_LEASE):
            try:
                self._beat()
            except LeaseLostError:
                return
            except TransientError as error:
                log.event("run.heartbeat_failed", severity="WARNING", error=error)

    def _beat(self) -> None:
        asked_at = time.monotonic()
        try:
            self._claims.heartbeat(self._lease)
        except LeaseLostError:
            self._lost = True
            raise
        self._confirmed_at = asked_at
