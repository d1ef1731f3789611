"""What the log of a unit's process tells: what it did, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: Severe for operators, but the purpose of the function that logs it.
_EXPECTED: Final = frozenset({"dead_letter.recorded"})
_SEVERE: Final = frozenset({"ERROR", "CRITICAL", "ALERT", "EMERGENCY"})


@dataclass(frozen=True, kw_only=True)
class Log:
    """What the processes of one unit logged."""

    #: Every event, in order.
    actions: tuple[str, ...]
    #: The first thing that went wrong, in words, or "".
    fault: str


def read(files: Iterable[Path]) -> Log:
    """Read the logs of one unit's processes."""
    actions: list[str] = []
    faults: list[str] = []
    for path in files:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        events = list(_events(lines))
        actions += [str(each["action"]) for each in events if "action" in each]
        faults += [_words(each) for each in events if _is_fault(each)]
        if "Traceback (most recent call last):" in lines:
            faults.append(next(line for line in reversed(lines) if line.strip()))
    return Log(actions=tuple(actions), fault=faults[0] if faults else "")


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _is_fault(event: dict[str, Any]) -> bool:
    return event.get("severity") in _SEVERE and event.get("action") not in _EXPECTED


def _words(event: dict[str, Any]) -> str:
    what = event.get("action") or event.get("message") or "an error"
    why = " ".join(str(event[key]) for key in ("code", "detail", "error") if event.get(key))
    return f"{what}: {why}"[:300]
