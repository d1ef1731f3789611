"""The production code's ports over the cores of the stand-ins, without sockets, clocks or chance.

The same state machines answer Google's client libraries in the local cloud; here they are called
directly, in a time that only moves when it is told to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from common.bus import Received
from common.database import Database
from common.domain import LANES, Lane
from common.effects import effect as durable
from common.errors import NotFoundError
from common.messages import DEAD_LETTER_TOPIC
from common.storage import ObjectInfo
from local.pubsub.broker import Broker
from local.pubsub.faults import DeliveryFaults
from local.pubsub.journal import Journal
from local.pubsub.model import Backoff, DeadLetter, Delivery, Draft, Subscription, Topic
from local.storage.content import PartialContent
from local.storage.model import Attributes, Preconditions, StoredObject, UploadPlan
from local.storage.objects import Objects
from local.storage.state import State
from tests.schedules.actors import in_transaction, stop_at

_PROJECT: Final = "projects/p"
BUCKETS: Final = ("uploads", "artifacts")
HELD_DEAD: Final = "heimdex-dead-letter-hold"


class Clock:
    """The time of the stand-ins, in seconds since 1970."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def datetime(self) -> datetime:
        """The same as an aware datetime."""
        return datetime.fromtimestamp(self.now_s, UTC)


class SteppedDatabase(Database):
    """A pool whose transactions begin at a point, and mark that they hold locks."""

    @contextmanager
    def tenant(
        self, user_id: UUID, *, effect: str | None = None, waits_for_disk: bool = True
    ) -> Iterator[Connection]:
        """As `Database.tenant`."""
        stop_at(f"begin:{effect or 'read'}")
        with (
            in_transaction(),
            super().tenant(user_id, effect=effect, waits_for_disk=waits_for_disk) as tx,
        ):
            yield tx

    @contextmanager
    def system(self, *, effect: str | None = None) -> Iterator[Connection]:
        """As `Database.system`."""
        stop_at(f"begin:{effect or 'find'}")
        with in_transaction(), super().system(effect=effect) as tx:
            yield tx


class Store:
    """Cloud Storage.

    Args:
        directory: for the contents.
        clock: dates objects.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._state = State(directory)
        self._objects = Objects(self._state, clock.datetime)
        for bucket in BUCKETS:
            self._objects.add_bucket(bucket)

    def stat(self, bucket: str, name: str) -> ObjectInfo | None:
        """What is stored under the name."""
        found = self._objects.find(bucket, name)
        return None if found is None else _info(found)

    def read(
        self,
        bucket: str,
        name: str,
        *,
        generation: int | None = None,
        first_bytes: int | None = None,
    ) -> bytes:
        """The content."""
        stop_at("read:object")
        found = self._objects.find(bucket, name)
        if found is None or generation not in (None, found.generation):
            raise NotFoundError(f"{bucket}/{name}")
        return self._state.content(found.file).read_bytes()[:first_bytes]

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
        """Store the content."""
        with durable(effect):
            return _info(self.put(bucket, name, data, content_type))

    def put(self, bucket: str, name: str, data: bytes, content_type: str) -> StoredObject:
        """An upload by a client: no effect of ours."""
        content = PartialContent(self._state.new_content())
        content.write(data)
        plan = UploadPlan(
            bucket=bucket, name=name, attributes=Attributes(content_type=content_type)
        )
        with self._state.transaction():
            return self._objects.put(plan, content.finish())

    def delete(self, bucket: str, name: str, *, effect: str) -> None:
        """Remove what is stored under the name, if anything."""
        with durable(effect):
            self.remove(bucket, name)

    def remove(self, bucket: str, name: str) -> None:
        """The same, by somebody else."""
        if self._objects.find(bucket, name) is not None:
            self._objects.delete(bucket, name, generation=None, conditions=Preconditions())

    def delete_prefix(self, bucket: str, prefix: str, *, effect: str) -> int:
        """Remove everything below a prefix."""
        names = self.names(bucket, prefix)
        for name in names:
            self.delete(bucket, name, effect=effect)
        return len(names)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """All objects below a prefix."""
        found = (self.stat(bucket, name) for name in self.names(bucket, prefix))
        return (info for info in found if info is not None)

    def names(self, bucket: str, prefix: str = "") -> Sequence[str]:
        """Names of all objects."""
        page = self._objects.page(bucket, prefix=prefix, limit=10_000)
        return [stored.name for stored in page.objects]

    def damage(self, bucket: str, name: str) -> None:
        """Flip the first bit of an object, as a disk may."""
        found = self._objects.get(bucket, name)
        path = self._state.content(found.file)
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])

    def close(self) -> None:
        """Close the database."""
        self._state.close()


def _info(stored: StoredObject) -> ObjectInfo:
    return ObjectInfo(
        bucket=stored.bucket,
        name=stored.name,
        generation=stored.generation,
        size_bytes=stored.size_bytes,
        content_type=stored.attributes.content_type,
        crc32c=stored.crc32c,
    )


class Bus:
    """Pub/Sub with the topology of an environment.

    Args:
        clock: of leases and pauses.
        faults: what becomes of messages on their way.
    """

    def __init__(self, clock: Clock, faults: DeliveryFaults) -> None:
        self._journal = Journal()
        unread: Any = None  # a new journal has nothing to read
        self._broker = Broker(
            self._journal, read=unread, read_topic=unread, clock=lambda: clock.now_s, faults=faults
        )
        lanes = [f"heimdex-{lane}" for lane in LANES]
        for topic in (*lanes, DEAD_LETTER_TOPIC):
            self._broker.create_topic(Topic(name=_topic(topic), definition=b""))
        for topic in lanes:
            self._subscribe(f"{topic}-doorbell", topic)
            self._subscribe(f"{topic}-work", topic)
        self._subscribe(HELD_DEAD, DEAD_LETTER_TOPIC, dead_letter=False)

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str], *, effect: str
    ) -> str:
        """Send one message."""
        with durable(effect):
            (number,) = self._broker.publish(
                _topic(topic), [Draft(data=data, attributes=attributes)]
            )
        return number

    def pull(self, subscription: str, *, wait_s: float) -> Received | None:
        """Lease one message; does not wait."""
        stop_at("pull")
        delivery = self.take(subscription)
        return None if delivery is None else _received(delivery)

    def ack(self, subscription: str, received: Received, *, effect: str) -> None:
        """Forget the message."""
        with durable(effect):
            self.settle(subscription, received.ack_id, done=True)

    def take(self, subscription: str) -> Delivery | None:
        """Lease one message, as whoever pushes does."""
        return next(iter(self._broker.pull(_subscription(subscription), 1)), None)

    def settle(self, subscription: str, ack_id: str, *, done: bool) -> None:
        """Acknowledge a delivery, or refuse it."""
        if done:
            self._broker.acknowledge(_subscription(subscription), [ack_id])
        else:
            self._broker.modify_deadline(_subscription(subscription), [ack_id], 0)

    def lose(self, subscription: str) -> int:
        """Lose all messages of a subscription."""
        return self._broker.purge(_subscription(subscription))

    def backlog(self, subscription: str) -> int:
        """How many are not acknowledged."""
        return self._broker.backlog(_subscription(subscription))

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _subscribe(self, name: str, topic: str, *, dead_letter: bool = True) -> None:
        rule = DeadLetter(topic=_topic(DEAD_LETTER_TOPIC), max_attempts=10)
        self._broker.create_subscription(
            Subscription(
                name=_subscription(name),
                topic=_topic(topic),
                ack_deadline_s=30.0,
                retention_s=7 * 24 * 3600.0,
                push_endpoint="",
                backoff=Backoff(minimum_s=1.0, maximum_s=60.0),
                dead_letter=rule if dead_letter else None,
                definition=b"",
            )
        )


def _received(delivery: Delivery) -> Received:
    return Received(
        ack_id=delivery.ack_id,
        message_id=delivery.message.message_id,
        data=delivery.message.data,
        attributes=delivery.message.attributes,
        delivery_attempt=delivery.attempt,
    )


def _topic(name: str) -> str:
    return f"{_PROJECT}/topics/{name}"


def _subscription(name: str) -> str:
    return f"{_PROJECT}/subscriptions/{name}"


class Executions:
    """Cloud Run Jobs: what was asked for and has not started yet."""

    def __init__(self) -> None:
        self.queued: list[Lane] = []

    def run(self, lane: Lane, *, effect: str) -> None:
        """Queue one more execution."""
        with durable(effect):
            self.queued.append(lane)
