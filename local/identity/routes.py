"""The table of REST calls and how one is answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiohttp import web

from local.identity import hosts
from local.identity.access_tokens import AccessTokens
from local.identity.faults import Faults
from local.identity.wire import ApiError, Call

Handler = Callable[[Call], Awaitable[Mapping[str, Any]]]

#: Longest a browser may keep a preflight answer.
_PREFLIGHT_MAX_AGE_S: Final = 600


@dataclass(frozen=True, kw_only=True)
class Route:
    """One REST call."""

    method: Literal["GET", "POST"]
    #: Google's host, or the first segment of a path that only the plain address has.
    host: str
    #: Regular expression for the whole path; named groups become `Call.path`.
    path: str
    handler: Handler
    #: `key`: an API key, as the web SDK sends; `oauth`: an access token of a service account.
    access: Literal["public", "key", "oauth"] = "public"
    #: How long the answer may be cached.
    max_age_s: int = 0


class RestApp:
    """Answers the routes at `https://{host}{path}` and at `http://127.0.0.1:port/{host}{path}`.

    The second form is how Firebase's SDKs address an emulator.
    """

    def __init__(self, routes: Iterable[Route], *, tokens: AccessTokens, faults: Faults) -> None:
        self._routes = [(re.compile(route.path), route) for route in routes]
        self._tokens = tokens
        self._faults = faults

    def application(self) -> web.Application:
        """A fresh aiohttp application."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        host, path = _address(request)
        if request.method == "OPTIONS":
            return _preflight(request)
        try:
            await self._misbehave(host)
            route, groups = self._match(request.method, host, path)
            call = await _decode(request, groups)
            self._admit(route, call)
            response = web.json_response(await route.handler(call))
            if route.max_age_s:
                response.headers["Cache-Control"] = f"public, max-age={route.max_age_s}"
        except ApiError as error:
            response = web.json_response(error.body, status=error.status)
        response.headers.setdefault("Cache-Control", "no-cache, no-store, max-age=0")
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    async def _misbehave(self, host: str) -> None:
        await asyncio.sleep(self._faults.delay_s)
        if host in self._faults.unavailable_hosts:
            raise ApiError.google(503, "UNAVAILABLE", "The service is currently unavailable.")

    def _match(self, method: str, host: str, path: str) -> tuple[Route, Mapping[str, str]]:
        for pattern, route in self._routes:
            match = pattern.fullmatch(path) if route.host == host else None
            if match and route.method == method:
                return route, match.groupdict()
        raise ApiError.google(404, "NOT_FOUND", f"No such call: {method} {host}{path}")

    def _admit(self, route: Route, call: Call) -> None:
        if route.access == "key" and not call.api_key:
            message = "The request is missing a valid API key."
            raise ApiError.google(403, "PERMISSION_DENIED", message)
        if route.access == "oauth" and self._tokens.email_of(call.bearer) is None:
            message = "Request had invalid authentication credentials."
            raise ApiError.google(401, "UNAUTHENTICATED", message)


def _address(request: web.Request) -> tuple[str, str]:
    name = request.host.partition(":")[0]
    if name in hosts.ALL:
        return name, request.path
    _, host, path = [*request.path.split("/", 2), ""][:3]
    return host, f"/{path}"


def _preflight(request: web.Request) -> web.Response:
    wanted = request.headers.get("Access-Control-Request-Headers", "")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": wanted,
            "Access-Control-Max-Age": str(_PREFLIGHT_MAX_AGE_S),
        },
    )


async def _decode(request: web.Request, groups: Mapping[str, str]) -> Call:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return Call(
        path=groups,
        api_key=request.query.get("key", ""),
        bearer=token if scheme.lower() == "bearer" else "",
        body=await _body(request),
    )


async def _body(request: web.Request) -> Mapping[str, Any]:
    if request.content_type == "application/x-www-form-urlencoded":
        return {name: str(value) for name, value in (await request.post()).items()}
    data = await request.read()
    try:
        body = json.loads(data or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError.google(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
    return body
