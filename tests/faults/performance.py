"""A role that a forked child plays once, on orders, until it ends or is ended."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from tests.faults.plan import Plan
from tests.faults.processes import Child
from tests.faults.world import World

#: Options that say where things are; all others are for the child itself.
_ENDPOINTS: Final = ("versions", "sandbox", "lease_s", "proxied", "idle_in_transaction_s")


class Performance:
    """One child of ours.

    Args:
        world: whose zygote forks it.
        role: a key of `tests.faults.actors.ROLES`.
        request: what the role is asked.
        options: of a plan.
        plan: with a point, if a fault is to meet the child there.
    """

    def __init__(
        self,
        world: World,
        role: str,
        request: dict[str, Any],
        options: Mapping[str, Any],
        plan: Plan | None = None,
    ) -> None:
        self._directory = world.directory / f"child-{uuid4().hex}"
        scratch = self._directory / "scratch"
        scratch.mkdir(parents=True)
        self._action = ""
        if plan is not None and plan.point:
            self._action = "kill" if plan.deed is None else "stop"
        endpoints = {name: options[name] for name in _ENDPOINTS if name in options}
        self._child = world.zygote.start(
            {
                "role": role,
                "request": request | options.get("request", {}),
                "endpoints": vars(world.endpoints(**endpoints)),
                "point": plan.point if plan else "",
                "nth": plan.nth if plan else 1,
                "action": self._action,
                "options": {k: v for k, v in options.items() if k not in _ENDPOINTS},
                "out": str(self._directory / "answer"),
                "trace": str(self._directory / "trace"),
                "scratch": str(scratch),
            }
        )
        self._child.scratch = scratch

    def stops(self) -> Iterator[Child]:
        """The child each time it stands still at the point; it goes on afterwards."""
        while self._child.next_event() == "stopped":
            yield self._child
            self._child.signal(signal.SIGCONT)

    @property
    def code(self) -> int:
        """Exit code of a child that has ended."""
        return self._child.code or 0

    @property
    def was_killed(self) -> bool:
        """Whether the crash at the point happened."""
        return self._action == "kill" and self.code == -signal.SIGKILL

    def points(self) -> list[str]:
        """The points that the child passed."""
        return (self._directory / "trace").read_text().split()

    def answer(self) -> dict[str, Any] | None:
        """What the role returned; None if the child did not come to that."""
        if self.code != 0:
            return None
        answer: dict[str, Any] = json.loads((self._directory / "answer").read_text())
        return answer

    def end(self) -> None:
        """SIGKILL, if it still lives."""
        self._child.signal(signal.SIGKILL)
