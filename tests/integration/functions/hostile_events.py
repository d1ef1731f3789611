"""CloudEvents that must not start anything, and why each of them could come."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Data = dict[str, Any]
Headers = dict[str, str]
#: From the right headers and data to those of the case.
Made = tuple[Headers, bytes]

FINALIZED = "google.cloud.storage.object.v1.finalized"


@dataclass(frozen=True, kw_only=True)
class HostileEvent:
    """One event that differs from a right one in one thing."""

    name: str
    #: Why it has to be thought of.
    why: str
    make: Callable[[Headers, Data], Made]
    #: 200: read, noted and never repeated; 400: no CloudEvent at all.
    status: int = 200
    #: What the video is afterwards; an event about a real object may say that it is wrong.
    state: str = field(default="uploading")


def right(data: object) -> Made:
    """Headers and body of a right event, in binary mode."""
    headers = {
        "ce-id": uuid4().hex,
        "ce-source": "//storage.googleapis.com/projects/_/buckets/uploads",
        "ce-specversion": "1.0",
        "ce-type": FINALIZED,
        "content-type": "application/json",
    }
    return headers, json.dumps(data).encode()


def structured(headers: Headers, data: object, /, **changes: object) -> Made:
    """The same event in structured mode; None leaves an attribute out."""
    attributes: dict[str, object] = {
        name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")
    }
    event = attributes | {"datacontenttype": "application/json", "data": data} | changes
    body = {name: value for name, value in event.items() if value is not None}
    return {"content-type": "application/cloudevents+json"}, json.dumps(body).encode()


def _header(name: str, value: str | None) -> Callable[[Headers, Data], Made]:
    def make(headers: Headers, data: Data) -> Made:
        changed = {n: v for n, v in headers.items() if n != name}
        return changed | ({} if value is None else {name: value}), json.dumps(data).encode()

    return make


def _data(**changes: Any) -> Callable[[Headers, Data], Made]:
    def make(headers: Headers, data: Data) -> Made:
        changed = {n: v(data) if callable(v) else v for n, v in (data | changes).items()}
        return headers, json.dumps({n: v for n, v in changed.items() if v is not None}).encode()

    return make


def _named(change: Callable[[str], str]) -> Callable[[Headers, Data], Made]:
    return _data(name=lambda data: change(data["name"]))


def _body(body: bytes) -> Callable[[Headers, Data], Made]:
    return lambda headers, _: (headers, body)


def _structured(**changes: Any) -> Callable[[Headers, Data], Made]:
    return lambda headers, data: structured(headers, data, **changes)


def _batched(headers: Headers, data: Data) -> Made:
    _, one = structured(headers, data)
    return {"content-type": "application/cloudevents-batch+json"}, b"[" + one + b"]"


def _as_base64(headers: Headers, data: Data) -> Made:
    encoded = base64.b64encode(data["name"].encode()).decode()
    return structured(headers, None, data_base64=encoded)


def _legacy(headers: Headers, data: Data) -> Made:
    """As functions of the first generation got it."""
    event = {
        "context": {
            "eventId": headers["ce-id"],
            "eventType": "google.storage.object.finalize",
            "timestamp": "2026-01-01T00:00:00Z",
            "resource": {
                "service": "storage.googleapis.com",
                "name": f"projects/_/buckets/uploads/objects/{data['name']}",
                "type": "storage#object",
            },
        },
        "data": data,
    }
    return {"content-type": "application/json"}, json.dumps(event).encode()


def _stranger(data: Data) -> str:
    kind, _, rest = data["name"].split("/", 2)
    return f"{kind}/{uuid4()}/{rest}"


def _case(
    name: str,
    why: str,
    make: Callable[[Headers, Data], Made],
    *,
    status: int = 200,
    state: str = "uploading",
) -> HostileEvent:
    return HostileEvent(name=name, why=why, make=make, status=status, state=state)


_ENVELOPES = (
    _case("no id", "Required by CloudEvents.", _header("ce-id", None), status=400),
    _case("no source", "Required by CloudEvents.", _header("ce-source", None), status=400),
    _case("no type", "Required by CloudEvents.", _header("ce-type", None), status=400),
    _case("no version", "Required by CloudEvents.", _header("ce-specversion", None), status=400),
    _case("version 9", "No version we know.", _header("ce-specversion", "9.9"), status=400),
    _case("no attribute", "Any POST of JSON.", lambda _, __: ({}, b"{}"), status=400),
    _case("batched", "A mode that Eventarc never uses.", _batched, status=400),
    _case("structured, no id", "The other mode is as strict.", _structured(id=None), status=400),
    _case("structured, no type", "The same.", _structured(type=None), status=400),
    _case(
        "structured, not JSON",
        "Must not be asked for again for a day.",
        lambda _, __: ({"content-type": "application/cloudevents+json"}, b"{"),
        status=400,
    ),
    _case(
        "structured, a list",
        "JSON, but no object.",
        lambda _, __: ({"content-type": "application/cloudevents+json"}, b"[1]"),
        status=400,
    ),
    _case("data in base64", "Bytes are no StorageObjectData.", _as_base64),
    _case("structured, data a text", "Nor is a text.", _structured(data="videos/x")),
    _case(
        "deleted",
        "The object is gone, and its last state says nothing.",
        _header("ce-type", "google.cloud.storage.object.v1.deleted"),
    ),
    _case(
        "metadata updated",
        "No new bytes.",
        _header("ce-type", "google.cloud.storage.object.v1.metadataUpdated"),
    ),
    _case(
        "of another product",
        "A trigger set up wrongly.",
        _header("ce-type", "google.cloud.pubsub.topic.v1.messagePublished"),
    ),
    _case("legacy", "The framework would convert it by guessing.", _legacy, status=400),
)

_BODIES = (
    _case("no body", "Nothing to read.", _body(b"")),
    _case("null", "JSON, but nothing.", _body(b"null")),
    _case("a list", "JSON, but no object.", _body(b"[]")),
    _case("a number", "JSON, but no object.", _body(b"7")),
    _case("half of JSON", "A cut body.", _body(b'{"bucket": "uploads"')),
    _case("not UTF-8", "Bytes that no text is.", _body(b"\xff\xfe\x00")),
    _case(
        "nested deep",
        "A stack overflow, if parsed by recursion.",
        _body(b"[" * 100_000),
        status=400,
    ),
)

_NAMES = (
    _case("another bucket", "Objects of other buckets are not ours.", _data(bucket="another")),
    _case("no name", "Nothing to look up.", _data(name=None)),
    _case("name is a list", "A type that nobody expects.", _data(name=["videos"])),
    _case("outside the prefix", "Somebody else's object.", _named(lambda n: f"backup/{n}")),
    _case("dots", "A path that leads elsewhere.", _named(lambda n: f"videos/../{n}")),
    _case(
        "two slashes", "A name that only looks the same.", _named(lambda n: n.replace("/", "//"))
    ),
    _case("encoded slash", "Nobody may decode it twice.", _named(lambda n: n.replace("/", "%2f"))),
    _case("NUL", "Cuts a text short in C.", _named(lambda n: n + "\0")),
    _case("line break", "Matched by a careless $.", _named(lambda n: n + "\n")),
    _case("upper case", "The same id, but another object.", _named(str.upper)),
    _case("1,024 bytes", "As long as a name may be.", _named(lambda n: n.ljust(1_024, "a"))),
    _case("1,025 bytes", "Longer than a name may be.", _named(lambda n: n.ljust(1_025, "a"))),
    _case("a megabyte", "Far longer than a name may be.", _named(lambda n: n.ljust(2**20, "a"))),
    _case("lone surrogate", "No text at all.", _named(lambda n: n + "\ud800")),
    _case(
        "another tenant's path", "The row is not there under that tenant.", _data(name=_stranger)
    ),
)

_VALUES = (
    _case("no size", "Nothing to compare.", _data(size=None)),
    _case("negative size", "No object has it.", _data(size="-1")),
    _case("size is a text", "No number.", _data(size="big")),
    _case("size NaN", "Python reads it as JSON.", _data(size=float("nan"))),
    _case("no generation", "It does not say which bytes.", _data(generation=None)),
    _case("generation 0", "No object has it.", _data(generation="0")),
    _case("generation of 64 bits", "Larger than Postgres' bigint.", _data(generation=str(2**63))),
    _case("generation of 5,000 digits", "Slow to read as a number.", _data(generation="9" * 5_000)),
    _case("type is a number", "A type that nobody expects.", _data(contentType=7)),
    # About a real object, so the video is told what is wrong.
    _case("size 0", "The object is empty.", _data(size="0"), state="failed"),
    _case("size beyond 64 bits", "Not as declared.", _data(size=str(2**70)), state="failed"),
    _case("NUL in the type", "Postgres takes no NUL.", _data(contentType="a\0b"), state="failed"),
    _case("NUL in the checksum", "Postgres takes no NUL.", _data(crc32c="a\0b"), state="failed"),
)

EVENTS: Mapping[str, HostileEvent] = {
    case.name: case for case in (*_ENVELOPES, *_BODIES, *_NAMES, *_VALUES)
}
