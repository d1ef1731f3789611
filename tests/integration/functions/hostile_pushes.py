"""Bodies of Pub/Sub pushes that must not start anything, and why each of them could come."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

DOORBELL = "projects/p/subscriptions/heimdex-media-doorbell"


@dataclass(frozen=True, kw_only=True)
class HostilePush:
    """One body that differs from a right one in one thing."""

    name: str
    #: Why it has to be thought of.
    why: str
    #: From the right message (`version`, `user_id`, `run_id`, `lane`) to a body.
    make: Callable[[Message], bytes]


def body(data: object, /, *, subscription: object = DOORBELL, **message: object) -> bytes:
    """A push of the data, as JSON or as the bytes they are."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    wrapped = {"data": base64.b64encode(raw).decode(), "messageId": "1", "attributes": {}}
    return json.dumps({"message": wrapped | message, "subscription": subscription}).encode()


def _raw(raw: bytes) -> Callable[[Message], bytes]:
    return lambda _: raw


def _inner(data: object) -> Callable[[Message], bytes]:
    return lambda _: body(data)


def _changed(**changes: object) -> Callable[[Message], bytes]:
    return lambda right: body({n: v for n, v in (right | changes).items() if v is not None})


def _wrapped(**changes: object) -> Callable[[Message], bytes]:
    return lambda right: body(right, **changes)


_CASES = (
    ("no body", "Any POST.", _raw(b"")),
    ("not JSON", "Any POST.", _raw(b"run")),
    ("not UTF-8", "Bytes that no text is.", _raw(b"\xff\xfe\x00")),
    ("a list", "JSON, but no object.", _raw(b"[]")),
    ("null", "JSON, but nothing.", _raw(b"null")),
    ("nested deep", "A stack overflow, if parsed by recursion.", _raw(b"[" * 100_000)),
    ("no message", "Nothing is pushed.", _raw(b'{"subscription": "heimdex-media-doorbell"}')),
    ("no subscription", "Whose message?", lambda right: body(right, subscription=None)),
    ("another subscription", "Not one of ours.", _wrapped(subscription="projects/p/x/evil")),
    (
        "almost a subscription",
        "A name that only starts like ours.",
        _wrapped(subscription=f"{DOORBELL}-2"),
    ),
    ("subscription is a number", "A type that nobody expects.", _wrapped(subscription=7)),
    ("not base64", "Data that cannot be decoded.", _wrapped(data="!!!!")),
    ("URL-safe base64", "Another alphabet than Pub/Sub's.", _wrapped(data="_-__")),
    ("base64 cut", "The last characters are lost.", _wrapped(data="eyJ2ZXJzaW9uIjoxf")),
    ("data is a list", "A type that nobody expects.", _wrapped(data=[123, 125])),
    ("data NUL", "A text that C would cut short.", _wrapped(data="e30=\0")),
    ("attributes are a list", "A type that nobody expects.", _wrapped(attributes=["a"])),
    ("attribute is a number", "Attributes are texts.", _wrapped(attributes={"a": 1})),
    ("empty data", "A message of attributes alone.", _inner(b"")),
    ("data not JSON", "Published by something else.", _inner(b"video.mp4")),
    ("data not UTF-8", "Bytes that no text is.", _inner(b"\xff\xfe\x00")),
    ("ten megabytes", "The largest message there is.", _inner(b"x" * 10_000_000)),
    ("unknown version", "Of a release that is not deployed here.", _changed(version=2)),
    ("version is a text", "Almost ours.", _changed(version="one")),
    ("no tenant", "The tenant is not guessed.", _changed(user_id=None)),
    ("no run", "There is nothing to look up.", _changed(run_id=None)),
    ("run is SQL", "Never part of a statement.", _changed(run_id="' OR 1=1 --")),
    ("run is a list", "Several at once are no message of ours.", _changed(run_id=["a"])),
    ("unknown lane", "There is no such job.", _changed(lane="mine")),
    ("lane of another job", "The run waits in another lane.", _changed(lane="gpu")),
    (
        "another tenant",
        "The run is there, but not under this tenant.",
        _changed(user_id="00000000-0000-4000-8000-000000000000"),
    ),
    (
        "another run",
        "A run that was deleted with its video.",
        _changed(run_id="00000000-0000-4000-8000-000000000000"),
    ),
)

PUSHES: Mapping[str, HostilePush] = {
    name: HostilePush(name=name, why=why, make=make) for name, why, make in _CASES
}
