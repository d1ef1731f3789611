"""Headers that every answer carries, and CORS."""

from __future__ import annotations

import flask

#: An API answer is data: never a page, never framed, sniffed, cached or referred from.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
}

_ALLOWED_HEADERS = (
    "Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "traceparent"
)
_EXPOSED_HEADERS = "ETag, Location, Retry-After, X-Request-Id"
_PREFLIGHT_MAX_AGE_S = 600


def secure(response: flask.Response, *, request_id: str) -> None:
    """Add the headers that every answer carries."""
    response.headers.update(SECURITY_HEADERS)
    response.headers["X-Request-Id"] = request_id


def allow_origin(
    response: flask.Response, request: flask.Request, *, origins: tuple[str, ...]
) -> None:
    """Let pages of exactly the given origins read the answer; never with credentials.

    Tokens travel in a header that a page sets itself, so cookies are not needed.
    """
    response.vary.update(("Origin", "Accept-Language"))
    origin = request.headers.get("Origin")
    if origin is None or origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
    if request.method == "OPTIONS" and "Allow" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_MAX_AGE_S)
