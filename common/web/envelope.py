"""What functions-framework answers by itself, made as safe as our own answers.

The framework answers some requests before a function sees them, or after it failed: unknown
methods, `/robots.txt`, events that it cannot read, crashes. Left alone it does so with pages of
HTML that quote the request (headers, and with them tokens, included) and without our headers.
"""

from __future__ import annotations

import flask
from cloudevents.http import from_http

from common import log
from common.errors import InputError
from common.trace import trace_of
from common.web.headers import allow_origin, secure
from common.web.refusals import refusal


def harden(*, origins: tuple[str, ...] = ()) -> None:
    """Take over the framework's own answers; call while a function's main is loaded.

    The framework loads it inside its application's context. Anywhere else (a test that imports
    the module) there is no such application, and nothing happens.

    Args:
        origins: pages that may read the answers.
    """
    if not flask.has_app_context():
        return

    def finish(response: flask.Response) -> flask.Response:
        if "X-Request-Id" not in response.headers:
            secure(response, request_id=_request_id())
            allow_origin(response, flask.request, origins=origins)
        return response

    flask.current_app.register_error_handler(Exception, _refuse)
    flask.current_app.after_request(finish)


def harden_events() -> None:
    """The same for a function that takes CloudEvents, whose envelopes are looked at first.

    What the framework cannot read it converts by guessing, quotes, or crashes on; and a crash
    makes Eventarc deliver again for a day.
    """
    harden()
    if flask.has_app_context():
        flask.current_app.before_request(_read_envelope)


def _read_envelope() -> None:
    if flask.request.method != "POST":
        return
    try:
        event = from_http(flask.request.headers, flask.request.get_data())
        event.get_data()
    except Exception as error:  # the parser lets all kinds of errors through
        raise InputError("invalid_request", f"envelope: {type(error).__name__}") from error


def _refuse(error: Exception) -> flask.Response:
    response = refusal(error, request_id=_request_id())
    log.event("http.refused", status=response.status_code, code=flask.g.code)
    return response


def _request_id() -> str:
    if "request_id" not in flask.g:
        flask.g.request_id = trace_of(flask.request.headers.get("traceparent")).request_id
    return str(flask.g.request_id)
