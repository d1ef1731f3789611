"""The JSON API, as far as the official client library and Heimdex use it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, web
from pydantic import BaseModel, Field, ValidationError

from local.storage.downloads import send
from local.storage.incoming import (
    announced_size,
    base_url,
    body,
    checked_name,
    checksums_from_headers,
    conditions_from_query,
    generation_from_query,
    split_path,
)
from local.storage.model import Attributes, Checksums, StoredObject, UploadPlan
from local.storage.objects import Listing
from local.storage.problems import StorageProblem, invalid
from local.storage.resources import Json, bucket_resource, object_resource
from local.storage.resumable import Progress, parse_chunk
from local.storage.service import Service
from local.storage.uploads import UploadCut

#: Bytes read at once from a part of a multipart upload.
_PIECE_BYTES = 256 * 1024
_MAX_PAGE = 1000


class _Metadata(BaseModel):
    """The object resource that a client sends along with its bytes."""

    name: str = ""
    content_type: str = Field(default="", alias="contentType")
    content_encoding: str = Field(default="", alias="contentEncoding")
    content_disposition: str = Field(default="", alias="contentDisposition")
    content_language: str = Field(default="", alias="contentLanguage")
    cache_control: str = Field(default="", alias="cacheControl")
    metadata: dict[str, str] = Field(default_factory=dict)
    crc32c: str = ""
    md5: str = Field(default="", alias="md5Hash")


class _BucketMetadata(BaseModel):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")


class JsonApi:
    """Routes of `/storage/v1`, `/upload/storage/v1` and `/download/storage/v1`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            StorageProblem: whatever is refused.
        """
        match split_path(request.raw_path.partition("?")[0]):
            case ("upload", "storage", "v1", "b", bucket, "o"):
                return await self._upload(request, bucket)
            case ("download", "storage", "v1", "b", bucket, "o", name):
                _require_token(request)
                return await self._media(request, bucket, name)
            case ("storage", "v1", "b"):
                _require_token(request)
                return await self._buckets(request)
            case ("storage", "v1", "b", bucket):
                _require_token(request)
                return self._bucket(request, bucket)
            case ("storage", "v1", "b", bucket, "o"):
                _require_token(request)
                return self._list(request, bucket)
            case ("storage", "v1", "b", bucket, "o", name):
                _require_token(request)
                return await self._object(request, bucket, name)
        raise StorageProblem(404, "NotFound", "Not Found", reason="notFound")

    # --- buckets ------------------------------------------------------------------------------

    async def _buckets(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            try:
                wanted = _BucketMetadata.model_validate_json(await request.read())
            except ValidationError:
                raise invalid("Invalid bucket resource.") from None
            bucket = self._service.objects.add_bucket(wanted.name)
            return _json(bucket_resource(bucket, base_url(request)))
        _allow(request, "GET", "POST")
        buckets = self._service.objects.buckets()
        items = [bucket_resource(bucket, base_url(request)) for bucket in buckets]
        return _json({"kind": "storage#buckets", "items": items})

    def _bucket(self, request: web.Request, name: str) -> web.Response:
        _allow(request, "GET")
        return _json(bucket_resource(self._service.objects.bucket(name), base_url(request)))

    # --- objects ------------------------------------------------------------------------------

    def _list(self, request: web.Request, bucket: str) -> web.Response:
        _allow(request, "GET")
        query = request.query
        limit = query.get("maxResults", "")
        listing = self._service.objects.page(
            bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            after=_after(query.get("pageToken", "")),
            limit=min(int(limit), _MAX_PAGE) if limit.isdecimal() and int(limit) else _MAX_PAGE,
        )
        return _json(_listing(listing, base_url(request)))

    async def _object(self, request: web.Request, bucket: str, name: str) -> web.StreamResponse:
        if request.method in ("GET", "HEAD") and request.query.get("alt") == "media":
            return await self._media(request, bucket, name)
        _allow(request, "GET", "DELETE")
        generation = generation_from_query(request.query)
        conditions = conditions_from_query(request.query)
        objects = self._service.objects
        if request.method == "DELETE":
            objects.delete(bucket, name, generation=generation, conditions=conditions)
            return web.Response(status=204)
        found = objects.get(bucket, name, generation=generation, conditions=conditions)
        return _json(object_resource(found, base_url(request)))

    async def _media(self, request: web.Request, bucket: str, name: str) -> web.StreamResponse:
        _allow(request, "GET", "HEAD")
        found = self._service.objects.get(
            bucket,
            name,
            generation=generation_from_query(request.query),
            conditions=conditions_from_query(request.query),
        )
        path = self._service.state.content(found.file)
        return await send(request, found, path, faults=self._service.faults)

    # --- uploads ------------------------------------------------------------------------------

    async def _upload(self, request: web.Request, bucket: str) -> web.Response:
        if "upload_id" in request.query:
            return await self._session(request, request.query["upload_id"])
        _require_token(request)
        _allow(request, "POST")
        kind = request.query.get("uploadType")
        if kind == "media":
            stored = await self._store_media(request, bucket)
        elif kind == "multipart":
            stored = await self._store_multipart(request, bucket)
        elif kind == "resumable":
            return await self._start_session(request, bucket)
        else:
            raise invalid("uploadType must be media, multipart or resumable.")
        return _json(object_resource(stored, base_url(request)))

    async def _store_media(self, request: web.Request, bucket: str) -> StoredObject:
        metadata = _Metadata(contentType=request.headers.get("content-type", ""))
        plan = _plan(request, bucket, metadata)
        pieces = body(request, self._service.faults)
        return await self._service.uploads.store(plan, pieces, request.content_length)

    async def _store_multipart(self, request: web.Request, bucket: str) -> StoredObject:
        """multipart/related: first the metadata as JSON, then the bytes."""
        if not request.content_type.startswith("multipart/"):
            raise invalid("A multipart upload needs a multipart body.")
        reader = await request.multipart()
        first = await reader.next()
        if not isinstance(first, BodyPartReader):
            raise invalid("The multipart body has no metadata.")
        metadata = _parsed(bytes(await first.read()))
        second = await reader.next()
        if not isinstance(second, BodyPartReader):
            raise invalid("The multipart body has no content.")
        if not metadata.content_type:
            metadata.content_type = second.headers.get("content-type", "")
        plan = _plan(request, bucket, metadata)
        return await self._service.uploads.store(plan, _pieces(second), None)

    async def _start_session(self, request: web.Request, bucket: str) -> web.Response:
        metadata = _parsed(await request.read() or b"{}")
        if not metadata.content_type:
            metadata.content_type = request.headers.get("x-upload-content-type", "")
        session_id = self._service.sessions.start(_plan(request, bucket, metadata))
        location = f"{base_url(request)}/upload/storage/v1/b/{bucket}/o"
        location += f"?uploadType=resumable&upload_id={session_id}"
        return web.Response(headers={"Location": location, "X-GUploader-UploadID": session_id})

    async def _session(self, request: web.Request, session_id: str) -> web.Response:
        _allow(request, "PUT", "DELETE")
        if request.method == "DELETE":
            self._service.sessions.cancel(session_id)
            return web.Response(status=499)
        chunk = parse_chunk(
            request.headers.get("Content-Range"),
            request.content_length,
            checksums_from_headers(request),
        )
        pieces = body(request, self._service.faults)
        result = await self._service.sessions.put(session_id, chunk, pieces)
        if isinstance(result, Progress):
            return incomplete(result)
        return _json(object_resource(result, base_url(request)))


def incomplete(progress: Progress) -> web.Response:
    """308 with what is safe so far; without Range when nothing is."""
    last = progress.size_bytes - 1
    headers = {"Range": f"bytes=0-{last}"} if progress.size_bytes else {}
    return web.Response(status=308, headers=headers)


def _plan(request: web.Request, bucket: str, metadata: _Metadata) -> UploadPlan:
    return UploadPlan(
        bucket=bucket,
        name=checked_name(metadata.name or request.query.get("name", "")),
        attributes=Attributes(
            content_type=metadata.content_type,
            content_encoding=metadata.content_encoding,
            content_disposition=metadata.content_disposition,
            content_language=metadata.content_language,
            cache_control=metadata.cache_control,
            custom=metadata.metadata,
        ),
        preconditions=conditions_from_query(request.query),
        checksums=checksums_from_headers(request).merged(
            Checksums(crc32c=metadata.crc32c, md5=metadata.md5)
        ),
        size_bytes=announced_size(request.headers),
    )


def _parsed(data: bytes) -> _Metadata:
    try:
        return _Metadata.model_validate_json(data)
    except ValidationError:
        raise invalid("Invalid object resource.", code="ParseError") from None


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    try:
        while data := await part.read_chunk(_PIECE_BYTES):
            yield bytes(data)
    except (ConnectionError, ValueError) as error:
        raise UploadCut from error


def _listing(listing: Listing, base: str) -> Json:
    answer: dict[str, object] = {"kind": "storage#objects"}
    if listing.objects:
        answer["items"] = [object_resource(stored, base) for stored in listing.objects]
    if listing.prefixes:
        answer["prefixes"] = list(listing.prefixes)
    if listing.after:
        answer["nextPageToken"] = base64.urlsafe_b64encode(listing.after.encode()).decode()
    return answer


def _after(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("Invalid pageToken.") from None


def _json(resource: Json) -> web.Response:
    return web.Response(body=json.dumps(resource).encode(), content_type="application/json")


def _require_token(request: web.Request) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        message = "Anonymous caller does not have access to the Google Cloud Storage resource."
        headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'}
        raise StorageProblem(
            401, "AuthenticationRequired", message, reason="required", headers=headers
        )


def _allow(request: web.Request, *methods: str) -> None:
    if request.method not in methods:
        raise StorageProblem(405, "MethodNotAllowed", "Method not allowed.", reason="notAllowed")
