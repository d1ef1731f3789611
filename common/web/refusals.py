"""From any exception to a problem document: the one shape of everything that is refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import flask
from werkzeug.exceptions import HTTPException

from common import log
from common.errors import ConfigError, HeimdexError, InputError, NotFoundError, QuotaError
from common.web.language import preferred
from common.web.principal import RECENT_SIGN_IN_S
from common.web.problem import MEDIA_TYPE, RETRY_AFTER_S, problem_of

#: What 401 asks for, by code, where a token alone is not enough (RFC 9470).
_CHALLENGES: Final = {
    "sign_in_again": (
        f'Bearer error="insufficient_user_authentication", max_age="{RECENT_SIGN_IN_S}"'
    )
}


def refusal(error: Exception, *, request_id: str) -> flask.Response:
    """Any exception as a problem document; what nobody expected is logged.

    The code is left in `flask.g.code` for the request's log line.

    Args:
        error: what ended the current Flask request.
        request_id: the `instance` of the problem.
    """
    known = _known(error)
    if known.code == "internal":
        log.event("http.crashed", severity="ERROR", error=error)
    elif isinstance(known, ConfigError):
        log.event("http.misconfigured", severity="ERROR", error=error)
    elif known.retryable:
        # Clients are told that it is for now; operators, what it is.
        log.event("http.unavailable", severity="WARNING", error=error)
    language = preferred(flask.request.headers.get("Accept-Language"))
    problem = problem_of(known, language=language, request_id=request_id)
    flask.g.code = problem.code
    response = flask.Response(problem.model_dump_json(), problem.status, mimetype=MEDIA_TYPE)
    response.headers["Content-Language"] = language
    if (retry_after_s := _retry_after_s(known)) is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = _CHALLENGES.get(problem.code, "Bearer")
    if isinstance(error, HTTPException) and (allow := _allow(error)):
        response.headers["Allow"] = allow
    return response


def _retry_after_s(error: HeimdexError) -> int | None:
    """When to try again, if that is known."""
    if isinstance(error, QuotaError):
        return error.retry_after_s
    return RETRY_AFTER_S.get("unavailable" if error.retryable else error.code)


def _known(error: Exception) -> HeimdexError:
    """The error as one with a code."""
    if isinstance(error, HeimdexError):
        return error
    status = (error.code or 500) if isinstance(error, HTTPException) else 500
    by_status = {405: "method_not_allowed", 413: "request_too_large"}
    if status == 404:
        return NotFoundError()
    if status in by_status:
        return InputError(by_status[status])
    return InputError("invalid_request") if 400 <= status < 500 else HeimdexError("internal")


def _allow(error: HTTPException) -> str:
    return dict(error.get_headers(flask.request.environ)).get("Allow", "")
