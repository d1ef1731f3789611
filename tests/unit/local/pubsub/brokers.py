"""A broker with a clock of its own, for tests."""

from __future__ import annotations

from pathlib import Path

from google.pubsub_v1 import types

from local.pubsub import wire
from local.pubsub.broker import Broker
from local.pubsub.faults import DeliveryFaults
from local.pubsub.journal import Journal
from local.pubsub.model import Draft

PROJECT = "projects/test-project"
TOPIC = f"{PROJECT}/topics/work"
DEAD_TOPIC = f"{PROJECT}/topics/dead"
WORK = f"{PROJECT}/subscriptions/work-pull"
HOLD = f"{PROJECT}/subscriptions/dead-hold"


class Clock:
    """Time that passes only when told."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def broker(
    clock: Clock, *, faults: DeliveryFaults | None = None, path: Path | None = None
) -> Broker:
    """A broker over a journal in memory or in a file."""
    return Broker(
        Journal(path),
        read=wire.read_subscription,
        read_topic=wire.read_topic,
        clock=clock,
        faults=faults,
    )


def with_work(found: Broker, **options: object) -> Broker:
    """Add the work topic and its subscription, and the dead-letter topic with its own."""
    for name in (TOPIC, DEAD_TOPIC):
        found.create_topic(wire.new_topic(types.Topic(name=name)))
    subscribe(found, WORK, TOPIC, **options)
    subscribe(found, HOLD, DEAD_TOPIC)
    return found


def subscribe(found: Broker, name: str, topic: str, **options: object) -> None:
    """Add a subscription as the admin client would."""
    request = types.Subscription(name=name, topic=topic, **options)
    found.create_subscription(wire.new_subscription(request))


def publish(found: Broker, *data: bytes, topic: str = TOPIC) -> list[str]:
    """Publish messages without attributes."""
    return found.publish(topic, [Draft(data=each, attributes={"a": "b"}) for each in data])
