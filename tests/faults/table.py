"""The matrix as people read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.faults.boundaries import BOUNDARIES
from tests.faults.faults import FAULTS
from tests.faults.results import Result


def table(results: Iterable[Result]) -> str:
    """A row per boundary, a column per fault: how many runs were good, `!` before broken ones."""
    runs: Mapping[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.kind == "cell":
            runs[result.name].append(result)
    head = " ".join(f"{fault.name:>4}" for fault in FAULTS)
    lines = [f"{'':22}{head}"]
    for boundary in BOUNDARIES:
        marks = []
        for fault in FAULTS:
            found = runs[f"{fault.name}x{boundary.name}"]
            marks.append(_mark(found, applies=boundary.number in fault.applies))
        row = " ".join(f"{mark:>4}" for mark in marks)
        lines.append(f"{boundary.name:>4} {boundary.title:17}{row}")
    lines += ["", "·: cannot happen there; -: not run this time; !n: n broken runs", ""]
    lines += [f"{fault.name:>4} {fault.title}" for fault in FAULTS]
    return "\n".join(lines)


def _mark(found: list[Result], *, applies: bool) -> str:
    if not applies:
        return "·"
    if not found:
        return "-"
    broken = sum(bool(result.broken) for result in found)
    return f"!{broken}" if broken else str(len(found))
