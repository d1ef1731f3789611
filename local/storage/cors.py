"""Cross-origin access for browsers, as a bucket's CORS configuration grants it."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

_METHODS = "GET, HEAD, PUT, POST, DELETE"
_EXPOSED = (
    "Content-Length, Content-Range, Content-Type, ETag, Location, Range, x-goog-generation, "
    "x-goog-hash, x-goog-metageneration, x-goog-stored-content-length, X-GUploader-UploadID"
)
_ALLOWED_HEADERS = frozenset(
    {"authorization", "content-md5", "content-range", "content-type", "if-range", "range"}
    | {"traceparent", "x-upload-content-length", "x-upload-content-type"}
)
_MAX_AGE_S = 3600


class Cors:
    """Answers preflights and marks answers for the origins that are allowed.

    Args:
        origins: exact origins, or `*` for all.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def preflight(self, request: web.Request) -> web.Response:
        """Answer OPTIONS; an origin that is not allowed learns nothing."""
        wanted = request.headers.get("Access-Control-Request-Headers", "")
        names = [name.strip().lower() for name in wanted.split(",") if name.strip()]
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": ", ".join(filter(_is_allowed, names)),
            "Access-Control-Max-Age": str(_MAX_AGE_S),
        }
        return web.Response(headers=headers if self._allows(request) else {})

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the page of an allowed origin read the answer (an `on_response_prepare` hook)."""
        if not self._allows(request):
            return
        origin = request.headers["Origin"]
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in self._origins else origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        response.headers["Vary"] = "Origin"

    def _allows(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin")
        return origin is not None and bool({origin, "*"} & self._origins)


def _is_allowed(name: str) -> bool:
    return name in _ALLOWED_HEADERS or name.startswith("x-goog-")
