"""A schedule: one seed decides what happens next, until nothing is left to happen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from common.domain import LANES, Lane
from common.errors import HeimdexError, LeaseLostError
from common.messages import RunReady, decode
from functions.upload_finalized.main import handle
from gpu_jobs.worker import Worker
from tests.schedules.actors import Actor, Verdict
from tests.schedules.world import Kind, Upload, World

_ACTIONS: Final = 150
_MAX_UPLOADS: Final = 4
_MAX_DELETIONS: Final = 2
#: Executions of a lane at once.
_MAX_RUNNING: Final = 2
#: Every round lets time pass, runs everything to its end, and sweeps.
_MAX_ROUNDS: Final = 40
#: Effects of a worker that has a lease.
_FENCED: Final = frozenset(
    f"{kind}.{what}"
    for kind, whats in {
        "stage": ("plan", "start", "progress", "finish"),
        "run": ("complete", "fail", "release", "send_back"),
    }.items()
    for what in whats
)
_KINDS: Final[tuple[Kind, ...]] = ("good",) * 12 + ("poison", "size", "hash", "type")


@dataclass(kw_only=True)
class Process:
    """An actor and what follows from its end."""

    actor: Actor
    #: Called when the actor ended by itself with success, and when not.
    done: Callable[[], None] = lambda: None
    failed: Callable[[], None] = lambda: None
    #: Of an execution.
    lane: Lane | None = None
    worker: Worker | None = None
    #: It gets no turn until it is woken: what it believes grows old.
    asleep: bool = False


@dataclass(kw_only=True)
class Event:
    """A finalize event that has not been answered with success."""

    label: str
    data: dict[str, Any]


@dataclass(kw_only=True)
class Schedule:
    """Plays a world by a seed.

    Args:
        world: with the same generator.
        random: makes all choices.
    """

    world: World
    random: Random
    #: What happened, in words that are the same in every replay.
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._running: list[Process] = []
        self._events: list[Event] = []
        self._numbers = 0
        #: Objects that were damaged or removed behind everybody's back.
        self.tampered: set[str] = set()
        self._deletions = 0
        #: What moves things on, always as often.
        steady: dict[Callable[[], bool], int] = {
            self._go_on: 120,
            self._declare: 10,
            self._put: 15,
            self._deliver: 15,
            self._push: 12,
            self._execute: 15,
            self._sweep: 3,
        }
        # What goes wrong: every seed has favourites, and others that it leaves out, because many
        # faults at once hide each other.
        faults: dict[Callable[[], bool], int] = {
            self._pass_time: 2,
            self._expire_a_lease: 4,
            self._toggle_sleep: 4,
            self._kill: 2,
            self._terminate: 2,
            self._beat: 2,
            self._delete: 2,
            self._replace: 1,
            self._tamper: 3,
            self._lose_messages: 1,
        }
        self._weights = steady | {
            act: weight * self.random.choice((0, 1, 1, 4)) for act, weight in faults.items()
        }

    @property
    def hash(self) -> str:
        """Of the trace."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    def run(self) -> None:
        """Do random things, then let everything come to rest.

        Raises:
            AssertionError: it does not.
        """
        acts, weights = list(self._weights), list(self._weights.values())
        for _ in range(_ACTIONS):
            self.world.clock.now_s += 0.5
            # What there is nothing to do for is no action.
            while not self.random.choices(acts, weights)[0]():
                pass
        self._come_to_rest()

    # --- processes ------------------------------------------------------------------------------

    def _start(self, name: str, body: Callable[[], None], **facts: Any) -> Process:
        self._numbers += 1
        process = Process(actor=Actor(f"{name}#{self._numbers}", body), **facts)
        self._running.append(process)
        self._note(process.actor.name, "started")
        return process

    def _step(self, process: Process, verdict: Verdict) -> None:
        actor = process.actor
        self._note(actor.name, actor.point if verdict == "go" else f"{actor.point} {verdict}")
        actor.resume(verdict)
        self._check_token(process)
        # A transaction is one step: others that want its rows could only wait.
        while not actor.ended and actor.holds_locks:
            verdict = self._verdict(actor.point) if verdict == "go" else "go"
            self._note(actor.name, f"{actor.point} {verdict}")
            actor.resume(verdict)
            self._check_token(process)
        if actor.ended:
            self._end(process)

    def _check_token(self, process: Process) -> None:
        """What a worker has just committed, it committed under the run's latest lease."""
        lease = process.worker._current if process.worker else None
        when, _, effect = process.actor.point.partition(":")
        if lease is None or when != "after" or effect not in _FENCED:
            return
        (run,) = self.world.owner("SELECT * FROM runs WHERE id = :id", id=lease.run.run_id)
        assert run.fencing_token == lease.fencing_token, f"I8 {process.actor.name}: stale {effect}"
        if effect == "stage.plan":
            # Whoever slept through its lease may wake while the heir is at work.
            for other in self._workers():
                other.asleep &= other.lane != process.lane

    def _end(self, process: Process) -> None:
        self._running.remove(process)
        actor = process.actor
        if actor.died:
            self._note(actor.name, "is dead")
            process.failed()
        elif actor.error is None:
            self._note(actor.name, "ended")
            process.done()
        elif isinstance(actor.error, HeimdexError):
            self._note(actor.name, f"failed: {actor.error.code}")
            process.failed()
        else:
            raise AssertionError(f"{actor.name} at {actor.point}") from actor.error

    def _verdict(self, point: str) -> Verdict:
        if not self._quiet and point != "start":
            drawn = self.random.random()
            if drawn < 0.02:
                return "fail"
            if drawn < 0.03:
                return "die"
        return "go"

    _quiet = False

    def _go_on(self) -> bool:
        awake = [process for process in self._running if not process.asleep]
        if not awake:
            return False
        # Workers have the longest way to go.
        workers = [process for process in awake if process.worker is not None]
        process = self.random.choice(awake + 2 * workers)
        for _ in range(self.random.choice((1, 2, 4, 8, 16))):
            if process.actor.ended:
                break
            self._step(process, self._verdict(process.actor.point))
        return True

    def _toggle_sleep(self) -> bool:
        begun = [process for process in self._running if process.actor.point != "start"]
        if not begun:
            return False
        process = self.random.choice(begun)
        process.asleep = not process.asleep
        self._note(process.actor.name, "sleeps" if process.asleep else "wakes")
        return True

    def _kill(self) -> bool:
        begun = [process for process in self._running if process.actor.point != "start"]
        if not begun:
            return False
        self._step(self.random.choice(begun), "die")
        return True

    def _workers(self) -> list[Process]:
        return [process for process in self._running if process.worker is not None]

    def _terminate(self) -> bool:
        """SIGTERM: half of them get to release the run by themselves, half are abandoned."""
        if not (workers := self._workers()):
            return False
        process = self.random.choice(workers)
        assert process.worker is not None
        self._note(process.actor.name, "is told to end")
        process.worker.stop()
        if self.random.random() < 0.5:
            process.worker.abandon()
            self._step(process, "die")
        return True

    def _beat(self) -> bool:
        """A heartbeat of a worker, which its thread would send if time passed by itself."""
        for process in self._workers():
            lease = process.worker._current if process.worker else None
            if lease is not None and not process.asleep:
                self._note(process.actor.name, "heartbeat")
                try:
                    self.world.claims.heartbeat(lease)
                except LeaseLostError:
                    self._note(process.actor.name, "lost its lease")
                return True
        return False

    # --- clients --------------------------------------------------------------------------------

    def _declare(self) -> bool:
        if len(self.world.uploads) >= _MAX_UPLOADS:
            return False
        kind = self.random.choice(_KINDS)
        upload = self.world.declare(kind, subtitles=self.random.choice((0, 0, 1)))
        self._note(upload.label, f"declared: {kind}, {upload.subtitles} subtitles")
        return True

    def _put(self) -> bool:
        waiting = [upload for upload in self.world.uploads if upload.missing]
        if not waiting:
            return False
        upload = self.random.choice(waiting)
        name = upload.missing.pop()
        self._announce(upload, self.world.put(upload, name))
        return True

    def _replace(self) -> bool:
        """The same object again: a newer generation."""
        stored = [u for u in self.world.uploads if not u.missing and u.kind == "good"]
        if not stored:
            return False
        upload = self.random.choice(stored)
        upload.replaced += 1
        self._announce(upload, self.world.put(upload, upload.name))
        return True

    def _announce(self, upload: Upload, data: dict[str, Any]) -> None:
        """Put the event of an object on its way: once, more often, or not at all."""
        label = f"{upload.label}/{'video' if data['name'] == upload.name else 'subtitle'}"
        copies = self.random.choice((1, 1, 1, 1, 1, 2, 2, 3, 0))
        if self.world.is_erased(upload) or upload.replaced:
            # The sweep looks after declared objects that are missing, not after these.
            copies = max(copies, 1)
        self._note(label, f"put, {copies} events")
        self._events += [Event(label=label, data=data) for _ in range(copies)]

    def _delete(self) -> bool:
        alive = [upload for upload in self.world.uploads if not self.world.is_erased(upload)]
        if not alive or self._deletions == _MAX_DELETIONS:
            return False
        self._deletions += 1
        upload = self.random.choice(alive)
        self._start(f"delete {upload.label}", lambda: self.world.erase(upload))
        return True

    # --- the cloud ------------------------------------------------------------------------------

    def _deliver(self) -> bool:
        if not self._events:
            return False
        event = self._events.pop(self.random.randrange(len(self._events)))
        self._start(
            f"event {event.label}",
            lambda: handle(event.data, "", self.world.finalized),
            failed=lambda: self._events.append(event),
        )
        return True

    def _push(self) -> bool:
        lane = self.random.choice(LANES)
        return self._push_to(f"heimdex-{lane}-doorbell")

    def _push_to(self, subscription: str) -> bool:
        delivery = self.world.bus.take(subscription)
        if delivery is None:
            return False

        def ring() -> None:
            self.world.doorbell.ring(decode(RunReady, delivery.message.data))

        def settle(done: bool) -> None:
            self.world.bus.settle(subscription, delivery.ack_id, done=done)

        self._start(
            f"push {subscription}", ring, done=lambda: settle(True), failed=lambda: settle(False)
        )
        return True

    def _execute(self) -> bool:
        queued = self.world.jobs.queued
        for position, lane in enumerate(queued):
            if sum(process.lane == lane for process in self._running) < _MAX_RUNNING:
                del queued[position]
                worker = self.world.worker(lane, f"execution {self._numbers + 1}")
                self._start(lane, worker.run, lane=lane, worker=worker)
                return True
        return False

    def _sweep(self) -> bool:
        if any(process.actor.name.startswith("sweep") for process in self._running):
            return False

        def sweep() -> None:
            self.world.sweeper.sweep()

        self._start("sweep", sweep)
        return True

    def _pass_time(self) -> bool:
        self._note("time", "passes")
        self.world.pass_time()
        return True

    def _expire_a_lease(self) -> bool:
        """One worker missed its heartbeats, and somebody is told."""
        rows = self.world.owner(
            "UPDATE runs SET lease_until = now() - interval '1 s' WHERE (user_id, id) IN (SELECT "
            "user_id, id FROM runs WHERE state = 'running' ORDER BY video_id, lane LIMIT 1) "
            "RETURNING lane, generation"
        )
        for row in rows:
            self._note("lease", f"of {row.lane} expires")
            # The worker hears nothing of it, and somebody else is rung for.
            for process in self._workers():
                process.asleep |= process.actor.name.startswith(row.lane)
            self.world.sweeper.sweep()
        return bool(rows)

    def _tamper(self) -> bool:
        names = self.world.store.names("artifacts", "artifacts/")
        if not names:
            return False
        name = self.random.choice(names)
        self.tampered.add(name)
        # Another one of the same stage decodes as well; only its hash tells.
        others = [other for other in names if other.split("/")[4:] == name.split("/")[4:]]
        how = self.random.choice(("damaged", "removed", "exchanged"))
        if how == "damaged":
            self.world.store.damage("artifacts", name)
        elif how == "removed":
            self.world.store.remove("artifacts", name)
        else:
            data = self.world.store.read("artifacts", self.random.choice(others))
            self.world.store.put("artifacts", name, data, "application/zip")
        self._note(name, how)
        return True

    def _lose_messages(self) -> bool:
        lane = self.random.choice(LANES)
        kind = self.random.choice(("work", "doorbell"))
        lost = self.world.bus.lose(f"heimdex-{lane}-{kind}")
        if lost:
            self._note(f"heimdex-{lane}-{kind}", f"loses {lost}")
        return lost > 0

    # --- the end --------------------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        self._quiet = True
        self._note("world", "comes to rest")
        for upload in self.world.uploads:
            # A client that got a part of it up gets the rest up; others never come back.
            while upload.missing and upload.stored_at is not None:
                self._announce(upload, self.world.put(upload, upload.missing.pop()))
        for _ in range(_MAX_ROUNDS):
            self._finish_everything()
            if self._is_at_rest():
                return
            self._pass_time()
            self._sweep()
        raise AssertionError(f"not at rest after {_MAX_ROUNDS} rounds: {self._open()}")

    def _finish_everything(self) -> None:
        for process in self._running:
            process.asleep = False
        lanes = [f"heimdex-{lane}-doorbell" for lane in LANES]
        while self._running or self._deliver() or any(map(self._push_to, lanes)) or self._execute():
            # The latest first: whoever slept finds that others have gone on without it.
            self._step(self._running[-1], "go")

    def _is_at_rest(self) -> bool:
        # A push that failed is tried again after a pause. (What no worker needs to pull may wait.)
        pausing = sum(self.world.bus.backlog(f"heimdex-{lane}-doorbell") for lane in LANES)
        return not (self._events or self.world.jobs.queued or pausing or self._open())

    def _open(self) -> list[Any]:
        """What the ledger still owes."""
        return self.world.owner(
            "SELECT 'run' AS kind, state FROM runs WHERE state IN ('ready', 'running') UNION ALL "
            "SELECT 'video', state FROM videos WHERE deleted_at IS NULL "
            "AND state NOT IN ('indexed', 'failed') UNION ALL "
            "SELECT 'message', topic FROM outbox WHERE published_at IS NULL UNION ALL "
            "SELECT 'erasure', '' FROM erasures WHERE done_at IS NULL"
        )

    def _note(self, who: str, what: str) -> None:
        self.trace.append(f"{len(self.trace):4} {who}: {what}")
