"""Host an aiohttp application in a thread, so that stand-ins start and stop like objects."""

from __future__ import annotations

import asyncio
import ssl
import threading
from types import TracebackType

from aiohttp import web


class ServedApp:
    """An aiohttp application listening on a loopback port in its own event loop and thread.

    Args:
        app: the application; its on_startup / on_cleanup hooks run in the server's loop.
        host: loopback address to bind.
        port: 0 picks a free one; `port` tells which after `start`.
        tls: serve HTTPS with this context.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._tls = tls
        self.port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's loop, for `asyncio.run_coroutine_threadsafe`; only while started."""
        if self._loop is None:
            raise RuntimeError("the server is not started")
        return self._loop

    def start(self) -> None:
        """Bind and serve; returns once connections are accepted. Raises OSError if it cannot."""
        if self._thread is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="served-app", daemon=True
        )
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except BaseException:
            self._end_loop()
            raise

    def stop(self) -> None:
        """Stop accepting, end open connections after a short grace, run clean-up hooks."""
        if self._thread is None or self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._end_loop()

    async def _listen(self) -> None:
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self.port, ssl_context=self._tls).start()
        except BaseException:
            # What on_startup hooks began must not outlive a port that is taken.
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    def _end_loop(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

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
