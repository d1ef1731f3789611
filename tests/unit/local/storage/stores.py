"""A store without a server, for tests of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.storage.faults import Faults
from local.storage.model import StoredObject, UploadPlan
from local.storage.service import Service, build
from local.storage.state import State

BUCKET = "test-bucket"


@dataclass
class Clock:
    """Time that passes only when told to."""

    now: datetime = field(default_factory=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


def open_store(root: Path, clock: Clock) -> Service:
    """The parts on a directory, with one bucket."""
    service = build(
        State(root),
        event_targets={},
        public_key_for=lambda _: None,
        clock=clock,
        current_faults=Faults,
    )
    if BUCKET not in {bucket.name for bucket in service.objects.buckets()}:
        service.objects.add_bucket(BUCKET)
    return service


async def stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A body."""
    for piece in pieces:
        yield piece


async def put(service: Service, name: str, data: bytes = b"") -> StoredObject:
    """Store an object."""
    plan = UploadPlan(bucket=BUCKET, name=name)
    return await service.uploads.store(plan, stream([data]), None)


def content(service: Service, name: str) -> bytes:
    """The live bytes of an object."""
    return service.state.content(service.objects.get(BUCKET, name).file).read_bytes()
