"""The stand-in as a server: both APIs on one port, faults, and start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from aiohttp import web

from local.serving import ServedApp
from local.storage.cors import Cors
from local.storage.faults import Faults
from local.storage.incoming import abort
from local.storage.json_api import JsonApi
from local.storage.problems import StorageProblem, invalid
from local.storage.service import Service, build
from local.storage.signatures import PublicKeyFor
from local.storage.state import State
from local.storage.uploads import UploadCut
from local.storage.xml_api import XmlApi

_JSON_PREFIXES = ("/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/")
#: Bodies of object bytes are streamed; all other bodies are small.
_MAX_METADATA_BYTES = 1024 * 1024


def _now() -> datetime:
    return datetime.now(UTC)


class StorageServer:
    """Cloud Storage on a loopback port, with its state below one directory.

    It can be stopped and started again; objects, generations, open resumable sessions and
    undelivered events are still there, also for a new server on the same directory.

    Args:
        root: where everything is kept; made if it does not exist.
        public_key_for: the RSA key of a service account's email, to verify signed URLs.
        event_targets: URL per bucket that receives object-finalize CloudEvents. Looked up at
            every delivery: a URL may be changed while the server runs.
        port: 0 picks a free one, which is kept over restarts of this object.
        buckets: made at start if they do not exist; those of `event_targets` always are.
        cors_origins: exact origins of web pages, or `*`.
        clock: aware time, for signatures, dates and the expiry of sessions.
        faults: what goes wrong on purpose; may be replaced while the server runs.
    """

    def __init__(
        self,
        root: Path,
        *,
        public_key_for: PublicKeyFor,
        event_targets: Mapping[str, str] | None = None,
        port: int = 0,
        buckets: Collection[str] = (),
        cors_origins: Collection[str] = (),
        clock: Callable[[], datetime] = _now,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self._root = root
        self._port = port
        self._public_key_for = public_key_for
        self._event_targets = event_targets if event_targets is not None else {}
        self._buckets = tuple(buckets)
        self._cors = Cors(cors_origins)
        self._clock = clock
        self._service: Service | None = None
        self._served: ServedApp | None = None

    @property
    def url(self) -> str:
        """Base URL without a trailing slash; only after the first start."""
        if not self._port:
            raise RuntimeError("the server was never started")
        return f"http://127.0.0.1:{self._port}"

    @property
    def pending_events(self) -> int:
        """How many events wait for their function to answer 2xx; only while started."""
        if self._service is None:
            raise RuntimeError("the server is not started")
        return self._service.events.pending()

    def wait_delivered(self, timeout_s: float) -> bool:
        """Wait until every event has been delivered; whether that happened in time."""
        if self._served is None or self._service is None:
            raise RuntimeError("the server is not started")
        delivered = self._service.events.delivered()
        waiting = asyncio.run_coroutine_threadsafe(delivered, self._served.loop)
        try:
            waiting.result(timeout_s)
        except TimeoutError:
            waiting.cancel()
            return False
        return True

    def start(self) -> None:
        """Open the state and serve. Raises OSError if the port is taken."""
        if self._served is not None:
            return
        state = State(self._root)
        state.sweep()
        self._service = build(
            state,
            event_targets=self._event_targets,
            public_key_for=self._public_key_for,
            clock=self._clock,
            current_faults=lambda: self.faults,
        )
        self._add_buckets(self._service)
        served = ServedApp(self._application(self._service), port=self._port)
        try:
            served.start()
        except BaseException:
            state.close()
            raise
        self._served, self._port = served, served.port

    def stop(self) -> None:
        """Stop serving and delivering; close the state."""
        if self._served is None or self._service is None:
            return
        self._served.stop()
        self._service.state.close()
        self._served = self._service = None

    def __enter__(self) -> StorageServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _add_buckets(self, service: Service) -> None:
        existing = {bucket.name for bucket in service.objects.buckets()}
        for name in {*self._buckets, *self._event_targets} - existing:
            service.objects.add_bucket(name)

    def _application(self, service: Service) -> web.Application:
        app = web.Application(
            client_max_size=_MAX_METADATA_BYTES,
            # A compressed upload is stored as it is.
            handler_args={"auto_decompress": False},
        )
        routes = _Routes(service, self._cors)
        app.router.add_route("*", "/{path:.*}", routes.handle)
        app.on_response_prepare.append(self._cors.mark)

        async def events(_: web.Application) -> None:
            await service.events.start()

        async def no_events(_: web.Application) -> None:
            await service.events.stop()

        app.on_startup.append(events)
        app.on_cleanup.append(no_events)
        return app


class _Routes:
    """Chooses the API, injects faults and words refusals."""

    def __init__(self, service: Service, cors: Cors) -> None:
        self._service = service
        self._cors = cors
        self._json = JsonApi(service)
        self._xml = XmlApi(service)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        if request.method == "OPTIONS":
            return self._cors.preflight(request)
        is_json = (request.raw_path.partition("?")[0] + "/").startswith(_JSON_PREFIXES)
        try:
            response = await self._answer(request, is_json)
        except StorageProblem as problem:
            response = _refusal(problem, is_json)
        except UploadCut:
            response = _refusal(invalid("The request body is incomplete."), is_json)
        if self._service.faults.take("cut_replies"):
            abort(request)
        return response

    async def _answer(self, request: web.Request, is_json: bool) -> web.StreamResponse:
        faults = self._service.faults
        if faults.take("fail_requests") or faults.chance(faults.fail_share):
            raise _injected(faults.fail_status)
        api = self._json if is_json else self._xml
        return await api.handle(request)


def _refusal(problem: StorageProblem, is_json: bool) -> web.Response:
    if problem.status == 304:
        return web.Response(status=304, headers=problem.headers)
    return web.Response(
        status=problem.status,
        body=problem.as_json() if is_json else problem.as_xml(),
        content_type="application/json" if is_json else "application/xml",
        charset="utf-8",
        headers=problem.headers,
    )


def _injected(status: int) -> StorageProblem:
    if status == 429:
        message = "The request rate is too high. Please reduce your request rate."
        return StorageProblem(429, "SlowDown", message, reason="rateLimitExceeded")
    message = "We encountered an internal error. Please try again."
    return StorageProblem(status, "ServiceUnavailable", message, reason="backendError")
