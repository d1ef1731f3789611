"""Create or update topics and subscriptions through the official admin clients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import grpc
from google.api_core.exceptions import AlreadyExists
from google.protobuf import field_mask_pb2
from google.pubsub_v1 import PublisherClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

#: What a repeated declaration may change.
_UPDATED = ("push_config", "ack_deadline_seconds", "dead_letter_policy", "retry_policy")


@dataclass(frozen=True, kw_only=True)
class SubscriptionPlan:
    """A subscription as it should be; names are short."""

    name: str
    topic: str
    #: URL for push, "" for pull.
    push_endpoint: str = ""
    #: 10–600.
    ack_deadline_s: int = 60
    #: "" for none.
    dead_letter_topic: str = ""
    #: 5–100; only with a dead-letter topic.
    max_delivery_attempts: int = 5
    #: 0–600 each; both None for no retry policy.
    minimum_backoff_s: float | None = None
    maximum_backoff_s: float | None = None


def declare(
    endpoint: str,
    project: str,
    *,
    topics: Iterable[str],
    subscriptions: Iterable[SubscriptionPlan],
) -> None:
    """Make topics and subscriptions be there as planned; may be repeated.

    Args:
        endpoint: `host:port` of a stand-in or emulator (insecure channel).
        project: project id.
        topics: short names.
        subscriptions: their topics must exist or be among `topics`.
    """
    channel = grpc.insecure_channel(endpoint, options=[("grpc.enable_http_proxy", 0)])
    with channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        for topic in topics:
            _create_topic(publisher, f"projects/{project}/topics/{topic}")
        for plan in subscriptions:
            _create_subscription(subscriber, _subscription(project, plan))


def _create_topic(publisher: PublisherClient, name: str) -> None:
    try:
        publisher.create_topic(name=name)
    except AlreadyExists:
        return


def _create_subscription(subscriber: SubscriberClient, wanted: types.Subscription) -> None:
    try:
        subscriber.create_subscription(request=wanted)
    except AlreadyExists:
        mask = field_mask_pb2.FieldMask(paths=_UPDATED)
        subscriber.update_subscription(subscription=wanted, update_mask=mask)


def _subscription(project: str, plan: SubscriptionPlan) -> types.Subscription:
    wanted = types.Subscription(
        name=f"projects/{project}/subscriptions/{plan.name}",
        topic=f"projects/{project}/topics/{plan.topic}",
        ack_deadline_seconds=plan.ack_deadline_s,
        push_config=types.PushConfig(push_endpoint=plan.push_endpoint),
    )
    if plan.dead_letter_topic:
        wanted.dead_letter_policy = types.DeadLetterPolicy(
            dead_letter_topic=f"projects/{project}/topics/{plan.dead_letter_topic}",
            max_delivery_attempts=plan.max_delivery_attempts,
        )
    if plan.minimum_backoff_s is not None or plan.maximum_backoff_s is not None:
        wanted.retry_policy = types.RetryPolicy(
            minimum_backoff=_duration(plan.minimum_backoff_s),
            maximum_backoff=_duration(plan.maximum_backoff_s),
        )
    return wanted


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
