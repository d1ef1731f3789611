"""Sending an object's bytes, whole or a range."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from multidict import CIMultiDict

from local.storage.faults import Faults
from local.storage.incoming import abort
from local.storage.model import StoredObject
from local.storage.problems import StorageProblem
from local.storage.ranges import ByteRange, UnsatisfiableRange, parse_range

_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What a signed URL asks the answer to claim instead of the object's own; empty: nothing."""

    content_type: str = ""
    content_disposition: str = ""


def object_headers(stored: StoredObject) -> CIMultiDict[str]:
    """What both APIs say of an object in the headers of an answer."""
    headers = CIMultiDict[str](
        {
            "ETag": etag(stored),
            "Last-Modified": format_datetime(stored.created_at, usegmt=True),
            "x-goog-generation": str(stored.generation),
            "x-goog-metageneration": str(stored.metageneration),
            "x-goog-stored-content-length": str(stored.size_bytes),
            "x-goog-stored-content-encoding": stored.attributes.content_encoding or "identity",
            "x-goog-storage-class": "STANDARD",
        }
    )
    headers.add("x-goog-hash", f"crc32c={stored.crc32c}")
    headers.add("x-goog-hash", f"md5={stored.md5}")
    for name, value in stored.attributes.custom.items():
        headers.add(f"x-goog-meta-{name}", value)
    return headers


def etag(stored: StoredObject) -> str:
    """A strong entity tag: the MD5 of the bytes, as the XML API gives it."""
    return f'"{base64.b64decode(stored.md5).hex()}"'


async def send(
    request: web.Request,
    stored: StoredObject,
    path: Path,
    *,
    faults: Faults,
    overrides: Overrides | None = None,
) -> web.StreamResponse:
    """Answer a GET or HEAD with the object's bytes.

    Raises:
        StorageProblem: 416.
    """
    wanted = _wanted(request, stored)
    headers = object_headers(stored)
    headers.update(_content_headers(stored, overrides or Overrides()))
    if wanted is not None:
        headers["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{stored.size_bytes}"
    with path.open("rb") as file:
        response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
        response.content_length = wanted.length if wanted else stored.size_bytes
        await response.prepare(request)
        if request.method != "HEAD":
            file.seek(wanted.first if wanted else 0)
            await _stream(request, response, file, response.content_length, faults)
    return response


def _wanted(request: web.Request, stored: StoredObject) -> ByteRange | None:
    if request.headers.get("If-Range", etag(stored)) != etag(stored):
        return None
    try:
        return parse_range(request.headers.get("Range"), stored.size_bytes)
    except UnsatisfiableRange:
        raise StorageProblem(
            416,
            "InvalidRange",
            "The requested range cannot be satisfied.",
            reason="requestedRangeNotSatisfiable",
            headers={"Content-Range": f"bytes */{stored.size_bytes}"},
        ) from None


def _content_headers(stored: StoredObject, overrides: Overrides) -> Mapping[str, str]:
    attributes = stored.attributes
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": (
            overrides.content_type or attributes.content_type or "application/octet-stream"
        ),
        "Content-Disposition": overrides.content_disposition or attributes.content_disposition,
        "Content-Encoding": attributes.content_encoding,
        "Content-Language": attributes.content_language,
        "Cache-Control": attributes.cache_control or "private, max-age=0",
    }
    return {name: value for name, value in headers.items() if value}


async def _stream(
    request: web.Request,
    response: web.StreamResponse,
    file: BinaryIO,
    length: int,
    faults: Faults,
) -> None:
    cut_at = length - faults.cut_after_bytes if faults.take("cut_downloads") else None
    while length > 0:
        piece = _PIECE_BYTES if cut_at is None else max(1, min(_PIECE_BYTES, length - cut_at))
        data = file.read(min(piece, length))
        await response.write(data)
        length -= len(data)
        if cut_at is not None and length <= cut_at:
            abort(request)
            return
