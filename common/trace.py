"""W3C Trace Context: which trace a request, an event or a message belongs to."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

#: https://www.w3.org/TR/trace-context/#traceparent-header; ids of only zeros are invalid.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Where a request belongs."""

    #: 32 hex digits: the trace's id, and what the client sees as X-Request-Id.
    request_id: str
    traceparent: str


def trace_of(header: str | None) -> Trace:
    """The trace of a traceparent header, or a new one if there is none that is valid."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is not None:
        return Trace(request_id=match[1], traceparent=match[0])
    request_id = secrets.token_hex(16)
    return Trace(request_id=request_id, traceparent=f"00-{request_id}-{secrets.token_hex(8)}-00")


def traceparent_of(value: object) -> str:
    """The value if it is a valid traceparent, else "": for what did not come through HTTP."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else ""


def kept(traceparent: str) -> str:
    """The same context, marked to be recorded whatever was decided before; "" stays so.

    Uploads are few and their traces are looked at: the load balancer's sampling, meant for many
    alike requests, is not to decide about them.
    """
    if not traceparent:
        return ""
    return f"{traceparent[:-2]}{int(traceparent[-2:], 16) | 1:02x}"
