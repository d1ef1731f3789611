"""The XML API, as far as signed URLs use it: PUT, resumable POST, sessions, GET and HEAD."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from aiohttp import web

from local.storage.downloads import Overrides, object_headers, send
from local.storage.incoming import (
    Place,
    announced_size,
    attributes_from_headers,
    base_url,
    body,
    checksums_from_headers,
    conditions_from_headers,
    generation_from_query,
    length_range,
    xml_place,
)
from local.storage.json_api import incomplete
from local.storage.model import UploadPlan
from local.storage.problems import StorageProblem, access_denied, invalid
from local.storage.resumable import Progress, parse_chunk
from local.storage.service import Service
from local.storage.signatures import UNSIGNED_PAYLOAD, SignedRequest, is_signed, verify_url


class XmlApi:
    """Routes of `/bucket/object`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            StorageProblem: whatever is refused.
        """
        place = xml_place(request.raw_path.partition("?")[0])
        if "upload_id" in request.query:
            return await self._session(request, request.query["upload_id"])
        self._authorise(request)
        if not place.name:
            raise _not_implemented("Only objects are served here.")
        match request.method:
            case "GET" | "HEAD":
                return await self._get(request, place)
            case "PUT":
                return await self._put(request, place)
            case "POST":
                return self._start_session(request, place)
        raise StorageProblem(405, "MethodNotAllowed", "The method is not allowed here.")

    def _authorise(self, request: web.Request) -> None:
        path, _, query = request.raw_path.partition("?")
        if is_signed(query):
            signed = SignedRequest(
                method=request.method,
                path=path,
                query=query,
                headers=tuple(request.headers.items()),
            )
            service = self._service
            verify_url(signed, now=service.clock(), public_key_for=service.public_key_for)
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise access_denied(
                "Access denied.", details="Anonymous caller does not have storage access."
            )

    async def _get(self, request: web.Request, place: Place) -> web.StreamResponse:
        found = self._service.objects.get(
            place.bucket,
            place.name,
            generation=generation_from_query(request.query),
            conditions=conditions_from_headers(request.headers),
        )
        overrides = Overrides(
            content_type=request.query.get("response-content-type", ""),
            content_disposition=request.query.get("response-content-disposition", ""),
        )
        path = self._service.state.content(found.file)
        return await send(request, found, path, faults=self._service.faults, overrides=overrides)

    async def _put(self, request: web.Request, place: Place) -> web.Response:
        pieces = body(request, self._service.faults)
        plan = _plan(request, place)
        stored = await self._service.uploads.store(plan, pieces, request.content_length)
        return web.Response(headers=object_headers(stored))

    def _start_session(self, request: web.Request, place: Place) -> web.Response:
        if request.headers.get("x-goog-resumable") != "start":
            raise _not_implemented("POST is for x-goog-resumable: start.")
        if request.content_length:
            raise invalid("The request that starts a resumable upload has no body.")
        plan = replace(_plan(request, place), size_bytes=announced_size(request.headers))
        session_id = self._service.sessions.start(plan)
        location = f"{base_url(request)}/{place.bucket}/{quote(place.name, safe='/~')}"
        return web.Response(
            status=201,
            headers={
                "Location": f"{location}?upload_id={session_id}",
                "X-GUploader-UploadID": session_id,
            },
        )

    async def _session(self, request: web.Request, session_id: str) -> web.Response:
        """A session URI carries its own secret and needs no signature."""
        if request.method == "DELETE":
            self._service.sessions.cancel(session_id)
            return web.Response(status=499)
        if request.method != "PUT":
            raise StorageProblem(405, "MethodNotAllowed", "The method is not allowed here.")
        chunk = parse_chunk(
            request.headers.get("Content-Range"),
            request.content_length,
            checksums_from_headers(request),
        )
        pieces = body(request, self._service.faults)
        result = await self._service.sessions.put(session_id, chunk, pieces)
        if isinstance(result, Progress):
            return incomplete(result)
        return web.Response(headers=object_headers(result))


def _plan(request: web.Request, place: Place) -> UploadPlan:
    if request.headers.get("x-goog-content-sha256", UNSIGNED_PAYLOAD) != UNSIGNED_PAYLOAD:
        raise _not_implemented("Signed payloads are not supported.")
    return UploadPlan(
        bucket=place.bucket,
        name=place.name,
        attributes=attributes_from_headers(request.headers),
        preconditions=conditions_from_headers(request.headers),
        length_range=length_range(request.headers),
        checksums=checksums_from_headers(request),
    )


def _not_implemented(message: str) -> StorageProblem:
    return StorageProblem(501, "NotImplemented", message, reason="notImplemented")
