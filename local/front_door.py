"""One host for the whole API, as the load balancer is in every environment.

A reverse proxy with a table from path prefixes to functions. Bodies stream both ways; nothing is
retried, since only the client knows whether its request may be repeated.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Final

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from common.errors import HeimdexError, NotFoundError, TransientError
from common.web.language import preferred
from common.web.problem import MEDIA_TYPE, RETRY_AFTER_S, problem_of
from local.serving import ServedApp

#: RFC 9110 section 7.6.1; whatever `Connection` lists goes too. `Expect` was answered here.
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_CHUNK_BYTES: Final = 64 * 1024
_CONNECT_TIMEOUT_S: Final = 5.0
#: Longest silence of a function; Cloud Functions' own limit for HTTP is longer, nothing here is.
_SILENCE_TIMEOUT_S: Final = 120.0


class FrontDoor:
    """Sends each request to the function whose prefix matches longest.

    Args:
        routes: base URL of a function by path prefix, e.g. `{"/v1": …, "/v1/search": …}`.
            A prefix matches whole path segments.
        port: 0 picks a free one.
        silence_timeout_s: how long a function may send nothing before the answer is 504.
    """

    def __init__(
        self,
        routes: Mapping[str, str],
        *,
        port: int = 0,
        silence_timeout_s: float = _SILENCE_TIMEOUT_S,
    ) -> None:
        self._routes = sorted(routes.items(), key=lambda route: len(route[0]), reverse=True)
        self._timeout = ClientTimeout(
            total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=silence_timeout_s
        )
        self._port = port
        self._served: ServedApp | None = None

    @property
    def url(self) -> str:
        """Base URL, without /v1."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve; returns once connections are accepted. Raises OSError if it cannot."""
        if self._served is not None:
            return
        app = web.Application()
        app.router.add_get("/healthz", _healthy)
        app.router.add_route("*", "/{path:.*}", self._forward)
        app.cleanup_ctx.append(self._session)
        served = ServedApp(app, port=self._port)
        served.start()
        self._served, self._port = served, served.port

    def stop(self) -> None:
        """Stop serving."""
        if self._served is not None:
            self._served.stop()
            self._served = None

    async def _session(self, app: web.Application) -> AsyncIterator[None]:
        # A connection each: a kept one can close under a request that must not be repeated.
        connector = TCPConnector(limit=0, force_close=True)
        self._client = ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        yield
        await self._client.close()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        headers = _upstream_headers(request)
        trace = headers["traceparent"]
        base = self._base_of(request.path)
        if base is None:
            return _problem(request, NotFoundError("no such route"), 404, trace)
        try:
            answer = await self._client.request(
                request.method,
                URL(base.rstrip("/") + request.rel_url.raw_path_qs, encoded=True),
                headers=headers,
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            )
        except TimeoutError:
            return _problem(request, TransientError("unavailable", "silent"), 504, trace)
        except ClientError:
            return _problem(request, TransientError("unavailable", "unreachable"), 502, trace)
        async with answer:
            return await _relay(request, answer)

    def _base_of(self, path: str) -> str | None:
        for prefix, base in self._routes:
            if path == prefix or path.startswith(f"{prefix}/"):
                return base
        return None

    def __enter__(self) -> FrontDoor:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


async def _healthy(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _upstream_headers(request: web.Request) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    # The first hop decides what is true about the client; what it claims itself is dropped.
    for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"):
        headers.popall(name, None)
    headers["X-Forwarded-For"] = request.remote or "unknown"
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = request.scheme
    given = request.headers.getall("traceparent", [])
    if len(given) != 1 or not _TRACEPARENT.fullmatch(given[0]):
        headers.popall("tracestate", None)
        headers["traceparent"] = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    return headers


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    named = ",".join(kept.getall("Connection", [])).split(",")
    for name in _HOP_BY_HOP.union(name.strip().lower() for name in named):
        kept.popall(name, None)
    return kept


async def _relay(request: web.Request, answer: ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
    )
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            await response.write(chunk)
    except (ClientError, TimeoutError):
        # The status is gone already: only a cut connection tells the client it is not whole.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _problem(
    request: web.Request, error: HeimdexError, status: int, traceparent: str
) -> web.Response:
    language = preferred(request.headers.get("Accept-Language"))
    request_id = traceparent.split("-")[1]
    problem = problem_of(error, language=language, request_id=request_id)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if problem.code in RETRY_AFTER_S:
        headers["Retry-After"] = str(RETRY_AFTER_S[problem.code])
    return web.Response(
        status=status,
        body=problem.model_copy(update={"status": status}).model_dump_json().encode(),
        content_type=MEDIA_TYPE,
        headers=headers,
    )
