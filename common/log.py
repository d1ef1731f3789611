"""Structured logs: one JSON object per line on standard output, as Cloud Logging reads them.

    log.configure("api")
    with log.bound(video_id=video_id, traceparent=traceparent):
        log.event("run.claimed", run_id=run_id, attempt=1)

No transcript, vector, name, token or signed URL ever enters a log: see `common.redaction`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from common.redaction import clean, scrub

Severity = Literal["DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"]

#: Between INFO and WARNING, as in Cloud Logging.
_NOTICE = 25
#: Their access lines hold whole URLs, and with them what people search for.
_SILENCED = ("werkzeug", "urllib3.connectionpool")
#: Source: w3.org/TR/trace-context, "traceparent header field values".
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_logger = logging.getLogger("heimdex")
_bound: ContextVar[Mapping[str, object]] = ContextVar("heimdex_log_fields")


def configure(service: str = "", *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send this process's logs to standard output; call once, first thing in a main.

    Other libraries' records are kept from WARNING on. With `HEIMDEX_LOG=human` and a terminal the
    lines are for people instead of machines.

    Args:
        service: name of the function or job; by default what Cloud Run says.
        level: the lowest severity of our own events.
        stream: instead of standard output.
    """
    handler = _Handler(stream)
    if os.environ.get("HEIMDEX_LOG") == "human" and handler.stream.isatty():
        handler.setFormatter(_HumanFormatter())
    else:
        handler.setFormatter(_JsonFormatter(_service(service), _project()))
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.addLevelName(_NOTICE, "NOTICE")
    _logger.setLevel(level)
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Google's clients cut their logger off from the root unless it was given a level before.
    logging.getLogger("google").setLevel(logging.WARNING)
    logging.getLogger("google").propagate = True


def event(action: str, /, *, severity: Severity = "INFO", **fields: object) -> None:
    """Log that something happened.

    Args:
        action: what, as noun and past participle: `run.claimed`.
        severity: ERROR only for what a person should look at.
        **fields: ids, counts, durations with units in their names. `error` may be an exception:
            it is logged with its type, code and stack, but without locals and, unless it is one
            of ours, without its text.
    """
    number = _NOTICE if severity == "NOTICE" else logging.getLevelNamesMapping()[severity]
    _logger.log(number, action, extra={"fields": fields})


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to every event of the body, in this thread (or task); may be nested.

    `traceparent` (W3C) becomes the trace and span that Cloud Logging links to.
    """
    token = _bound.set({**_bound.get({}), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def traceparent() -> str:
    """What `bound` says of the trace; "" for nothing."""
    value = _bound.get({}).get("traceparent")
    return value if isinstance(value, str) else ""


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it and leaves others alone.

    Without a stream of its own it writes to whatever standard output is at the moment.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream or sys.stdout)
        self._follows = stream is None

    def emit(self, record: logging.LogRecord) -> None:
        if self._follows:
            self.stream = sys.stdout
        super().emit(record)


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str, project: str) -> None:
        super().__init__()
        self._service = service
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        fields = _fields(record)
        trace = _trace(fields.pop("traceparent", None), self._project)
        line = {
            **clean(fields, texts=False),
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "message": scrub(record.getMessage()),
            "service": self._service,
            **trace,
        }
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        # A lone surrogate (from a file name, say) must not cost the line.
        return text.encode("utf-8", "replace").decode()


class _HumanFormatter(logging.Formatter):
    """For the terminal of the person whose data it is: exceptions keep their text."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, severity, action and fields; a stack on lines of its own."""
        fields = clean(_fields(record), texts=True)
        fields.pop("action", None)
        fields.pop("traceparent", None)
        stack = fields.pop("stack_trace", "")
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        pairs = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{at} {record.levelname:<8} {scrub(record.getMessage())}{pairs}"
        return f"{line}\n{stack}" if stack else line


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What is bound, what the event says, and an exception in parts."""
    own = getattr(record, "fields", None)
    fields: dict[str, object] = {**_bound.get({}), **(own or {})}
    if own is None:
        fields["logger"] = record.name
    else:
        fields["action"] = record.msg
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = record.exc_info[1]
    return fields


def _trace(traceparent: object, project: str) -> dict[str, object]:
    """The special fields that link a line to its trace."""
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if match is None:
        return {}
    trace_id, span_id, flags = match.groups()
    prefix = f"projects/{project}/traces/" if project else ""
    return {
        "logging.googleapis.com/trace": prefix + trace_id,
        "logging.googleapis.com/spanId": span_id,
        "logging.googleapis.com/trace_sampled": bool(int(flags, 16) & 1),
    }


def _service(service: str) -> str:
    return service or os.environ.get("K_SERVICE") or os.environ.get("CLOUD_RUN_JOB") or ""


def _project() -> str:
    # Not from Settings: logging starts before them, to report what is wrong with them.
    return os.environ.get("HEIMDEX_PROJECT", "")
