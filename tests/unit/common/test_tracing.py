"""Spans: contexts that are bound for the logs, and what is sent over the wire."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from common import log, tracing
from common.config import Settings
from common.errors import ConfigError, InputError
from common.trace import trace_of, traceparent_of
from tests.conftest import settings
from tests.spans import ReceivedSpan, SpanReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"
_SERVER, _INTERNAL = 2, 1


@pytest.fixture
def receiver() -> Iterator[SpanReceiver]:
    """A receiver of this test's own."""
    with SpanReceiver() as served:
        yield served


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """As a process begins, and as other tests expect it."""
    yield
    tracing.configure(settings(trace_endpoint=""), "")


def _told(receiver: SpanReceiver, **changes: object) -> Settings:
    return settings(trace_endpoint=receiver.url, **changes)


def _sent(receiver: SpanReceiver, *, ratio: float = 1.0) -> dict[str, ReceivedSpan]:
    """What the process's exporter had to send, sent."""
    from common import span_export

    target = tracing.Target(
        endpoint=receiver.url, project=settings().project, service="test", ratio=ratio
    )
    exporter = span_export.of(target)
    assert isinstance(exporter, span_export.Spans)
    exporter.flush()
    return {span.name: span for span in receiver.all()}


# --- in the logs, always -----------------------------------------------------------------------


def test_a_span_continues_the_trace_under_an_id_of_its_own() -> None:
    """The body's log lines belong to the span; those after it to what was before."""
    with log.bound(traceparent=SAMPLED):
        with tracing.span("outer") as outer:
            assert log.traceparent() == outer.traceparent
            with tracing.span("inner") as inner:
                assert log.traceparent() == inner.traceparent
        assert log.traceparent() == SAMPLED
    ids = {x.split("-")[2] for x in (SAMPLED, outer.traceparent, inner.traceparent)}
    assert len(ids) == 3
    assert all(x.startswith(f"00-{TRACE}-") for x in (outer.traceparent, inner.traceparent))
    assert inner.traceparent.endswith("-01")


@pytest.mark.parametrize("parent", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_without_a_valid_parent_a_trace_begins(parent: str) -> None:
    """A valid one, each time another; what is bound does not count where "" was said."""
    with log.bound(traceparent=SAMPLED), tracing.span("x", parent=parent) as first:
        assert traceparent_of(first.traceparent)
        assert TRACE not in first.traceparent
    with tracing.span("x", parent=parent) as second:
        assert trace_of(second.traceparent).request_id not in first.traceparent


def test_the_body_s_error_goes_on(receiver: SpanReceiver) -> None:
    """With an exporter or without."""
    for told in (settings(), _told(receiver)):
        tracing.configure(told, "test")
        with pytest.raises(InputError), tracing.span("x", parent=SAMPLED):
            raise InputError("invalid_request")


def test_opentelemetry_is_loaded_with_the_first_span_that_is_sent() -> None:
    """Not by importing functions, nor by spans that go nowhere: it would cost each cold start."""
    code = (
        "import sys\n"
        "import common.bus, common.web.app, functions.api.routes, gpu_jobs.worker\n"
        "from common import tracing\n"
        "with tracing.span('x'): pass\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk.trace',"
        " 'opentelemetry.exporter'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "missing", ["opentelemetry.nobody_installed_this", "nobody_installed_this.exporter"]
)
def test_an_endpoint_without_an_exporter_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Not by the first request that has a span."""
    monkeypatch.setattr(tracing, "_EXPORTER", missing)
    with pytest.raises(ConfigError, match="nobody_installed_this"):
        tracing.configure(settings(trace_endpoint="http://127.0.0.1:1/v1/traces"), "test")


# --- over the wire -----------------------------------------------------------------------------


def test_spans_are_sent_with_their_place_in_the_trace(receiver: SpanReceiver) -> None:
    """Ids, parents, kinds, names as they turned out, attributes, service and project."""
    tracing.configure(_told(receiver), "test")
    video_id = uuid4()
    with tracing.span("http", parent=SAMPLED, kind="server") as outer:
        outer.rename("GET /v1/videos")
        with tracing.span("inner", video_id=video_id, count=3) as inner:
            inner.note(ready=True)
    sent = _sent(receiver)
    root, part = sent["GET /v1/videos"], sent["inner"]
    assert (root.trace_id, root.parent_id, root.kind) == (TRACE, "00f067aa0ba902b7", _SERVER)
    assert (part.trace_id, part.parent_id, part.kind) == (TRACE, root.span_id, _INTERNAL)
    assert outer.traceparent == f"00-{TRACE}-{root.span_id}-01"
    assert part.attributes == {"video_id": str(video_id), "count": 3, "ready": True}
    assert (part.service, part.project) == ("test", settings().project)
    assert not root.failed


def test_nothing_private_is_sent(receiver: SpanReceiver) -> None:
    """Attributes pass the same net as log fields; of an error only its code or type goes."""
    tracing.configure(_told(receiver), "test")
    secret = "a secret birthday"
    with pytest.raises(ZeroDivisionError), tracing.span("x", parent=SAMPLED, query=secret):
        raise ZeroDivisionError(secret)
    with pytest.raises(InputError), tracing.span("y", parent=SAMPLED):
        raise InputError("invalid_request", secret)
    sent = _sent(receiver)
    assert sent["x"].failed
    assert sent["x"].attributes == {"query": "[redacted]", "error.type": "ZeroDivisionError"}
    assert sent["y"].attributes == {"error.type": "invalid_request"}
    assert secret not in repr(sent)


def test_who_began_a_trace_decides_whether_it_is_recorded(receiver: SpanReceiver) -> None:
    """A parent that is not sampled is followed; its context travels all the same."""
    tracing.configure(_told(receiver), "test")
    with tracing.span("quiet", parent=UNSAMPLED) as quiet:
        pass
    with tracing.span("new", parent="") as new:
        pass
    assert set(_sent(receiver)) == {"new"}
    assert quiet.traceparent.startswith(f"00-{TRACE}-")
    assert quiet.traceparent.endswith("-00")
    assert int(new.traceparent[-2:], 16) & 1


def test_a_share_of_new_traces_may_be_recorded(receiver: SpanReceiver) -> None:
    """None of them with 0; those that others began are all the same."""
    tracing.configure(_told(receiver, trace_ratio=0.0), "test")
    with tracing.span("new", parent=""):
        pass
    with tracing.span("continued", parent=SAMPLED):
        pass
    assert set(_sent(receiver, ratio=0.0)) == {"continued"}


def test_a_receiver_that_is_busy_gets_the_spans_later(receiver: SpanReceiver) -> None:
    """503 is answered by sending again."""
    receiver.refusals.append(503)
    tracing.configure(_told(receiver), "test")
    with tracing.span("x", parent=SAMPLED):
        pass
    assert set(_sent(receiver)) == {"x"}
    assert receiver.refusals == []


def test_spans_that_are_not_taken_are_lost_and_nothing_else(receiver: SpanReceiver) -> None:
    """The work goes on, and later spans are sent."""
    receiver.refusals.append(400)
    tracing.configure(_told(receiver), "test")
    for name in ("lost", "sent"):
        with tracing.span(name, parent=SAMPLED) as span:
            assert log.traceparent() == span.traceparent
        found = set(_sent(receiver))
    assert found == {"sent"}
