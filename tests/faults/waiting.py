"""Waiting for what goes on by itself: pushes, and executions that they start."""

from __future__ import annotations

import time
from typing import Final

from tests.faults.leftovers import doorbells, pushes
from tests.faults.world import World

_TRIES: Final = 8
#: A push and what it starts take less than this; longer than that, it waits for its next try.
_PUSH_S: Final = 2.0
#: Beyond the longest pause before that.
_PAUSE_S: Final = 70.0


def for_executions(world: World) -> None:
    """Until every doorbell was answered and what it started has ended."""
    for _ in range(_TRIES):
        deadline = time.monotonic() + _PUSH_S
        while time.monotonic() < deadline:
            idle = world.jobs.wait_idle(_PUSH_S)
            if idle and not doorbells(world):
                return
            time.sleep(0.005)
        # A refused push is pushed again after a pause.
        world.pass_time(_PAUSE_S)


def for_pushes(world: World) -> None:
    """Until functions have answered, or one refuses and is asked again later."""
    deadline = time.monotonic() + _PUSH_S
    while pushes(world) and time.monotonic() < deadline:
        time.sleep(0.005)
