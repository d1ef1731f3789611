"""Between Pub/Sub's protocol types and the broker's; checks what Pub/Sub checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.pubsub_v1 import types

from local.pubsub.broker import DELETED_TOPIC
from local.pubsub.model import Backoff, DeadLetter, Delivery, Draft, Message, Subscription, Topic
from local.rpc import RpcError

#: Source of limits and defaults: cloud.google.com/pubsub/quotas and the comments in pubsub.proto.
ACK_DEADLINE_S = (10, 600)
DEAD_LETTER_ATTEMPTS = (5, 100)
RETENTION = (timedelta(minutes=10), timedelta(days=31))
DEFAULT_RETENTION = timedelta(days=7)
MAX_BACKOFF = timedelta(seconds=600)
DEFAULT_MINIMUM_BACKOFF = timedelta(seconds=10)
#: Push without a retry policy backs off like this.
#: Source: cloud.google.com/pubsub/docs/push, "push backoff".
PUSH_BACKOFF = Backoff(minimum_s=0.1, maximum_s=60.0)
MAX_MESSAGES = 1_000
MAX_MESSAGE_BYTES = 10_000_000

_ID = re.compile(r"[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}")
#: Fields of a subscription that change what is delivered and that the stand-in does not have.
_MISSING = ("filter", "enable_exactly_once_delivery", "detached", "message_transforms")


def invalid(detail: str) -> RpcError:
    """INVALID_ARGUMENT with a text."""
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, detail)


def check_name(name: str, kind: str, project: str) -> None:
    """Refuse a name that is not `projects/{project}/{kind}/{id}`."""
    parts = name.split("/")
    if len(parts) != 4 or (parts[0], parts[2]) != ("projects", kind):
        raise invalid(f"invalid name of {kind}: {name!r}")
    if not _ID.fullmatch(parts[3]) or parts[3].lower().startswith("goog"):
        raise invalid(f"invalid id of {kind}: {parts[3]!r}")
    if parts[1] != project:
        raise RpcError(grpc.StatusCode.NOT_FOUND, f"no project {parts[1]!r}")


def new_topic(topic: types.Topic) -> Topic:
    """A topic to create; its state is filled in."""
    types.Topic.pb(topic).state = int(types.Topic.State.ACTIVE)
    return Topic(name=topic.name, definition=types.Topic.serialize(topic))


def read_topic(definition: bytes) -> Topic:
    """A topic of the journal."""
    return Topic(name=types.Topic.deserialize(definition).name, definition=definition)


def new_subscription(subscription: types.Subscription) -> Subscription:
    """A subscription to create or replace: defaults filled in (in place), limits checked."""
    for field in _MISSING:
        if getattr(subscription, field):
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"{field} is not supported here")
    raw = types.Subscription.pb(subscription)
    raw.ack_deadline_seconds = raw.ack_deadline_seconds or ACK_DEADLINE_S[0]
    if not _within(raw.ack_deadline_seconds, ACK_DEADLINE_S):
        raise invalid("ack_deadline_seconds must be 10 to 600")
    if not raw.HasField("message_retention_duration"):
        raw.message_retention_duration.FromTimedelta(DEFAULT_RETENTION)
    if not RETENTION[0] <= raw.message_retention_duration.ToTimedelta() <= RETENTION[1]:
        raise invalid("message_retention_duration must be 10 minutes to 31 days")
    if raw.HasField("dead_letter_policy"):
        _complete_dead_letter(raw.dead_letter_policy)
    if raw.HasField("retry_policy"):
        _complete_retry(raw.retry_policy)
    raw.state = int(types.Subscription.State.ACTIVE)
    return read_subscription(types.Subscription.serialize(subscription))


def _complete_dead_letter(raw: Any) -> None:
    raw.max_delivery_attempts = raw.max_delivery_attempts or DEAD_LETTER_ATTEMPTS[0]
    if not _within(raw.max_delivery_attempts, DEAD_LETTER_ATTEMPTS):
        raise invalid("max_delivery_attempts must be 5 to 100")


def _complete_retry(raw: Any) -> None:
    if not raw.HasField("minimum_backoff"):
        raw.minimum_backoff.FromTimedelta(DEFAULT_MINIMUM_BACKOFF)
    if not raw.HasField("maximum_backoff"):
        raw.maximum_backoff.FromTimedelta(MAX_BACKOFF)
    minimum, maximum = raw.minimum_backoff.ToTimedelta(), raw.maximum_backoff.ToTimedelta()
    if not timedelta(0) <= minimum <= maximum <= MAX_BACKOFF:
        raise invalid("0 <= minimum_backoff <= maximum_backoff <= 600 s must hold")


def read_subscription(definition: bytes) -> Subscription:
    """A subscription of the journal."""
    raw = types.Subscription.pb(types.Subscription.deserialize(definition))
    return Subscription(
        name=raw.name,
        topic=raw.topic,
        ack_deadline_s=float(raw.ack_deadline_seconds),
        retention_s=raw.message_retention_duration.ToTimedelta().total_seconds(),
        push_endpoint=raw.push_config.push_endpoint,
        backoff=_backoff(raw),
        dead_letter=_dead_letter(raw),
        definition=definition,
    )


def orphan(subscription: Subscription) -> Subscription:
    """The same subscription after its topic was deleted."""
    found = types.Subscription.deserialize(subscription.definition)
    found.topic = DELETED_TOPIC
    return read_subscription(types.Subscription.serialize(found))


def drafts(messages: Sequence[types.PubsubMessage]) -> list[Draft]:
    """Messages to publish; INVALID_ARGUMENT for none, too many, empty or too large ones."""
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise invalid(f"publish 1 to {MAX_MESSAGES} messages at once")
    for message in messages:
        if not message.data and not message.attributes:
            raise invalid("a message needs data or attributes")
        if len(message.data) > MAX_MESSAGE_BYTES:
            raise invalid(f"a message may have {MAX_MESSAGE_BYTES} bytes")
    return [
        Draft(data=m.data, attributes=dict(m.attributes), ordering_key=m.ordering_key)
        for m in messages
    ]


def received(delivery: Delivery) -> types.ReceivedMessage:
    """A delivery as clients get it."""
    message = delivery.message
    return types.ReceivedMessage(
        ack_id=delivery.ack_id,
        delivery_attempt=delivery.attempt,
        message=types.PubsubMessage(
            data=message.data,
            attributes=dict(message.attributes),
            message_id=message.message_id,
            publish_time=published(message),
            ordering_key=message.ordering_key,
        ),
    )


def published(message: Message) -> datetime:
    """When the message was published, in UTC."""
    return datetime.fromtimestamp(message.published_s, UTC)


def _backoff(raw: Any) -> Backoff | None:
    if raw.HasField("retry_policy"):
        policy = raw.retry_policy
        return Backoff(
            minimum_s=policy.minimum_backoff.ToTimedelta().total_seconds(),
            maximum_s=policy.maximum_backoff.ToTimedelta().total_seconds(),
        )
    return PUSH_BACKOFF if raw.push_config.push_endpoint else None


def _dead_letter(raw: Any) -> DeadLetter | None:
    if not raw.HasField("dead_letter_policy"):
        return None
    policy = raw.dead_letter_policy
    return DeadLetter(topic=policy.dead_letter_topic, max_attempts=policy.max_delivery_attempts)


def _within(value: int, limits: tuple[int, int]) -> bool:
    return limits[0] <= value <= limits[1]
