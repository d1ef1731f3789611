"""Trace context of requests."""

from __future__ import annotations

import pytest

from common.trace import kept, trace_of

_VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_valid_traceparent_goes_on() -> None:
    """Its trace id names the request."""
    trace = trace_of(_VALID)
    assert trace.traceparent == _VALID
    assert trace.request_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        _VALID.upper(),
        f"{_VALID}\n",
        f"{_VALID}-more",
        "ff" + _VALID[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_anything_else_starts_a_new_trace(header: str | None) -> None:
    """A valid one that nobody else has."""
    trace = trace_of(header)
    assert trace.traceparent != header
    assert trace_of(trace.traceparent) == trace
    assert trace.request_id != trace_of(header).request_id


def test_a_trace_that_is_kept_is_recorded() -> None:
    """Whatever was decided before; nothing is made of none."""
    assert kept(f"{_VALID[:-2]}00") == _VALID
    assert kept(_VALID) == _VALID
    assert kept("") == ""
