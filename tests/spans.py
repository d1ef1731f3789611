"""A receiver of spans that speaks OTLP over HTTP, as Google's Telemetry API and collectors do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

_STATUS_ERROR = 2


@dataclass(frozen=True, kw_only=True)
class ReceivedSpan:
    """A span as it came over the wire; ids in hex."""

    name: str
    service: str
    project: str
    trace_id: str
    span_id: str
    #: "" for the first of a trace.
    parent_id: str
    kind: int
    failed: bool
    duration_ms: float
    attributes: Mapping[str, Any]


class SpanReceiver:
    """Serves until the `with` block ends; thread-safe."""

    def __init__(self) -> None:
        self._received: list[ReceivedSpan] = []
        self._changed = threading.Condition()
        #: Answers that are to be given before the good ones.
        self.refusals: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where spans are to be sent."""
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def all(self) -> list[ReceivedSpan]:
        """What came so far."""
        with self._changed:
            return list(self._received)

    def wait_for(self, *names: str, trace_id: str = "", timeout_s: float = 60.0) -> None:
        """Return once spans of all these names came; fails if they do not."""

        def missing() -> set[str]:
            came = {x.name for x in self._received if trace_id in ("", x.trace_id)}
            return set(names) - came

        with self._changed:
            assert self._changed.wait_for(lambda: not missing(), timeout_s), missing()

    def _take(self, body: bytes) -> int:
        with self._changed:
            if self.refusals:
                return self.refusals.pop(0)
            self._received += _spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            self._changed.notify_all()
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                proto = self.headers["Content-Type"] == "application/x-protobuf"
                right = self.path == "/v1/traces" and proto
                self.send_response(take(body) if right else 400)
                answer = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> SpanReceiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _spans(request: Any) -> list[ReceivedSpan]:
    found = []
    for resource in request.resource_spans:
        about = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                found.append(
                    ReceivedSpan(
                        name=span.name,
                        service=about["service.name"],
                        project=about["gcp.project_id"],
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        kind=span.kind,
                        failed=span.status.code == _STATUS_ERROR,
                        duration_ms=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
                        attributes=_attributes(span.attributes),
                    )
                )
    return found


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
