"""Host an aiohttp application in a thread, so that stand-ins start and stop like objects."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType

from aiohttp import web

#: Requests under way at a stop may take this long to end by themselves.
_GRACE_S = 1.0
#: Of the loop, from accepting a connection until its protocol has it: two, and some to spare.
_TURNS_TO_CONNECT = 10


@dataclass(frozen=True, kw_only=True)
class _Running:
    """What a started server's thread tells the others."""

    loop: asyncio.AbstractEventLoop
    port: int
    #: Set in the loop to end the server.
    ending: asyncio.Event


class ServedApp:
    """An aiohttp application listening on a loopback port in its own event loop and thread.

    Args:
        app: the application; its on_startup / on_cleanup hooks run in the server's loop.
        port: 0 picks a free one; `port` tells which after `start`.
    """

    def __init__(self, app: web.Application, *, port: int = 0) -> None:
        self._app = app
        self.port = port
        self._running: _Running | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's loop, for `asyncio.run_coroutine_threadsafe`; only while started."""
        if self._running is None:
            raise RuntimeError("the server is not started")
        return self._running.loop

    def start(self) -> None:
        """Bind and serve; returns once connections are accepted. Raises OSError if it cannot."""
        if self._running is not None:
            return
        told: Future[_Running] = Future()
        self._thread = threading.Thread(target=self._run, args=(told,), name="served-app")
        self._thread.daemon = True
        self._thread.start()
        try:
            self._running = told.result()
        except Exception:
            self._thread.join()
            raise
        self.port = self._running.port

    def stop(self) -> None:
        """Stop accepting, end open connections after a short grace, run clean-up hooks."""
        if self._running is None or self._thread is None:
            return
        self._running.loop.call_soon_threadsafe(self._running.ending.set)
        self._thread.join()
        self._running = self._thread = None

    def _run(self, told: Future[_Running]) -> None:
        # `asyncio.run` also ends what is left of tasks, and lets closed connections be closed.
        try:
            asyncio.run(self._serve(told))
        except BaseException as error:
            if told.done():
                raise
            told.set_exception(error)

    async def _serve(self, told: Future[_Running]) -> None:
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_GRACE_S)
        try:
            await runner.setup()
            listening = socket.create_server(("127.0.0.1", self.port))
            await web.SockSite(runner, listening).start()
            ending = asyncio.Event()
            loop, port = asyncio.get_running_loop(), listening.getsockname()[1]
            told.set_result(_Running(loop=loop, port=port, ending=ending))
            await ending.wait()
            await stop_accepting(listening)
        finally:
            # Also when the port is taken: what on_startup hooks began must not outlive that.
            await _end(runner)

    def __enter__(self) -> ServedApp:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


async def stop_accepting(listening: socket.socket) -> None:
    """Accept no more on a socket of the running loop; call it before its server is closed.

    A connection that was accepted just before a server closes would be forgotten and stay open
    (python/cpython#109564), so each gets the time to be made.
    """
    asyncio.get_running_loop().remove_reader(listening)
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)


async def _end(runner: web.AppRunner) -> None:
    server = runner.server
    transports = [c.transport for c in server.connections] if server is not None else []
    await runner.cleanup()
    for transport in transports:
        # A client that does not read its answer would keep a closed connection open.
        if transport is not None:
            transport.abort()
