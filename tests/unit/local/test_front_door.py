"""The front door: which function gets a request, and what changes on the way."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from aiohttp import web

from local.front_door import FrontDoor
from local.serving import ServedApp

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MEGABYTES = b"x" * 3_000_000


class Function:
    """A small real upstream that tells what it got."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Set by the upstream when the first byte of /v1/slow-upload arrived.
        self.first_byte = threading.Event()
        self.release = threading.Event()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/v1/redirect", self._redirect)
        app.router.add_route("*", "/v1/range", self._range)
        app.router.add_route("*", "/v1/silent", self._silent)
        app.router.add_route("*", "/v1/cut", self._cut)
        app.router.add_route("*", "/v1/stream", self._stream)
        app.router.add_route("*", "/v1/slow-upload", self._slow_upload)
        app.router.add_route("*", "/{path:.*}", self._echo)
        return app

    async def _echo(self, request: web.Request) -> web.Response:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        seen = {
            "function": self.name,
            "method": request.method,
            "path": request.raw_path,
            "headers": [[name.lower(), value] for name, value in request.headers.items()],
            "size": size,
        }
        headers = {"Connection": "X-Private", "X-Private": "1", "X-Public": "1"}
        return web.json_response(seen, headers=headers)

    async def _redirect(self, request: web.Request) -> web.Response:
        response = web.Response(status=302, headers={"Location": "https://example.com/"})
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    async def _range(self, request: web.Request) -> web.Response:
        headers = {"Content-Range": "bytes 0-3/9", "Content-Encoding": "gzip"}
        return web.Response(status=206, body=b"\x1f\x8b\x00\x01", headers=headers)

    async def _silent(self, request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.to_thread(self.release.wait, 10)
        await response.write(b"second")
        return response

    async def _slow_upload(self, request: web.Request) -> web.Response:
        size = len(await request.content.read(1))
        self.first_byte.set()
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.json_response({"size": size})


@pytest.fixture
def api() -> Function:
    """The function behind /v1."""
    return Function("api")


@pytest.fixture
def door(api: Function) -> Iterator[FrontDoor]:
    """A front door before two functions."""
    with (
        ServedApp(api.application()) as first,
        ServedApp(Function("search").application()) as second,
        FrontDoor(
            {"/v1": first.url, "/v1/search": second.url, "/v1/down": _nobody()},
            silence_timeout_s=0.3,
        ) as running,
    ):
        yield running


def _nobody() -> str:
    """An address where nothing listens."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


def _echo(door: FrontDoor, path: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    response = requests.request(method, door.url + path, timeout=10, **options)
    assert response.status_code == 200, response.text
    return dict(response.json())


def _seen(echo: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in echo["headers"] if key == name.lower()]


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/v1/search", "search"),
        ("/v1/search?q=x", "search"),
        ("/v1/search/more", "search"),
        ("/v1/searches", "api"),
        ("/v1/videos/1", "api"),
        ("/v1", "api"),
    ],
)
def test_the_longest_prefix_of_whole_segments_decides(
    door: FrontDoor, path: str, function: str
) -> None:
    """Search goes to its function, everything else under /v1 to the API."""
    assert _echo(door, path)["function"] == function


def test_the_target_arrives_byte_for_byte(door: FrontDoor) -> None:
    """Nothing is decoded or normalised on the way: what is signed or escaped stays so."""
    path = "/v1/a%2Fb/%ED%95%9C//c?q=%EB%B9%A8%EA%B0%84+%EC%B0%A8&q=a%26b&empty="
    connection = http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=10)
    connection.request("GET", path)
    assert json.loads(connection.getresponse().read())["path"] == path
    connection.close()


def test_what_is_not_routed_is_not_found(door: FrontDoor) -> None:
    """Outside /v1 there is nothing, said as a problem document."""
    response = requests.get(f"{door.url}/v2/videos", timeout=10)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert response.json()["code"] == "not_found"


def test_healthz_answers_by_itself(door: FrontDoor) -> None:
    """The door's health does not depend on a function."""
    assert requests.get(f"{door.url}/healthz", timeout=10).json() == {"status": "ok"}


def test_hop_by_hop_headers_stay_here(door: FrontDoor) -> None:
    """Headers of one connection, and those that Connection names, are not passed on, either way."""
    sent = {"Connection": "X-Mine", "X-Mine": "1", "TE": "trailers", "X-Other": "1"}
    response = requests.get(f"{door.url}/v1/x", headers=sent, timeout=10)
    assert _seen(response.json(), "X-Mine") == _seen(response.json(), "TE") == []
    assert _seen(response.json(), "X-Other") == ["1"]
    assert "X-Private" not in response.headers
    assert response.headers["X-Public"] == "1"


def test_what_a_client_claims_about_itself_is_replaced(door: FrontDoor) -> None:
    """X-Forwarded-* tell the truth; the Host stays what the client asked for."""
    sent = {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https", "Forwarded": "for=8.8.8.8"}
    echo = _echo(door, "/v1/x", headers=sent)
    host = door.url.removeprefix("http://")
    assert _seen(echo, "X-Forwarded-For") == ["127.0.0.1"]
    assert _seen(echo, "X-Forwarded-Proto") == ["http"]
    assert _seen(echo, "X-Forwarded-Host") == _seen(echo, "Host") == [host]
    assert _seen(echo, "Forwarded") == []


@pytest.mark.parametrize("given", [None, "garbage", TRACE.replace("4bf9", "4BF9"), TRACE[:-1]])
def test_a_trace_is_begun_where_none_is(door: FrontDoor, given: str | None) -> None:
    """Every request has a valid traceparent; a broken one is replaced."""
    (trace,) = _seen(
        _echo(door, "/v1/x", headers={"traceparent": given} if given else {}), "traceparent"
    )
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace)
    assert trace != given


def test_a_trace_is_carried_on(door: FrontDoor) -> None:
    """A caller's trace arrives unchanged."""
    echo = _echo(door, "/v1/x", headers={"traceparent": TRACE, "tracestate": "a=1"})
    assert _seen(echo, "traceparent") == [TRACE]
    assert _seen(echo, "tracestate") == ["a=1"]


def test_repeated_headers_stay_repeated(door: FrontDoor) -> None:
    """Two Authorization headers reach the function as two, for it to refuse."""
    connection = http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", "/v1/x")
    connection.putheader("Authorization", "Bearer a")
    connection.putheader("Authorization", "Bearer b")
    connection.endheaders()
    echo = json.loads(connection.getresponse().read())
    connection.close()
    assert _seen(echo, "Authorization") == ["Bearer a", "Bearer b"]


def test_nothing_is_added_to_a_bare_request(door: FrontDoor) -> None:
    """The function sees the client's own headers, not those of an HTTP library in between."""
    connection = http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", "/v1/x", skip_accept_encoding=True)
    connection.endheaders()
    echo = json.loads(connection.getresponse().read())
    connection.close()
    names = {name for name, _ in echo["headers"]}
    forwarded = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
    assert names == {"host", "traceparent", "connection", *forwarded}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_arrive_whole(door: FrontDoor, method: str) -> None:
    """A body keeps its length header, which WSGI servers need, and every byte."""
    echo = _echo(door, "/v1/x", method, data=MEGABYTES)
    assert echo["method"] == method
    assert echo["size"] == len(MEGABYTES)
    assert _seen(echo, "Content-Length") == [str(len(MEGABYTES))]


def test_uploads_stream(door: FrontDoor, api: Function) -> None:
    """The function reads the first byte before the client has sent the last."""

    def body() -> Iterator[bytes]:
        yield b"a"
        assert api.first_byte.wait(10)
        yield b"b"

    response = requests.post(f"{door.url}/v1/slow-upload", data=body(), timeout=10)
    assert response.json() == {"size": 2}


def test_answers_stream(door: FrontDoor, api: Function) -> None:
    """The client reads the first bytes before the function has written the last."""
    with requests.get(f"{door.url}/v1/stream", stream=True, timeout=10) as response:
        chunks = response.iter_content(5)
        assert next(chunks) == b"first"
        api.release.set()
        assert b"".join(chunks) == b"second"


def test_answers_pass_untouched(door: FrontDoor) -> None:
    """Status, ranges, encodings, redirects and cookies are the function's."""
    part = requests.get(f"{door.url}/v1/range", timeout=10, stream=True)
    assert part.status_code == 206
    assert part.headers["Content-Range"] == "bytes 0-3/9"
    assert part.raw.read(decode_content=False) == b"\x1f\x8b\x00\x01"
    part.close()
    moved = requests.get(f"{door.url}/v1/redirect", timeout=10, allow_redirects=False)
    assert moved.status_code == 302
    assert moved.headers["Location"] == "https://example.com/"
    assert len(moved.raw.headers.getlist("Set-Cookie")) == 2
    head = requests.head(f"{door.url}/v1/range", timeout=10)
    assert head.headers["Content-Length"] == "4"


def test_a_function_that_is_down_is_502(door: FrontDoor) -> None:
    """The client hears in its language that it may retry, and when."""
    response = requests.get(f"{door.url}/v1/down", headers={"Accept-Language": "ko"}, timeout=10)
    problem = response.json()
    assert response.status_code == problem["status"] == 502
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert problem["code"] == "unavailable"
    assert problem["detail"] == problem["messages"]["ko"]
    assert int(response.headers["Retry-After"]) > 0


def test_a_silent_function_is_504(door: FrontDoor) -> None:
    """Silence ends after the limit, in the same document."""
    response = requests.get(f"{door.url}/v1/silent", timeout=10)
    assert response.status_code == response.json()["status"] == 504
    assert response.json()["code"] == "unavailable"
    assert int(response.headers["Retry-After"]) > 0


def test_half_an_answer_never_looks_whole(door: FrontDoor) -> None:
    """When the function dies in the middle of an answer the client's connection is cut too."""
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(f"{door.url}/v1/cut", timeout=10)


def test_it_stops_and_starts_again(api: Function) -> None:
    """Start and stop are idempotent, and a restarted door keeps its address."""
    with ServedApp(api.application()) as function:
        door = FrontDoor({"/v1": function.url})
        door.start()
        door.start()
        url = door.url
        assert _echo(door, "/v1/x")["function"] == "api"
        door.stop()
        door.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/v1/x", timeout=10)
        door.start()
        assert door.url == url
        assert _echo(door, "/v1/x")["function"] == "api"
        door.stop()
