"""Spans: what took how long within a trace; in every log line, and in Cloud Trace if configured.

    tracing.configure(settings, "search")
    with tracing.span("search.encode", words=3):
        ...

A span's context is bound as `traceparent`, so the log lines of its body carry its trace and span
ids whether or not anything is exported. With `HEIMDEX_TRACE_ENDPOINT` finished spans go there by
OTLP, through OpenTelemetry, which is imported with the first span and not before: it takes 0.2 s
that no cold start and no process without an endpoint should pay (docs/adr/0012).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal, Protocol

from common import log
from common.errors import ConfigError
from common.trace import traceparent_of

if TYPE_CHECKING:
    from common.config import Settings

Kind = Literal["internal", "server", "consumer"]

#: What `common.span_export` sends with; opentelemetry-exporter-otlp-proto-http brings it.
_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"


class Span(Protocol):
    """A span under way."""

    @property
    def traceparent(self) -> str:
        """Its context, for what it causes elsewhere."""

    def rename(self, name: str) -> None:
        """Say better what it is, once that is known."""

    def note(self, **attributes: object) -> None:
        """Add attributes; they are cleaned as log fields are."""

    def fail(self, error: BaseException) -> None:
        """Mark it as failed, with the error's code or type; never with its text."""

    def end(self) -> None:
        """It is over."""


class Exporter(Protocol):
    """Makes spans that are sent somewhere; see `common.span_export`."""

    def start(self, name: str, *, parent: str, kind: Kind) -> Span:
        """Begin a span below `parent`, or a trace if that is ""."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where this process's spans go."""

    endpoint: str
    project: str
    service: str
    #: Share of the traces that begin here to record.
    ratio: float


class _Tracing:
    """What `configure` said; one per process."""

    def __init__(self) -> None:
        self.target: Target | None = None

    def start(self, name: str, *, parent: str, kind: Kind) -> Span:
        if self.target is None:
            return _Unrecorded(parent)
        from common import span_export

        return span_export.of(self.target).start(name, parent=parent, kind=kind)


_tracing = _Tracing()


def configure(settings: Settings, service: str) -> None:
    """Say where spans go; call in each main once the settings are read. Nothing is imported yet.

    Raises:
        ConfigError: there is an endpoint, and nothing installed to send with: better told now than
            by the first request.
    """
    _tracing.target = None
    if settings.trace_endpoint:
        if not _is_installed(_EXPORTER):
            raise ConfigError(f"HEIMDEX_TRACE_ENDPOINT needs {_EXPORTER}")
        _tracing.target = Target(
            endpoint=settings.trace_endpoint,
            project=settings.project,
            service=service,
            ratio=settings.trace_ratio,
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package that it would be in
        return False


@contextmanager
def span(
    name: str, /, *, parent: str | None = None, kind: Kind = "internal", **attributes: object
) -> Iterator[Span]:
    """A span around the body, in whose logs its context is bound.

    Args:
        name: of a kind of work, never of one piece of it: `stage asr_transcribe`.
        parent: the traceparent to continue; "" (or an invalid one) begins a trace; None continues
            what is bound.
        kind: what it is seen from outside.
        **attributes: ids, counts, names of the code's; cleaned as log fields are.
    """
    above = traceparent_of(log.traceparent() if parent is None else parent)
    begun = _tracing.start(name, parent=above, kind=kind)
    begun.note(**attributes)
    with log.bound(traceparent=begun.traceparent):
        try:
            yield begun
        except BaseException as error:  # whatever ends it, a stop too; it goes on as it came
            begun.fail(error)
            raise
        finally:
            begun.end()


class _Unrecorded:
    """A span that is only in the logs."""

    def __init__(self, parent: str) -> None:
        trace_id = parent.split("-")[1] if parent else secrets.token_hex(16)
        flags = parent[-2:] if parent else "00"
        self._traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"

    @property
    def traceparent(self) -> str:
        return self._traceparent

    def rename(self, name: str) -> None:
        pass

    def note(self, **attributes: object) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        pass

    def end(self) -> None:
        pass
