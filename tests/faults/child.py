"""What a forked child does: become a role, meet its fault at the named point, leave its answer."""

from __future__ import annotations

import datetime
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event

from common import effects
from tests.faults import actors, stages, wiring

#: Exit code of a child whose role raised; a crash has the signal's.
FAILED: Final = 70


def main(order: dict[str, Any]) -> int:
    """Carry out an order; returns the exit code.

    Args:
        order: `role` and `request` for `tests.faults.actors`; `endpoints`; `point`, `nth` and
            `action` ("kill" or "stop"); `options`; `out`, where the answer goes as JSON; `trace`,
            where the names of the points go that were passed.
    """
    try:
        _prepare(order)
        with wiring.Wiring(wiring.Endpoints(**order["endpoints"])) as wired:
            answer = actors.ROLES[order["role"]](wired, order["request"])
        Path(order["out"]).write_text(json.dumps(answer))
    except Exception:  # noqa: BLE001 (a main; the exit code tells)
        traceback.print_exc()
        sys.stdout.flush()
        return FAILED
    finally:
        sys.stderr.flush()
    sys.stdout.flush()
    return 0


def _prepare(order: dict[str, Any]) -> None:
    options = order["options"]
    os.environ["TMPDIR"] = order["scratch"]
    stages.doors["harness"] = order["endpoints"]["doors"]
    stages.behaviour.update(options.get("behaviour", {}))
    for name, value in options.get("limits", {}).items():
        number = getattr(resource, name)
        resource.setrlimit(number, (value, resource.getrlimit(number)[1]))
    if options.get("clock_s"):
        _shift_clock(options["clock_s"])
    _Points(order).watch()


class _Points:
    """Every point that this process passes, and what happens at one of them."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._point, self._nth = order["point"], order["nth"]
        self._action = order["action"]
        self._seen: Counter[str] = Counter()
        self._trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def watch(self) -> None:
        """Stand in for the helper's own look-out, which it goes on with."""
        if self._action == "kill":
            effects._CRASH = f"{self._point}@{self._nth}"
        helper = effects._point

        def note(point: str) -> None:
            os.write(self._trace, f"{point}\n".encode())
            self._stop_at(point)
            helper(point)

        effects._point = note
        # Reading has no durable effect, but can be disturbed as well.
        event.listen(
            sqlalchemy.Engine, "before_cursor_execute", lambda *_: self._stop_at("before:sql")
        )

    def _stop_at(self, name: str) -> None:
        self._seen[name] += 1
        if self._action == "stop" and name == self._point and self._seen[name] == self._nth:
            os.kill(os.getpid(), signal.SIGSTOP)


def _shift_clock(by_s: float) -> None:
    """Let this process think that it is earlier or later, in every module that asks the time."""
    real_time, real = time.time, datetime.datetime
    # It hands absolute times to a library whose clock cannot be shifted from here.
    channel: Any = sys.modules["grpc._channel"]
    channel.time = SimpleNamespace(**vars(time))

    class _Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

    class Shifted(real, metaclass=_Kind):  # type: ignore[misc,valid-type]  # stands in for it
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real.fromtimestamp(real_time() + by_s, tz)

        @classmethod
        def utcnow(cls) -> Any:
            return real.fromtimestamp(real_time() + by_s, datetime.UTC).replace(tzinfo=None)

    time.time = lambda: real_time() + by_s
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        for name, value in list(names.items()):
            if value is real:
                names[name] = Shifted
            elif value is real_time:
                names[name] = time.time
