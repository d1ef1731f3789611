"""Stand-in for Cloud Pub/Sub that the official client libraries talk to unchanged."""

from local.pubsub.declare import SubscriptionPlan, declare
from local.pubsub.faults import DeliveryFaults, Faults
from local.pubsub.server import PubSubServer

__all__ = ["DeliveryFaults", "Faults", "PubSubServer", "SubscriptionPlan", "declare"]
