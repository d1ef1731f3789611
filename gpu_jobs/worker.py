"""The worker: pulls a message, claims its run, works on it, and goes on until nothing comes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from common import log, tracing
from common.bus import Received
from common.domain import Lane, Lease
from common.errors import (
    ConfigError,
    ContractError,
    HeimdexError,
    LeaseLostError,
    TransientError,
)
from common.ledger.claims import Claims
from common.ledger.endings import Endings
from common.ledger.outbox import Outbox
from common.messages import DEAD_LETTER_TOPIC, RunReady, decode
from common.ports import Messages
from gpu_jobs.hold import Hold, StopRequested
from gpu_jobs.runner import Runner

#: One pull waits this long at most, so that a request to end is seen soon.
_PULL_S: Final = 2.0
#: After a pull that Pub/Sub did not answer.
_PAUSE_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What the worker talks to."""

    bus: Messages
    claims: Claims
    endings: Endings
    outbox: Outbox
    runner: Runner


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a worker stops by itself."""

    #: Nothing came for this long.
    idle_exit_s: float
    #: No new claims after this long.
    stop_claiming_after_s: float
    #: One run is enough.
    once: bool = False


class Worker:
    """One execution of a lane's job.

    Args:
        lane: what to claim.
        subscription: short name of the lane's pull subscription.
        owner: who this is, for people who read the ledger.
        ports: what it talks to.
        schedule: when to stop.
    """

    def __init__(
        self, *, lane: Lane, subscription: str, owner: str, ports: Ports, schedule: Schedule
    ) -> None:
        self._lane = lane
        self._subscription = subscription
        self._owner = owner
        self._ports = ports
        self._schedule = schedule
        self._stop = threading.Event()
        self._current: Lease | None = None

    def stop(self) -> None:
        """Ask to end: the run at hand is released at its next step."""
        self._stop.set()

    def abandon(self) -> None:
        """Release the run at hand from another thread, when its own does not get to it.

        Whatever that thread still writes matches no row any more.
        """
        lease = self._current
        if lease is not None:
            self._settle(lease, StopRequested())

    def run(self) -> None:
        """Work until there is nothing to do, the time is over, or `stop` was called.

        Raises:
            ConfigError: this worker cannot do its work at all.
        """
        started_at = idle_since = time.monotonic()
        while not self._stop.is_set() and not self._is_over(started_at):
            idle_s = time.monotonic() - idle_since
            received = self._pull(self._schedule.idle_exit_s - idle_s)
            if received is not None:
                with log.bound(traceparent=received.attributes.get("traceparent", "")):
                    lease = self._take(received)
                if lease is not None:
                    self._work(lease)
                    if self._schedule.once:
                        return
                    idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._schedule.idle_exit_s:
                return

    def _is_over(self, started_at: float) -> bool:
        return time.monotonic() - started_at >= self._schedule.stop_claiming_after_s

    def _pull(self, left_s: float) -> Received | None:
        wait_s = min(max(left_s, _PULL_S / 4), _PULL_S)
        try:
            return self._ports.bus.pull(self._subscription, wait_s=wait_s)
        except TransientError as error:
            log.event("message.pull_failed", severity="WARNING", error=error)
            self._stop.wait(_PAUSE_S)
            return None

    def _take(self, received: Received) -> Lease | None:
        """Claim the run that a message names, and acknowledge the message once that is durable.

        A run that cannot be claimed (done, held, not yet due) needs no message either: when it can
        be, the sweep rings again.
        """
        try:
            message = decode(RunReady, received.data)
            lease = self._ports.claims.claim(
                message.user_id, message.run_id, self._lane, self._owner
            )
        except ContractError as error:
            log.event("message.invalid", severity="ERROR", error=error)
            self._bury(received)
            return None
        except TransientError as error:
            # Not acknowledged: Pub/Sub delivers it again.
            log.event("run.claim_failed", severity="WARNING", error=error)
            return None
        self._ack(received)
        return lease

    def _bury(self, received: Received) -> None:
        attributes = {"reason": "message_invalid", "subscription": self._subscription}
        try:
            self._ports.bus.publish(
                DEAD_LETTER_TOPIC, received.data, attributes, effect="dead_letter.publish"
            )
        except TransientError as error:
            log.event("message.bury_failed", severity="WARNING", error=error)
            return
        self._ack(received)

    def _ack(self, received: Received) -> None:
        try:
            self._ports.bus.ack(self._subscription, received, effect="message.ack")
        except TransientError as error:
            # It comes again and finds its run claimed.
            log.event("message.ack_failed", severity="WARNING", error=error)

    def _work(self, lease: Lease) -> None:
        run = lease.run
        fields = {
            "video_id": run.video_id,
            "run_id": run.run_id,
            "lane": run.lane,
            "attempt": lease.attempt,
        }
        name, trace = f"run {run.lane}", lease.traceparent
        with (
            log.bound(**fields),
            tracing.span(name, parent=trace, kind="consumer", **fields) as span,
        ):
            log.event("run.claimed", owner=self._owner, fencing=lease.fencing_token)
            self._current = lease
            try:
                with Hold(self._ports.claims, lease, self._stop) as hold:
                    message_ids = self._ports.runner.run(lease, hold)
                log.event("run.finished")
                self._publish(run.user_id, message_ids)
            except Exception as error:
                span.fail(error)
                self._settle(lease, error)
                if isinstance(error, ConfigError):
                    raise
            finally:
                self._current = None

    def _settle(self, lease: Lease, error: Exception) -> None:
        """Write how a run ended that did not complete."""
        try:
            message_ids = self._record(lease, error)
        except LeaseLostError:
            log.event("run.lost")
        except TransientError as unreachable:
            # The lease runs out, and the sweep rings again.
            log.event("run.unsettled", severity="WARNING", error=unreachable)
        else:
            self._publish(lease.run.user_id, message_ids)

    def _record(self, lease: Lease, error: Exception) -> tuple[UUID, ...]:
        if isinstance(error, LeaseLostError):
            raise error
        if isinstance(error, (StopRequested, ConfigError)):
            message_ids = self._ports.claims.release(lease)
            log.event("run.released")
            return message_ids
        if isinstance(error, HeimdexError):
            log.event("run.failed", severity="WARNING", code=error.code, error=error)
            return self._ports.endings.fail(lease, error)
        log.event("run.failed", severity="ERROR", code="stage_failed", error=error)
        unexpected = TransientError("stage_failed", type(error).__name__)
        return self._ports.endings.fail(lease, unexpected)

    def _publish(self, user_id: UUID, message_ids: tuple[UUID, ...]) -> None:
        try:
            self._ports.outbox.publish(user_id, message_ids)
        except TransientError as error:
            # They stay owed; the sweep publishes them.
            log.event("outbox.unpublished", severity="WARNING", error=error)
