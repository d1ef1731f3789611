"""Reading HTTP requests: where they point, what they promise, and their bodies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from local.storage.faults import Faults
from local.storage.model import Attributes, Checksums, LengthRange, Preconditions
from local.storage.problems import invalid
from local.storage.uploads import UploadCut

_LENGTH_RANGE = re.compile(r"\s*(\d{1,18})\s*,\s*(\d{1,18})\s*")
_META = "x-goog-meta-"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A bucket and, unless empty, an object in it."""

    bucket: str
    name: str


def split_path(raw_path: str) -> tuple[str, ...]:
    """The decoded segments of a path; an encoded slash stays inside of its segment.

    Raises:
        StorageProblem: 400, it is not UTF-8.
    """
    return tuple(_decoded(part) for part in raw_path.lstrip("/").split("/"))


def xml_place(raw_path: str) -> Place:
    """The place of `/bucket/name`, path style.

    Raises:
        StorageProblem: 400, the name is not allowed.
    """
    bucket, _, name = raw_path.removeprefix("/").partition("/")
    return Place(bucket=_decoded(bucket), name=checked_name(_decoded(name)) if name else "")


def checked_name(name: str) -> str:
    """An object name that Cloud Storage allows: 1 to 1024 bytes of UTF-8, no line breaks.

    Raises:
        StorageProblem: 400.
    """
    size_bytes = len(name.encode())
    if not 1 <= size_bytes <= 1024 or name in (".", "..") or re.search(r"[\r\n]", name):
        raise invalid("The specified object name is not valid.", code="InvalidObjectName")
    return name


def base_url(request: web.Request) -> str:
    """How the client addresses this server."""
    return f"{request.scheme}://{request.host}"


def attributes_from_headers(headers: Mapping[str, str]) -> Attributes:
    """Content headers and `x-goog-meta-*`."""
    lower = {name.lower(): value for name, value in headers.items()}
    return Attributes(
        content_type=lower.get("content-type", ""),
        content_encoding=lower.get("content-encoding", ""),
        content_disposition=lower.get("content-disposition", ""),
        content_language=lower.get("content-language", ""),
        cache_control=lower.get("cache-control", ""),
        custom={n.removeprefix(_META): v for n, v in lower.items() if n.startswith(_META)},
    )


def checksums_from_headers(request: web.Request) -> Checksums:
    """`x-goog-hash` (repeated or comma-separated) and `Content-MD5`."""
    pairs = ",".join(request.headers.getall("x-goog-hash", ())).split(",")
    given = dict(pair.strip().split("=", 1) for pair in pairs if "=" in pair)
    md5 = given.get("md5", "") or request.headers.get("content-md5", "")
    return Checksums(crc32c=given.get("crc32c", ""), md5=md5)


def conditions_from_headers(headers: Mapping[str, str]) -> Preconditions:
    """The XML API's conditions."""
    return Preconditions(
        generation_match=_number(headers.get("x-goog-if-generation-match")),
        metageneration_match=_number(headers.get("x-goog-if-metageneration-match")),
    )


def conditions_from_query(query: Mapping[str, str]) -> Preconditions:
    """The JSON API's conditions."""
    return Preconditions(
        generation_match=_number(query.get("ifGenerationMatch")),
        generation_not_match=_number(query.get("ifGenerationNotMatch")),
        metageneration_match=_number(query.get("ifMetagenerationMatch")),
        metageneration_not_match=_number(query.get("ifMetagenerationNotMatch")),
    )


def generation_from_query(query: Mapping[str, str]) -> int | None:
    """The `generation` parameter of both APIs."""
    return _number(query.get("generation"))


def length_range(headers: Mapping[str, str]) -> LengthRange | None:
    """`x-goog-content-length-range: min,max`."""
    text = headers.get("x-goog-content-length-range")
    if text is None:
        return None
    match = _LENGTH_RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise invalid("x-goog-content-length-range must be min,max.")
    return LengthRange(min_bytes=int(match[1]), max_bytes=int(match[2]))


def announced_size(headers: Mapping[str, str]) -> int | None:
    """`x-upload-content-length`: the size of a resumable upload, if announced."""
    return _number(headers.get("x-upload-content-length"))


async def body(request: web.Request, faults: Faults) -> AsyncIterator[bytes]:
    """The body piece by piece as it arrives.

    Raises:
        UploadCut: the connection ended before the body did.
    """
    left = faults.cut_after_bytes if faults.take("cut_uploads") else None
    try:
        async for data in request.content.iter_any():
            if left is not None and len(data) >= left:
                yield data[:left]
                abort(request)
                raise UploadCut
            left = None if left is None else left - len(data)
            yield data
    except (ConnectionError, ClientError, HttpProcessingError) as error:
        raise UploadCut from error


def abort(request: web.Request) -> None:
    """Cut the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()


def _decoded(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise invalid("The path is not UTF-8.", code="InvalidURI") from None


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,18}", text):
        raise invalid(f"Not a number: {text}")
    return int(text)
