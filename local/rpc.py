"""Host gRPC services in threads, with errors that can be injected into their calls."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import grpc

Request = TypeVar("Request")
Response = TypeVar("Response")

#: Google's services answer overload and restarts with these two.
TRANSIENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class RpcError(Exception):
    """A call that ends with a status other than OK.

    Args:
        status: what the client sees.
        detail: a text for developers.
    """

    def __init__(self, status: grpc.StatusCode, detail: str) -> None:
        super().__init__(f"{status.name}: {detail}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class CallFault:
    """How one call fails."""

    status: grpc.StatusCode
    #: True: the call takes effect and the client sees an error all the same.
    applied: bool


class CallFaults:
    """Decides which calls fail; thread-safe and repeatable for a given seed.

    Args:
        rate: share of all calls that fail before they take effect, 0–1.
        statuses: statuses to choose from for those.
        seed: of the choice.
    """

    def __init__(
        self,
        *,
        rate: float = 0.0,
        statuses: Sequence[grpc.StatusCode] = TRANSIENT,
        seed: int = 0,
    ) -> None:
        self._rate = rate
        self._statuses = tuple(statuses)
        self._random = random.Random(seed)
        self._planned: dict[str, list[CallFault]] = {}
        self._lock = threading.Lock()

    def fail_next(
        self,
        method: str,
        status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        *,
        times: int = 1,
        applied: bool = False,
    ) -> None:
        """Let the next `times` calls of `method` (short name, e.g. `Publish`) fail."""
        with self._lock:
            plan = self._planned.setdefault(method, [])
            plan.extend([CallFault(status=status, applied=applied)] * times)

    def draw(self, method: str) -> CallFault | None:
        """The fault of this call of `method`, or None."""
        with self._lock:
            if self._planned.get(method):
                return self._planned[method].pop(0)
            if self._rate and self._random.random() < self._rate:
                return CallFault(status=self._random.choice(self._statuses), applied=False)
        return None


def unary(
    method: str,
    run: Callable[[Request, grpc.ServicerContext], Response],
    *,
    faults: CallFaults,
    decode: Callable[[bytes], Request],
    encode: Callable[[Response], bytes],
) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that runs `run`, turns `RpcError` into the call's status and injects faults."""

    def handle(request: Request, context: grpc.ServicerContext) -> Response:
        fault = faults.draw(method)
        if fault is not None and not fault.applied:
            _inject(context, fault)
        try:
            response = run(request, context)
        except RpcError as error:
            context.abort(error.status, error.detail)
        if fault is not None:
            _inject(context, fault)
        return response

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=decode, response_serializer=encode
    )


def _inject(context: grpc.ServicerContext, fault: CallFault) -> NoReturn:
    context.abort(fault.status, "injected fault")


class RpcHost:
    """A gRPC server on a loopback port without TLS.

    Args:
        port: 0 picks a free one; `port` tells which after `start`.
        threads: calls served at once; a pull that waits for a message takes one. Threads are made
            when first needed.
    """

    def __init__(self, *, port: int = 0, threads: int = 64) -> None:
        self.port = port
        self._threads = threads
        self._server: grpc.Server | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def endpoint(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    def start(self, handlers: Sequence[grpc.GenericRpcHandler[Any, Any]]) -> None:
        """Bind and serve.

        Raises:
            RuntimeError: the port is taken.
        """
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="rpc")
        # Without reuseport a second server on the same port is an error, not a silent share.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 20_000_000)]
        self._server = grpc.server(self._pool, options=options)
        self._server.add_generic_rpc_handlers(tuple(handlers))
        try:
            self.port = self._server.add_insecure_port(self.endpoint)
        except RuntimeError:
            self.stop(grace_s=0)
            raise
        self._server.start()

    def stop(self, *, grace_s: float = 1.0) -> None:
        """End all calls (after the grace, by force) and the threads that served them."""
        if self._server is None or self._pool is None:
            return
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=True)
        self._server = self._pool = None
