"""A Flask application from a route table, and how it runs inside functions-framework."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, cast

import flask

from common import log, tracing
from common.config import Settings
from common.database import Database
from common.errors import InputError
from common.trace import Trace, trace_of
from common.web.dispatch import Dispatcher
from common.web.headers import allow_origin, secure
from common.web.pages import PageTokens
from common.web.refusals import refusal
from common.web.routes import Authenticate, Route, RouteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ServicesT = TypeVar("ServicesT")

#: No request needs more: files go to Cloud Storage, not through here.
MAX_BODY_BYTES = 64 * 1024
#: Where the request's trace and span are in its WSGI environment.
_TRACE = "heimdex.trace"
_SPAN = "heimdex.span"
#: Cloud Run's own limit for HTTP/1 requests; what is read and thrown away before refusing.
_MAX_DRAINED_BYTES = 32 * 1024 * 1024


def create_app(
    name: str,
    routes: RouteTable[ServicesT],
    services: ServicesT,
    *,
    settings: Settings,
    authenticate: Authenticate,
    database: Database,
) -> flask.Flask:
    """Make the application of one function.

    Args:
        name: the function's name.
        routes: what it answers.
        services: given to each handler.
        settings: origins and the key of page tokens.
        authenticate: verifies Authorization headers.
        database: where handlers' transactions are opened.

    Raises:
        ConfigError: the settings lack something.
    """
    app = flask.Flask(name, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.merge_slashes = False
    dispatcher = Dispatcher(
        services=services,
        authenticate=authenticate,
        database=database,
        page_tokens=PageTokens.of(settings),
    )
    for route in routes:
        app.add_url_rule(
            route.path.replace("{", "<").replace("}", ">"),
            endpoint=f"{route.method} {route.path}",
            view_func=_view(dispatcher, route),
            methods=[route.method],
        )
    app.wsgi_app = _traced(app.wsgi_app)  # type: ignore[method-assign, assignment]  # Flask's own idiom
    app.before_request(_begin)
    app.after_request(_finisher(settings.cors_origins))
    app.register_error_handler(Exception, _refuse)
    return app


def to_response(app: flask.Flask, request: flask.Request) -> flask.Response:
    """Answer a request that functions-framework received with an application of ours.

    The body is read here, so that neither application waits for bytes that the other one has
    taken from the socket.
    """
    body = _read(request, MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        _drain(request)
    environ = {
        **request.environ,
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    # Typed as its base class, but it makes an instance of the class it is called on.
    return cast("flask.Response", flask.Response.from_app(app.wsgi_app, environ, buffered=True))


def _read(request: flask.Request, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    while limit_bytes and (part := request.stream.read(limit_bytes)):
        parts.append(part)
        limit_bytes -= len(part)
    return b"".join(parts)


def _drain(request: flask.Request) -> None:
    """Take the rest of an oversized body off the socket, so that the client sees the answer."""
    left = _MAX_DRAINED_BYTES
    while left > 0 and (part := request.stream.read(MAX_BODY_BYTES)):
        left -= len(part)


def _view(dispatcher: Dispatcher[ServicesT], route: Route) -> Callable[..., flask.Response]:
    def view(**path: str) -> flask.Response:
        return dispatcher.answer(route, path)

    return view


def _traced(inner: WSGIApplication) -> WSGIApplication:
    """Give every request a trace, which all its log lines carry."""

    def traced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        trace = trace_of(environ.get("HTTP_TRACEPARENT"))
        environ[_TRACE] = trace
        with (
            log.bound(request_id=trace.request_id),
            tracing.span("http", parent=trace.traceparent, kind="server") as span,
        ):
            environ[_SPAN] = span
            return inner(environ, start_response)

    return traced


def _trace() -> Trace:
    trace: Trace = flask.request.environ[_TRACE]
    return trace


def _begin() -> None:
    """Refuse a body that is too large even where none is read."""
    flask.g.started_s = time.monotonic()
    if (flask.request.content_length or 0) > MAX_BODY_BYTES:
        raise InputError("request_too_large")


def _finisher(origins: tuple[str, ...]) -> Callable[[flask.Response], flask.Response]:
    def finish(response: flask.Response) -> flask.Response:
        secure(response, request_id=_trace().request_id)
        allow_origin(response, flask.request, origins=origins)
        _log(response)
        return response

    return finish


def _log(response: flask.Response) -> None:
    rule = flask.request.url_rule
    facts = {
        "method": flask.request.method,
        "route": rule.rule if rule is not None else "",
        "status": response.status_code,
        "code": flask.g.get("code", ""),
    }
    span: tracing.Span = flask.request.environ[_SPAN]
    span.rename(f"{facts['method']} {facts['route']}".rstrip())
    span.note(**facts)
    log.event(
        "http.answered",
        function=flask.current_app.name,
        **facts,
        duration_ms=round((time.monotonic() - flask.g.started_s) * 1000),
    )


def _refuse(error: Exception) -> flask.Response:
    """Any exception as a problem document."""
    return refusal(error, request_id=_trace().request_id)
