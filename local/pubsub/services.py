"""The calls of Pub/Sub's Publisher and Subscriber services over a hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from local.pubsub import wire
from local.pubsub.faults import Faults
from local.pubsub.hub import Hub
from local.pubsub.streaming import streaming_pull
from local.rpc import CallFaults, RpcError, unary

#: A pull without messages is answered empty after this; Pub/Sub says only "bounded".
PULL_HOLD_S = 20.0
#: Answer this long before the client's deadline, so that a message is not leased to nobody.
DEADLINE_MARGIN_S = 0.2
#: Fields of a subscription that may be updated.
UPDATABLE = frozenset(
    {
        "push_config",
        "ack_deadline_seconds",
        "dead_letter_policy",
        "retry_policy",
        "message_retention_duration",
        "labels",
        "expiration_policy",
        "enable_message_ordering",
        "retain_acked_messages",
    }
)

_Call = Callable[[Any, grpc.ServicerContext], Any]


class Publisher:
    """`google.pubsub.v1.Publisher`: topics and publishing.

    Args:
        hub: the broker.
        project: the only project there is.
    """

    def __init__(self, hub: Hub, project: str) -> None:
        self._hub = hub
        self._project = project

    def handlers(self, faults: Faults) -> grpc.GenericRpcHandler[Any, Any]:
        """The service for a gRPC server."""
        calls: dict[str, tuple[_Call, Any, Any]] = {
            "CreateTopic": (self._create, types.Topic, types.Topic),
            "GetTopic": (self._get, types.GetTopicRequest, types.Topic),
            "ListTopics": (self._list, types.ListTopicsRequest, types.ListTopicsResponse),
            "ListTopicSubscriptions": (
                self._subscriptions,
                types.ListTopicSubscriptionsRequest,
                types.ListTopicSubscriptionsResponse,
            ),
            "DeleteTopic": (self._delete, types.DeleteTopicRequest, empty_pb2.Empty),
            "Publish": (self._publish, types.PublishRequest, types.PublishResponse),
        }
        methods = {name: _handler(name, call, faults.calls) for name, call in calls.items()}
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", methods)

    def _create(self, request: types.Topic, _: grpc.ServicerContext) -> types.Topic:
        wire.check_name(request.name, "topics", self._project)
        topic = wire.new_topic(request)
        with self._hub.broker() as broker:
            broker.create_topic(topic)
        return request

    def _get(self, request: types.GetTopicRequest, _: grpc.ServicerContext) -> types.Topic:
        with self._hub.broker() as broker:
            topic = broker.topic(request.topic)
        return _topic(topic.definition)

    def _list(
        self, _: types.ListTopicsRequest, __: grpc.ServicerContext
    ) -> types.ListTopicsResponse:
        with self._hub.broker() as broker:
            topics = broker.topics()
        found = [_topic(topic.definition) for topic in topics]
        return types.ListTopicsResponse(topics=found)

    def _subscriptions(
        self, request: types.ListTopicSubscriptionsRequest, _: grpc.ServicerContext
    ) -> types.ListTopicSubscriptionsResponse:
        with self._hub.broker() as broker:
            broker.topic(request.topic)
            names = [s.name for s in broker.subscriptions(topic=request.topic)]
        return types.ListTopicSubscriptionsResponse(subscriptions=names)

    def _delete(
        self, request: types.DeleteTopicRequest, _: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        with self._hub.broker() as broker:
            broker.delete_topic(request.topic, orphan=wire.orphan)
        return empty_pb2.Empty()

    def _publish(
        self, request: types.PublishRequest, _: grpc.ServicerContext
    ) -> types.PublishResponse:
        drafts = wire.drafts(request.messages)
        with self._hub.broker() as broker:
            return types.PublishResponse(message_ids=broker.publish(request.topic, drafts))


class Subscriber:
    """`google.pubsub.v1.Subscriber`: subscriptions, pulling and acknowledging.

    Args:
        hub: the broker.
        project: the only project there is.
    """

    def __init__(self, hub: Hub, project: str) -> None:
        self._hub = hub
        self._project = project

    def handlers(self, faults: Faults) -> grpc.GenericRpcHandler[Any, Any]:
        """The service for a gRPC server."""
        empty = empty_pb2.Empty
        calls: dict[str, tuple[_Call, Any, Any]] = {
            "CreateSubscription": (self._create, types.Subscription, types.Subscription),
            "GetSubscription": (self._get, types.GetSubscriptionRequest, types.Subscription),
            "UpdateSubscription": (
                self._update,
                types.UpdateSubscriptionRequest,
                types.Subscription,
            ),
            "ListSubscriptions": (
                self._list,
                types.ListSubscriptionsRequest,
                types.ListSubscriptionsResponse,
            ),
            "DeleteSubscription": (self._delete, types.DeleteSubscriptionRequest, empty),
            "ModifyPushConfig": (self._modify_push, types.ModifyPushConfigRequest, empty),
            "Pull": (self._pull, types.PullRequest, types.PullResponse),
            "Acknowledge": (self._acknowledge, types.AcknowledgeRequest, empty),
            "ModifyAckDeadline": (self._modify, types.ModifyAckDeadlineRequest, empty),
        }
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: _handler(name, call, faults.calls) for name, call in calls.items()
        }
        methods["StreamingPull"] = streaming_pull(self._hub, faults.calls)
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", methods)

    def _create(self, request: types.Subscription, _: grpc.ServicerContext) -> types.Subscription:
        wire.check_name(request.name, "subscriptions", self._project)
        subscription = wire.new_subscription(request)
        with self._hub.broker() as broker:
            broker.create_subscription(subscription)
        return request

    def _get(
        self, request: types.GetSubscriptionRequest, _: grpc.ServicerContext
    ) -> types.Subscription:
        with self._hub.broker() as broker:
            definition = broker.subscription(request.subscription).definition
        return _subscription(definition)

    def _update(
        self, request: types.UpdateSubscriptionRequest, _: grpc.ServicerContext
    ) -> types.Subscription:
        paths = set(request.update_mask.paths)
        if not paths or paths - UPDATABLE:
            raise wire.invalid(f"cannot update {sorted(paths - UPDATABLE)}")
        with self._hub.broker() as broker:
            definition = broker.subscription(request.subscription.name).definition
            changed = _subscription(definition)
            for path in paths:
                _copy(path, request.subscription, changed)
            broker.update_subscription(wire.new_subscription(changed))
        return changed

    def _list(
        self, _: types.ListSubscriptionsRequest, __: grpc.ServicerContext
    ) -> types.ListSubscriptionsResponse:
        with self._hub.broker() as broker:
            definitions = [s.definition for s in broker.subscriptions()]
        found = [_subscription(definition) for definition in definitions]
        return types.ListSubscriptionsResponse(subscriptions=found)

    def _delete(
        self, request: types.DeleteSubscriptionRequest, _: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        with self._hub.broker() as broker:
            broker.delete_subscription(request.subscription)
        return empty_pb2.Empty()

    def _modify_push(
        self, request: types.ModifyPushConfigRequest, _: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        with self._hub.broker() as broker:
            definition = broker.subscription(request.subscription).definition
            changed = _subscription(definition)
            changed.push_config = request.push_config
            broker.update_subscription(wire.new_subscription(changed))
        return empty_pb2.Empty()

    def _pull(
        self, request: types.PullRequest, context: grpc.ServicerContext
    ) -> types.PullResponse:
        if request.max_messages < 1:
            raise wire.invalid("max_messages must be at least 1")
        limit = min(request.max_messages, wire.MAX_MESSAGES)
        # A client that is gone must not be handed the next message.
        context.add_callback(self._hub.wake)
        deliveries = self._hub.wait(
            lambda broker: broker.pull(request.subscription, limit),
            timeout_s=0.0 if request.return_immediately else hold_s(context.time_remaining()),
            cancelled=lambda: not context.is_active(),
        )
        if self._hub.closed and not deliveries:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "shutting down")
        found = [wire.received(delivery) for delivery in deliveries or ()]
        return types.PullResponse(received_messages=found)

    def _acknowledge(
        self, request: types.AcknowledgeRequest, _: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        _check_ack_ids(request.ack_ids)
        with self._hub.broker() as broker:
            broker.acknowledge(request.subscription, request.ack_ids)
        return empty_pb2.Empty()

    def _modify(
        self, request: types.ModifyAckDeadlineRequest, _: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        _check_ack_ids(request.ack_ids)
        seconds = request.ack_deadline_seconds
        if not 0 <= seconds <= wire.ACK_DEADLINE_S[1]:
            raise wire.invalid("ack_deadline_seconds must be 0 to 600")
        with self._hub.broker() as broker:
            broker.modify_deadline(request.subscription, request.ack_ids, seconds)
        return empty_pb2.Empty()


def _handler(
    name: str, call: tuple[_Call, Any, Any], faults: CallFaults
) -> grpc.RpcMethodHandler[Any, Any]:
    run, request, response = call
    encode = (
        empty_pb2.Empty.SerializeToString if response is empty_pb2.Empty else response.serialize
    )
    return unary(name, run, faults=faults, decode=request.deserialize, encode=encode)


def _topic(definition: bytes) -> types.Topic:
    found: types.Topic = types.Topic.deserialize(definition)
    return found


def _subscription(definition: bytes) -> types.Subscription:
    found: types.Subscription = types.Subscription.deserialize(definition)
    return found


def hold_s(left_s: float) -> float:
    """How long a pull may wait for a message when its client gives up in `left_s` seconds."""
    return max(0.0, min(PULL_HOLD_S, left_s - min(DEADLINE_MARGIN_S, left_s / 4)))


def _check_ack_ids(ack_ids: Iterable[str]) -> None:
    for ack_id in ack_ids:
        sequence, _, attempt = ack_id.partition("-")
        if not (sequence.isdecimal() and attempt.isdecimal()):
            raise wire.invalid("invalid ack id")


def _copy(path: str, source: types.Subscription, target: types.Subscription) -> None:
    """Set one field as in `source`, or clear it when it is not set there."""
    if path in source:
        setattr(target, path, getattr(source, path))
    else:
        types.Subscription.pb(target).ClearField(path)
