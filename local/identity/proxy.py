"""A CONNECT proxy that answers for a closed set of hosts and refuses every other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection

from local.serving import stop_accepting

_HEAD_TIMEOUT_S = 10.0
_REFUSED_KEPT = 1000
_CHUNK_BYTES = 64 * 1024


class ConnectProxy:
    """Ends the TLS of tunnels to `hosts` here and passes the plain bytes to one local port.

    Nothing is ever connected to outside this machine.

    Args:
        hosts: names that it stands in for, on port 443.
        tls: server context with a certificate for all of them.
        upstream_port: loopback port that serves all of them, told apart by the Host header.
        port: 0 picks a free one; `port` tells which after `start`.
    """

    def __init__(
        self,
        *,
        hosts: Collection[str],
        tls: ssl.SSLContext,
        upstream_port: Callable[[], int],
        port: int = 0,
    ) -> None:
        self._hosts = hosts
        self._tls = tls
        self._upstream_port = upstream_port
        self.port = port
        #: The last that was asked for and refused, oldest first: evidence that nothing leaked.
        self.refused: deque[str] = deque(maxlen=_REFUSED_KEPT)
        self._tunnels: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Bind and accept. Raises OSError if the port is taken."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._accept, sock=self._listening)
        self.port = self._listening.getsockname()[1]

    async def stop(self) -> None:
        """Stop accepting and cut open tunnels."""
        await stop_accepting(self._listening)
        self._server.close()
        for task, writer in self._tunnels.items():
            # A connection that is aborted in its TLS handshake tells nobody: asyncio's protocol
            # for that drops the news, and whoever reads would wait for ever.
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: a stop must know of a connection whose task has not run yet.
        task = asyncio.create_task(self._answer(reader, writer))
        self._tunnels[task] = writer
        task.add_done_callback(self._tunnels.pop)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that goes away, or does not trust the authority, is no news.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target = await asyncio.wait_for(_read_head(reader), _HEAD_TIMEOUT_S)
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or host not in self._hosts or port != "443":
            self.refused.append(target)
            writer.write(_refusal(target))
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self._tls)
        inner = await asyncio.open_connection("127.0.0.1", self._upstream_port())
        await _join(reader, writer, *inner)


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, str]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return "", ""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
    return (words[0], words[1]) if len(words) == 3 else ("", "")


def _refusal(target: str) -> bytes:
    body = (
        f"The local cloud does not answer for {target!r} and connects to nothing else.\n".encode()
    )
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inner_reader: asyncio.StreamReader,
    inner_writer: asyncio.StreamWriter,
) -> None:
    """Copy both ways until either side ends; HTTP never half-closes a tunnel and goes on."""
    copies = {
        asyncio.create_task(_copy(reader, inner_writer)),
        asyncio.create_task(_copy(inner_reader, writer)),
    }
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
        await _close(inner_writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
