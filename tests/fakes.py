"""Stand-ins for the adapters, in files, so that several processes of a test share them.

They keep the adapters' names for effects, so that a process can be killed at each.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from common.bus import Received
from common.domain import Lane, Media
from common.effects import effect as durable
from common.errors import NotFoundError, TransientError
from common.storage import ObjectInfo

#: Topic → subscriptions.
SUBSCRIPTIONS: Mapping[str, tuple[str, ...]] = {
    "heimdex-media": ("heimdex-media-work",),
    "heimdex-gpu": ("heimdex-gpu-work",),
    "heimdex-dead-letter": ("heimdex-dead-letter-hold",),
    "heimdex-export": ("heimdex-export-push",),
}


class FileStore:
    """Objects as files; `common.storage.ObjectStore` as far as workers and functions use it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)

    def stat(self, bucket: str, name: str) -> ObjectInfo | None:
        """What is stored under the name."""
        path = self._path(bucket, name)
        return self._info(bucket, path) if path.exists() else None

    def read(
        self,
        bucket: str,
        name: str,
        *,
        generation: int | None = None,
        first_bytes: int | None = None,
    ) -> bytes:
        """The content."""
        self._require(bucket, name, generation)
        return self._path(bucket, name).read_bytes()[:first_bytes]

    def download(
        self, bucket: str, name: str, path: Path, *, generation: int | None = None
    ) -> None:
        """The content into a file."""
        path.write_bytes(self.read(bucket, name, generation=generation))

    def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        *,
        content_type: str,
        effect: str,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store the content, whole or not at all."""
        path = self._path(bucket, name)
        generation = max((x.generation for x in self.list(bucket, name)), default=0) + 1
        partial = path.with_suffix(f".{uuid4().hex}.partial")
        with durable(effect):
            partial.write_bytes(data)
            self._describe(path).write_text(
                json.dumps({"content_type": content_type, "generation": generation, "name": name})
            )
            partial.replace(path)
        return self._info(bucket, path)

    def upload(
        self, bucket: str, name: str, path: Path, *, content_type: str, effect: str
    ) -> ObjectInfo:
        """Store a file's content unless something is there."""
        found = self.stat(bucket, name)
        if found is not None:
            return found
        data = path.read_bytes()
        return self.write(bucket, name, data, content_type=content_type, effect=effect)

    def close(self) -> None:
        """Nothing is open."""

    def put(self, bucket: str, name: str, data: bytes, content_type: str) -> ObjectInfo:
        """An upload by a client: no effect of ours."""
        return self.write(bucket, name, data, content_type=content_type, effect="client.put")

    def delete(self, bucket: str, name: str, *, effect: str) -> None:
        """Remove what is stored under the name, if anything."""
        with durable(effect):
            self._path(bucket, name).unlink(missing_ok=True)

    def delete_prefix(self, bucket: str, prefix: str, *, effect: str) -> int:
        """Remove everything below a prefix."""
        names = [info.name for info in self.list(bucket, prefix)]
        for name in names:
            self.delete(bucket, name, effect=effect)
        return len(names)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """All objects below a prefix, by name."""
        found = (self._info(bucket, path) for path in (self._directory / bucket).glob("*.object"))
        return iter(sorted((x for x in found if x.name.startswith(prefix)), key=lambda x: x.name))

    def page(self, bucket: str, prefix: str, *, start: str, limit: int) -> tuple[ObjectInfo, ...]:
        """Some objects below a prefix, by name."""
        found = (info for info in self.list(bucket, prefix) if info.name >= start)
        return tuple(islice(found, limit))

    def _require(self, bucket: str, name: str, generation: int | None) -> None:
        info = self.stat(bucket, name)
        if info is None or generation not in (None, info.generation):
            raise NotFoundError(f"{bucket}/{name}")

    def _path(self, bucket: str, name: str) -> Path:
        folder = self._directory / bucket
        folder.mkdir(exist_ok=True)
        return folder / f"{hashlib.sha256(name.encode()).hexdigest()}.object"

    def _describe(self, path: Path) -> Path:
        return path.with_suffix(".json")

    def _info(self, bucket: str, path: Path) -> ObjectInfo:
        known = json.loads(self._describe(path).read_text())
        checksum = hashlib.sha256(path.read_bytes()).digest()[:4]
        return ObjectInfo(
            bucket=bucket,
            name=known["name"],
            generation=known["generation"],
            size_bytes=path.stat().st_size,
            content_type=known["content_type"],
            crc32c=base64.b64encode(checksum).decode(),
            created_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        )


class FileBus:
    """Messages as files; `common.bus.Bus` with an ack deadline."""

    def __init__(self, directory: Path, *, ack_deadline_s: float = 30.0) -> None:
        self._directory = directory
        self._ack_deadline_s = ack_deadline_s
        self.down = False

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str], *, effect: str
    ) -> str:
        """Hand the message to every subscription of the topic."""
        if self.down:
            raise TransientError(detail="the bus is down")
        message_id = f"{time.monotonic_ns():020d}-{uuid4().hex}"
        record = json.dumps(
            {"data": base64.b64encode(data).decode(), "attributes": dict(attributes), "until": 0}
        )
        with durable(effect):
            for subscription in SUBSCRIPTIONS[topic]:
                with self._locked(subscription) as folder:
                    (folder / f"{message_id}.json").write_text(record)
        return message_id

    def pull(self, subscription: str, *, wait_s: float) -> Received | None:
        """Lease the first message that is not leased; does not wait."""
        with self._locked(subscription) as folder:
            for path in sorted(folder.glob("*.json")):
                record = json.loads(path.read_text())
                if record["until"] > time.time():
                    continue
                record["until"] = time.time() + self._ack_deadline_s
                path.write_text(json.dumps(record))
                return _received(path, record)
        return None

    def ack(self, subscription: str, received: Received, *, effect: str) -> None:
        """Forget the message."""
        with durable(effect), self._locked(subscription) as folder:
            (folder / f"{received.ack_id}.json").unlink(missing_ok=True)

    def messages(self, subscription: str) -> list[bytes]:
        """Everything that is not acknowledged."""
        with self._locked(subscription) as folder:
            records = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        return [base64.b64decode(record["data"]) for record in records]

    @contextmanager
    def _locked(self, subscription: str) -> Iterator[Path]:
        folder = self._directory / subscription
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder


def _received(path: Path, record: Mapping[str, Any]) -> Received:
    return Received(
        ack_id=path.stem,
        message_id=path.stem,
        data=base64.b64decode(record["data"]),
        attributes=record["attributes"],
        delivery_attempt=1,
    )


class FakeJobs:
    """Remembers which executions were asked for."""

    def __init__(self) -> None:
        self.started: list[Lane] = []
        self.out_of_quota = False

    def run(self, lane: Lane, *, effect: str) -> None:
        """Note the lane."""
        if self.out_of_quota:
            raise TransientError(detail="no quota")
        with durable(effect):
            self.started.append(lane)


def call_in_process(
    function: str,
    *,
    media: Media,
    inputs: Mapping[str, object],
    result: type[Any],
    on_progress: Callable[[float], None] | None,
) -> Any:
    """`gpu_jobs.sandbox.call` without the sandbox."""
    import importlib

    module, _, name = function.partition(":")
    extra = {} if on_progress is None else {"progress": on_progress}
    return getattr(importlib.import_module(module), name)(media, **inputs, **extra)
