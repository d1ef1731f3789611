"""Sends spans by OTLP: to Google's Telemetry API in the cloud, or to any receiver.

Importing this imports OpenTelemetry; only `common.tracing` does so, when there is a span to send.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span as OpenSpan
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from common.errors import HeimdexError
from common.redaction import clean
from common.tracing import Exporter, Kind, Span, Target

#: An exporter that does not answer must not keep an instance that is to end.
_TIMEOUT_S: Final = 5.0
#: Spans are sent this long after they ended, at the latest (and when the process ends).
_DELAY_MS: Final = 2_000
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "consumer": SpanKind.CONSUMER,
}
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_made = threading.Lock()


def of(target: Target) -> Exporter:
    """The process's exporter for a target, made once."""
    with _made:
        return _exporter(target)


@cache
def _exporter(target: Target) -> Spans:
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(target.ratio),
        resource=Resource.create(
            {"service.name": target.service, "gcp.project_id": target.project}
        ),
    )
    sender = OTLPSpanExporter(
        endpoint=target.endpoint, timeout=_TIMEOUT_S, session=_session(target)
    )
    provider.add_span_processor(BatchSpanProcessor(sender, schedule_delay_millis=_DELAY_MS))
    return Spans(provider)


def _session(target: Target) -> requests.Session:
    """With our service account's token for Google's endpoint; with nothing for any other."""
    host = urlsplit(target.endpoint).hostname or ""
    if not host.endswith(".googleapis.com"):
        return requests.Session()
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[_SCOPE])
    session: requests.Session = AuthorizedSession(credentials)
    return session


class Spans:
    """Spans of one process.

    Args:
        provider: OpenTelemetry's; it sends what ended, and the rest when the process ends.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("heimdex")

    def start(self, name: str, *, parent: str, kind: Kind) -> Span:
        """Begin a span below `parent`, or a trace if that is ""."""
        above = _PROPAGATOR.extract({"traceparent": parent}, Context())
        return _Recorded(self._tracer.start_span(name, context=above, kind=_KINDS[kind]))

    def flush(self) -> bool:
        """Send what ended; returns whether that worked in time."""
        return self._provider.force_flush()


class _Recorded:
    def __init__(self, span: OpenSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        flags = int(context.trace_flags)
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, **attributes: object) -> None:
        for name, value in clean(attributes, texts=False).items():
            if isinstance(value, str | bool | int | float):
                self._span.set_attribute(name, value)

    def fail(self, error: BaseException) -> None:
        code = error.code if isinstance(error, HeimdexError) else type(error).__name__
        self._span.set_attribute("error.type", code)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()
