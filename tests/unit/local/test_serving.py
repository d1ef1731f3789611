"""Applications in threads: they start, tell why they cannot, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings
from contextlib import ExitStack

import pytest
from aiohttp import web

from local.serving import ServedApp

#: More than the buffers of both ends take.
_LONG = bytes(32 * 1024 * 1024)

#: Requests as far as they were sent when the server stops.
_UNFINISHED = (
    b"",
    b"GET / HTT",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n",
)


def _application() -> web.Application:
    async def short(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="done")

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=_LONG)

    async def never(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_get("/long", long)
    app.router.add_get("/never", never)
    app.router.add_route("*", "/", short)
    return app


@pytest.mark.parametrize("clients", [1, 40])
def test_a_stop_closes_every_connection(monkeypatch: pytest.MonkeyPatch, clients: int) -> None:
    """Whatever each client was doing, it sees the end, and no socket is left to the collector."""
    monkeypatch.setattr("local.serving._GRACE_S", 0.1)
    gc.collect()
    with warnings.catch_warnings(record=True) as found, ExitStack() as stack:
        warnings.simplefilter("always")
        served = ServedApp(_application())
        served.start()
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=10))
            for _ in range(clients)
            for _ in _UNFINISHED
        ]
        for number, client in enumerate(sockets):
            client.sendall(_UNFINISHED[number % len(_UNFINISHED)])
        served.stop()
        assert [_has_ended(client) for client in sockets] == [True] * len(sockets)
        gc.collect()
    assert [str(warning.message) for warning in found] == []


def _has_ended(client: socket.socket) -> bool:
    try:
        while client.recv(1 << 20):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_a_taken_port_is_an_error_and_hooks_are_undone() -> None:
    """The caller hears why, and what the application had begun is ended."""
    seen: list[str] = []

    async def began(app: web.Application) -> None:
        seen.append("began")

    async def ended(app: web.Application) -> None:
        seen.append("ended")

    app = _application()
    app.on_startup.append(began)
    app.on_cleanup.append(ended)
    before = threading.active_count()
    with ServedApp(_application()) as first, pytest.raises(OSError, match="in use"):
        ServedApp(app, port=first.port).start()
    assert seen == ["began", "ended"]
    assert threading.active_count() == before


def test_it_starts_and_stops_more_than_once_asked() -> None:
    """A second start or stop changes nothing; the loop is there only in between."""
    served = ServedApp(_application())
    served.stop()
    served.start()
    served.start()
    assert served.loop.is_running()
    served.stop()
    served.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = served.loop
