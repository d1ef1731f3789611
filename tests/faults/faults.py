"""The twenty faults: where each can happen, why not elsewhere, and what it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.faults import order_fails, processes_fail, services_fail
from tests.faults.boundaries import BOUNDARIES, Boundary
from tests.faults.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A way to go wrong."""

    name: str
    title: str
    #: Numbers of the boundaries where it can happen.
    applies: frozenset[int]
    #: Why it cannot at the others.
    elsewhere: str
    plan: Callable[[Boundary, Random], Plan]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A fault at a boundary."""

    fault: Fault
    boundary: Boundary

    @property
    def name(self) -> str:
        """As F1xS7."""
        return f"{self.fault.name}x{self.boundary.name}"

    def plan(self, seed: int) -> Plan:
        """What happens in the run with this seed: always the same."""
        return self.fault.plan(self.boundary, Random(f"{self.name}/{seed}"))


def _numbers(text: str) -> frozenset[int]:
    """The numbers in "1-3,7"."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _fault(
    name: str,
    title: str,
    applies: str,
    elsewhere: str,
    plan: Callable[[Boundary, Random], Plan],
) -> Fault:
    return Fault(name=name, title=title, applies=_numbers(applies), elsewhere=elsewhere, plan=plan)


FAULTS: Final = (
    _fault(
        "F1",
        "kill -9 just before the effect",
        "1-17,19",
        "search has no durable effect",
        processes_fail.killed_before,
    ),
    _fault(
        "F2",
        "kill -9 just after the effect",
        "1-17,19",
        "search has no durable effect",
        processes_fail.killed_after,
    ),
    _fault(
        "F3",
        "ten copies, four takers at once",
        "3-17,19",
        "nothing is delivered to who asks for a URL, sends bytes or searches",
        order_fails.doubled,
    ),
    _fault(
        "F4",
        "older after newer, delete before create",
        "3-5,19",
        "elsewhere one process does one thing after the other",
        order_fails.reordered,
    ),
    _fault(
        "F5",
        "dependency answers 429, 503 or not at all",
        "1-19",
        "",
        services_fail.unavailable,
    ),
    _fault(
        "F6",
        "done, but the answer is lost",
        "1-2,4-17,19",
        "event and search answers have no effect of their own",
        services_fail.unheard,
    ),
    _fault(
        "F7",
        "connection cut inside a transaction",
        "1,4-5,7-19",
        "no transaction of ours",
        services_fail.cut,
    ),
    _fault(
        "F8",
        "SIGTERM",
        "7-17",
        "functions answer in seconds and hold nothing",
        processes_fail.terminated,
    ),
    _fault(
        "F9",
        "out of memory",
        "8-15",
        "no work on media or with models",
        processes_fail.out_of_memory,
    ),
    _fault(
        "F10",
        "disk full or scratch wiped",
        "8-16",
        "nothing is written to a local disk",
        processes_fail.out_of_disk,
    ),
    _fault(
        "F11",
        "frozen past the lease, then awake",
        "1-5,7-17,19",
        "Cloud Run's own call (S6) and reading (S18) claim nothing",
        processes_fail.frozen,
    ),
    _fault(
        "F12",
        "clock five minutes off",
        "1,3-19",
        "the client's clock is not ours",
        processes_fail.skewed,
    ),
    _fault(
        "F13",
        "Postgres killed and restarted",
        "1-19",
        "",
        services_fail.crashed_database,
    ),
    _fault(
        "F14",
        "poison: always fails",
        "4,7-17",
        "no attempts are counted",
        processes_fail.poisoned,
    ),
    _fault(
        "F15",
        "deleted meanwhile",
        "2-17",
        "there is no video yet (S1), or it is over (S18, S19)",
        order_fails.deleted,
    ),
    _fault(
        "F16",
        "new pipeline version meanwhile",
        "7-17",
        "only the pipeline has versions",
        processes_fail.redeployed,
    ),
    _fault(
        "F17",
        "checkpoint torn or bit flipped",
        "8-17",
        "no checkpoint is read",
        order_fails.torn,
    ),
    _fault(
        "F18",
        "message lost",
        "5-7",
        "no message is under way",
        services_fail.purged,
    ),
    _fault(
        "F19",
        "finalize event lost",
        "3",
        "no event is under way",
        services_fail.event_lost,
    ),
    _fault(
        "F20",
        "no quota for executions",
        "6",
        "no execution is started",
        services_fail.out_of_quota,
    ),
)


def cells() -> Iterator[Cell]:
    """Every cell of the matrix where a fault can happen."""
    for fault in FAULTS:
        for boundary in BOUNDARIES:
            if boundary.number in fault.applies:
                yield Cell(fault=fault, boundary=boundary)
