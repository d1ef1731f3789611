"""Topics and subscriptions, as Terraform makes them in an environment."""

from __future__ import annotations

from common.domain import LANES
from common.messages import DEAD_LETTER_TOPIC, EXPORT_TOPIC, SWEEP_TOPIC
from local.pubsub.declare import SubscriptionPlan, declare

_MAX_DELIVERY_ATTEMPTS = 10
_ACK_DEADLINE_S = 30
#: The longest there is: an archive of a large library takes minutes.
_EXPORT_DEADLINE_S = 600
_MIN_BACKOFF_S, _MAX_BACKOFF_S = 1.0, 60.0


def declare_topology(
    endpoint: str,
    *,
    project: str,
    start_jobs_url: str,
    dead_letter_url: str,
    build_export_url: str,
) -> None:
    """Make every topic and subscription that is missing, and set the push address.

    Args:
        endpoint: "host:port" of the Pub/Sub service, without TLS.
        project: project id.
        start_jobs_url: where doorbells and sweeps are pushed; changes from start to start.
        dead_letter_url: where dead letters are pushed; the same.
        build_export_url: where exports are pushed that wait; the same.
    """
    lanes = [f"heimdex-{lane}" for lane in LANES]
    plans = [
        *(_plan(f"{topic}-doorbell", topic, push_endpoint=start_jobs_url) for topic in lanes),
        *(_plan(f"{topic}-work", topic) for topic in lanes),
        _plan("heimdex-sweep-push", SWEEP_TOPIC, push_endpoint=start_jobs_url),
        # No dead letters: how often an export may be tried, its row counts.
        SubscriptionPlan(
            name="heimdex-export-push",
            topic=EXPORT_TOPIC,
            push_endpoint=build_export_url,
            ack_deadline_s=_EXPORT_DEADLINE_S,
            minimum_backoff_s=_MIN_BACKOFF_S,
            maximum_backoff_s=_MAX_BACKOFF_S,
        ),
        # Without a subscription a dead letter would be lost. It is pushed until it is taken.
        SubscriptionPlan(
            name="heimdex-dead-letter-push",
            topic=DEAD_LETTER_TOPIC,
            push_endpoint=dead_letter_url,
            ack_deadline_s=_ACK_DEADLINE_S,
            minimum_backoff_s=_MIN_BACKOFF_S,
            maximum_backoff_s=_MAX_BACKOFF_S,
        ),
    ]
    declare(
        endpoint,
        project,
        topics=[*lanes, SWEEP_TOPIC, DEAD_LETTER_TOPIC, EXPORT_TOPIC],
        subscriptions=plans,
    )


def _plan(name: str, topic: str, *, push_endpoint: str = "") -> SubscriptionPlan:
    return SubscriptionPlan(
        name=name,
        topic=topic,
        push_endpoint=push_endpoint,
        ack_deadline_s=_ACK_DEADLINE_S,
        dead_letter_topic=DEAD_LETTER_TOPIC,
        max_delivery_attempts=_MAX_DELIVERY_ATTEMPTS,
        minimum_backoff_s=_MIN_BACKOFF_S,
        maximum_backoff_s=_MAX_BACKOFF_S,
    )
