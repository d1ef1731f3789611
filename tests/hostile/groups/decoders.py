"""107–110: a decoder that was taken over: it sleeps, forks, allocates, writes."""

from __future__ import annotations

import dataclasses
from typing import Final

from tests.hostile.case import LIMITS, Case, raw

_BUDGET: Final = "decode_budget_exceeded"
#: The sleeper is waited for.
_LIMITS: Final = dataclasses.replace(LIMITS, wall_budget_s=2.0, memory_bytes=1 << 30)


def _case(number: int, name: str, function: str, expected: str = _BUDGET, why: str = "") -> Case:
    return Case(
        number=number,
        name=name,
        make=raw(lambda: b""),
        function=f"tests.unit.gpu_jobs.hostile_stages:{function}",
        expected=expected,
        why=why,
        limits=_LIMITS,
    )


CASES: Final = (
    _case(107, "sleeps forever", "sleep_forever"),
    _case(
        108,
        "forks",
        "fork",
        "decode_crashed",
        "A process cannot be started at all: no budget is touched.",
    ),
    _case(109, "allocates 10 GiB", "allocate"),
    _case(110, "writes 10 GiB", "write_answer"),
    _case(
        110,
        "writes a file",
        "write_file",
        "decode_crashed",
        "Only the answer can be written to; no other file can even be opened.",
    ),
)
