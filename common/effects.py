"""One helper with a name around every durable effect.

A durable effect is anything another process can see after this one dies: a committed transaction,
a stored object, a published message, an acknowledgement, a started job. Naming each lets a test
list them and kill the process right before and right after every one.

`HEIMDEX_CRASH=before:run.claim` (or `after:…`) makes the process die by SIGKILL at that point;
`…@3` at the third time. It is read once and refused on Cloud Run (see `common.config`).
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_CRASH = os.environ.get("HEIMDEX_CRASH", "")
_seen: Counter[str] = Counter()


@contextmanager
def effect(name: str) -> Iterator[None]:
    """Mark the body as the durable effect `name` (dotted, e.g. `run.claim`).

    The body must return only when the effect is durable (awaited, committed); if it raises, the
    `after` point is not reached.
    """
    _point(f"before:{name}")
    yield
    _point(f"after:{name}")


def _point(point: str) -> None:
    if not _CRASH:
        return
    _seen[point] += 1
    wanted, _, nth = _CRASH.partition("@")
    if point == wanted and _seen[point] == int(nth or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
