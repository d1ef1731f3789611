"""Faults of processes: killed, stopped politely, frozen, out of memory or disk, replaced."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from random import Random
from typing import Final

from tests.faults.boundaries import Boundary
from tests.faults.plan import Expect, Plan
from tests.faults.processes import Child
from tests.faults.stages import NAMES, hostile
from tests.faults.story import CONTENT, Story
from tests.faults.ways import at, during, ending, with_options

#: What Cloud Run leaves between SIGTERM and SIGKILL is ten seconds.
_TERM_BOUND_S: Final = 8.0
_ADDRESS_SPACE_BYTES: Final = 3 * 1024**3
#: A process that is frozen inside a transaction keeps others waiting for this long.
_LOCKS_KEPT_S: Final = 0.5
#: The one stage that only stages of its own lane need.
_READ_BY_MEDIA_ALONE: Final = "upload_validate"
_MAX_ATTEMPTS: Final = 5


def killed_before(boundary: Boundary, rng: Random) -> Plan:
    """F1: redone by the next attempt."""
    return at(boundary, rng, "before")


def killed_after(boundary: Boundary, rng: Random) -> Plan:
    """F2: the effect is found and not repeated."""
    return at(boundary, rng, "after")


def terminated(boundary: Boundary, rng: Random) -> Plan:
    """F8: the run is released and goes on at the same stage."""
    asked_at: list[float] = []

    def terminate(story: Story, child: Child) -> None:
        child.signal(signal.SIGTERM)
        asked_at.append(time.monotonic())

    def check(story: Story) -> None:
        actor, code = story.codes[-1]
        if asked_at and code != 0:
            story.complaints.append(f"SIGTERM: {actor} ended with {code}")
        if asked_at and time.monotonic() - asked_at[0] > _TERM_BOUND_S:
            story.complaints.append("SIGTERM: took too long to end")

    plan = at(boundary, rng, rng.choice(("before", "after")), deed=terminate, after=check)
    return with_options(plan, request={"supervised": True})


def out_of_memory(boundary: Boundary, rng: Random) -> Plan:
    """F9: hostile bytes are refused by the sandbox; a model's lack of memory is tried again."""
    if boundary.actor == "media":
        return during(
            boundary,
            rng,
            options={"sandbox": True},
            content=(hostile(boundary.stage) + CONTENT)[: len(CONTENT)],
            expect=ending(boundary, state="failed", code="decode_budget_exceeded"),
        )
    greedy = {
        "behaviour": {boundary.stage: "memory"},
        "limits": {"RLIMIT_AS": _ADDRESS_SPACE_BYTES},
    }
    if rng.random() < 0.67:
        return during(boundary, rng, options=greedy, expect=ending(boundary, rounds=1))
    return _never_better(boundary, rng, greedy)


def out_of_disk(boundary: Boundary, rng: Random) -> Plan:
    """F10: a file that cannot be written, or scratch that is wiped, is transient."""

    def wipe(story: Story, child: Child) -> None:
        shutil.rmtree(child.scratch)
        child.scratch.mkdir()

    if boundary.actor == "media" and rng.random() < 0.5:
        return at(boundary, rng, "before", deed=wipe, only=("stage.start",))
    full = {"behaviour": {boundary.stage: "scratch"}}
    return during(boundary, rng, options=full, expect=ending(boundary, rounds=1))


def frozen(boundary: Boundary, rng: Random) -> Plan:
    """F11: others finish, and what the zombie still writes matches no row."""

    def outlive(story: Story, child: Child) -> None:
        story.others_go_on()

    plan = at(boundary, rng, rng.choice(("before", "after")), deed=outlive)
    return with_options(plan, idle_in_transaction_s=_LOCKS_KEPT_S)


def skewed(boundary: Boundary, rng: Random) -> Plan:
    """F12: one process's clock is five minutes off; the database's clock decides."""
    return during(boundary, rng, options={"clock_s": rng.choice((-300.0, 300.0))})


def poisoned(boundary: Boundary, rng: Random) -> Plan:
    """F14: exactly the allowed claims, then dead, with one dead letter."""
    if boundary.name == "S4":
        return during(boundary, rng, before=_garbage_event)
    if boundary.name == "S7":
        return at(
            boundary,
            rng,
            "after",
            only=("run.claim",),
            times=_MAX_ATTEMPTS,
            expect=_dead(boundary, repeats=0),
        )
    kind = rng.choice(("raise", "die", "transient"))
    return _never_better(boundary, rng, {"behaviour": {boundary.stage: kind}})


def redeployed(boundary: Boundary, rng: Random) -> Plan:
    """F16: the next worker has a newer pipeline; what it made anew is all of its versions."""
    changed = boundary.stage or rng.choice(NAMES)
    versions = {changed: 2}
    # A row of a group takes the others along, and the lane after it waits.
    plan = at(boundary, rng, "before", later={"versions": versions})
    # What no stage of the second lane reads is not made again for it.
    unread = plan.actor == "gpu" and changed == _READ_BY_MEDIA_ALONE
    made = {} if unread else versions
    return replace(plan, expect=ending(boundary, versions=made, repeats=10))


def _never_better(boundary: Boundary, rng: Random, options: dict[str, object]) -> Plan:
    rows = boundary.rows * (_MAX_ATTEMPTS - 1)
    return during(
        boundary, rng, options=options, later=options, expect=_dead(boundary, repeats=rows)
    )


def _dead(boundary: Boundary, *, repeats: int) -> Expect:
    return ending(
        boundary,
        state="failed",
        code="attempts_exhausted",
        dead=1,
        repeats=repeats,
        claims=_MAX_ATTEMPTS - 1,
    )


def _garbage_event(story: Story) -> None:
    """An event that nobody can read is answered with success, once and for all."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-type": "t",
        "ce-source": "s",
        "content-type": "application/json",
    }
    answer = story.act("finalize", {"headers": headers, "body": '{"bucket": 7}'})
    if answer != {"status": 204}:
        story.complaints.append(f"an unreadable event was answered with {answer}")
