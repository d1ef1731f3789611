"""The logs of the local cloud's processes, for people: read, followed, and put into lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.text import Text

_PAUSE_S: Final = 0.2
_STYLES: Final = {
    "DEBUG": "dim",
    "INFO": "green",
    "NOTICE": "cyan",
    "WARNING": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold white on red",
}
#: First, in this order; the rest follows as it came.
_FIRST: Final = ("video_id", "lane", "stage", "attempt", "leg", "code", "duration_ms")
#: Told by the columns, or of no use to the eye. (`--json` has them.)
_LEFT_OUT: Final = frozenset(
    ("action", "message", "severity", "time", "service", "function", "request_id", "run_id")
) | {"owner", "fencing", "generation", "stack_trace", "retryable"}
_TRACE: Final = "logging.googleapis.com/trace"
#: Written with every sweep, whatever happens.
_ROUTINE: Final = frozenset(("lane.gauged", "ledger.gauged", "sweep.finished"))
_ID_CHARACTERS: Final = 8
#: First status that is not an answer to what was asked.
_REFUSED: Final = 400


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of a process."""

    #: Which function or job.
    unit: str
    #: As it was written.
    raw: str
    #: What it says; None if it is not one of ours (a library's, a traceback's).
    fields: Mapping[str, Any] | None

    @property
    def action(self) -> str:
        """What happened, or ""."""
        return str((self.fields or {}).get("action", ""))

    @property
    def trace(self) -> str:
        """The trace's id, or ""."""
        return str((self.fields or {}).get(_TRACE, "")).rpartition("/")[2]

    @property
    def is_routine(self) -> bool:
        """Whether it says that nothing happened: a sweep without work, somebody's progress bar."""
        fields = self.fields or {}
        if self.action == "http.answered":
            polled = str(fields.get("route", "")).endswith("/status")
            return polled and int(fields.get("status", 0)) < _REFUSED
        busy = fields.get("errors") or any((fields.get("done") or {}).values())
        return self.action in _ROUTINE and not busy


def parse(raw: str, *, file: str) -> LogLine:
    """A line of a log file, whose name tells the unit if the line does not."""
    try:
        fields = json.loads(raw) if raw.startswith("{") else None
    except json.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict) or "severity" not in fields:
        return LogLine(unit=_unit(file), raw=raw, fields=None)
    return LogLine(unit=str(fields.get("service") or _unit(file)), raw=raw, fields=fields)


def read(directory: Path) -> list[LogLine]:
    """All lines of all processes, ours in the order of their times."""
    lines = [
        parse(raw, file=path.name)
        for path in sorted(directory.glob("*.log"))
        for raw in path.read_text(errors="replace").splitlines()
    ]
    return sorted(
        (line for line in lines if line.fields is not None),
        key=lambda line: str((line.fields or {}).get("time", "")),
    )


def render(line: LogLine) -> Text:
    """Time, severity, unit, action and what matters, in colours."""
    if line.fields is None:
        return Text.assemble(("          ", ""), (f"{line.unit:16} ", "blue"), (line.raw, "dim"))
    fields = line.fields
    severity = str(fields["severity"])
    text = Text.assemble(
        (f"{_clock(fields.get('time'))} ", "dim"),
        (f"{severity:8} ", _STYLES.get(severity, "")),
        (f"{line.unit:16} ", "blue"),
        (line.action or str(fields.get("message", "")), "bold"),
    )
    for name, value in _shown(fields):
        text.append(f" {name}=", "dim")
        text.append(value)
    if stack := fields.get("stack_trace"):
        text.append(f"\n{str(stack).rstrip()}", "dim")
    return text


def _shown(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rest = [name for name in fields if name not in _FIRST and name not in _LEFT_OUT]
    for name in (*_FIRST, *rest):
        value = fields.get(name)
        if value in (None, "") or name.startswith("logging.googleapis.com/"):
            continue
        if name.endswith("_id"):
            value = str(value)[:_ID_CHARACTERS]
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _clock(time: object) -> str:
    try:
        at = datetime.fromisoformat(str(time)).astimezone()
    except ValueError:
        return "            "
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def _unit(file: str) -> str:
    """`heimdex-gpu-1a2b3c4d.log` is an execution's, `api.log` a function's."""
    name = file.removesuffix(".log")
    return name.rpartition("-")[0] if name.startswith("heimdex-") else name


class Follower:
    """Tells of every line that is written from now on, in a thread of its own.

    Args:
        directory: of the log files; new ones are found.
        tell: called with each whole line.
    """

    def __init__(self, directory: Path, tell: Callable[[LogLine], None]) -> None:
        self._directory = directory
        self._tell = tell
        self._read = {path: path.stat().st_size for path in directory.glob("*.log")}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="logs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what has been written until now."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self._tell_all()
        self._tell_all()

    def _tell_all(self) -> None:
        for path in sorted(self._directory.glob("*.log")):
            for raw in self._new(path):
                self._tell(parse(raw, file=path.name))

    def _new(self, path: Path) -> list[str]:
        """Lines that are complete; the end of a line that is being written stays for later."""
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(whole)
        return whole.decode(errors="replace").splitlines()
