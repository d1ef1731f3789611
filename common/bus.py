"""Pub/Sub as Heimdex uses it: awaited publishing, and pulling one message at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import grpc
from google.api_core.exceptions import DeadlineExceeded
from google.api_core.retry import Retry, if_transient_error
from google.pubsub_v1 import PublisherClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from common.config import Settings
from common.effects import effect as durable_effect
from common.errors import ContractError
from common.google_errors import GOOGLE_ERRORS, translate

#: A doorbell must be answered in seconds; what cannot be published by then stays in the outbox.
DEFAULT_TIMEOUT_S = 10.0
#: Source: cloud.google.com/pubsub/quotas, "message size (the data field)".
_MAX_BYTES: Final = 10_000_000
#: A stand-in or emulator on this machine: no proxy, and quick to be found again after a restart.
_LOCAL_CHANNEL = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One delivery of a message, leased until the subscription's ack deadline."""

    ack_id: str
    #: The same for every delivery of the message.
    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    #: 1 for the first; 0 when the subscription has no dead-letter policy.
    delivery_attempt: int


class Bus:
    """Publishes and pulls with the official clients; topics and subscriptions by short name.

    Thread-safe. Close it, or use it as a context manager. Both clients are those of single calls:
    the batching publisher keeps a batch whose publishing failed, and refuses every later message
    to that topic with an AssertionError; streaming pull goes silent and holds messages that nobody
    works on.

    Args:
        publisher: for one message a call.
        subscriber: for one message a call.
        project: of all topics and subscriptions.
        timeout_s: for publishing and acknowledging, retries included.
    """

    def __init__(
        self,
        publisher: PublisherClient,
        subscriber: SubscriberClient,
        *,
        project: str,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._project = project
        self._timeout_s = timeout_s
        self._retry = Retry(
            predicate=if_transient_error,
            initial=0.1,
            maximum=2.0,
            multiplier=2.0,
            timeout=timeout_s,
        )
        self._closed = False

    @classmethod
    def connect(cls, settings: Settings, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Bus:
        """Clients for Google's service, or for `settings.pubsub_endpoint` without TLS."""
        endpoint = settings.pubsub_endpoint
        if not endpoint:
            publisher, subscriber = PublisherClient(), SubscriberClient()
        else:
            publisher = PublisherClient(
                transport=PublisherGrpcTransport(channel=_channel(endpoint))
            )
            subscriber = SubscriberClient(
                transport=SubscriberGrpcTransport(channel=_channel(endpoint))
            )
        return cls(publisher, subscriber, project=settings.project, timeout_s=timeout_s)

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str], *, effect: str
    ) -> str:
        """Publish and wait until Pub/Sub has the message.

        After an error the message may or may not have been published; publishing it again is
        always safe, because receivers take their facts from the ledger.

        Args:
            topic: short name.
            data: at most 10 MB.
            attributes: of the message.
            effect: name of the durable effect.

        Returns:
            The message id.

        Raises:
            TransientError: not confirmed within the time.
            ContractError: the message is too large or otherwise not publishable.
            ConfigError: no such topic, or no right to publish.
        """
        what = f"publish to {topic}"
        if len(data) > _MAX_BYTES:
            raise ContractError("message_invalid", f"{what}: too large")
        message = types.PubsubMessage(data=data, attributes=dict(attributes))
        with durable_effect(effect):
            try:
                response = self._publisher.publish(
                    topic=self._publisher.topic_path(self._project, topic),
                    messages=[message],
                    retry=self._retry,
                    timeout=self._timeout_s,
                )
            except GOOGLE_ERRORS as error:
                raise translate(error, what) from error
        return str(response.message_ids[0])

    def pull(self, subscription: str, *, wait_s: float) -> Received | None:
        """Lease one message, or None when none came in time.

        Args:
            subscription: short name.
            wait_s: above 0. Against Google's service use a second or more: a message that is
                handed out as the call gives up stays leased until its ack deadline.

        Raises:
            TransientError: the service did not answer properly.
            ConfigError: no such subscription, or no right to it.
        """
        try:
            response = self._subscriber.pull(
                subscription=self._subscription_path(subscription),
                max_messages=1,
                timeout=wait_s,
                retry=None,
            )
        except DeadlineExceeded:
            return None
        except GOOGLE_ERRORS as error:
            raise translate(error, f"pull from {subscription}") from error
        messages = list(response.received_messages)
        return _received(messages[0]) if messages else None

    def ack(self, subscription: str, received: Received, *, effect: str) -> None:
        """Tell Pub/Sub that the message needs no more delivery.

        Success is not proof: when the deadline has passed the message comes again all the same.

        Raises:
            TransientError: the service did not answer properly.
            ConfigError: no such subscription, or no right to it.
        """
        with durable_effect(effect):
            try:
                self._subscriber.acknowledge(
                    subscription=self._subscription_path(subscription),
                    ack_ids=[received.ack_id],
                    retry=self._retry,
                    timeout=self._timeout_s,
                )
            except GOOGLE_ERRORS as error:
                raise translate(error, f"ack in {subscription}") from error

    def close(self) -> None:
        """Release the channels; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._publisher.transport.close()
        self._subscriber.transport.close()

    def _subscription_path(self, subscription: str) -> str:
        return str(self._subscriber.subscription_path(self._project, subscription))

    def __enter__(self) -> Bus:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _channel(endpoint: str) -> grpc.Channel:
    return grpc.insecure_channel(endpoint, options=_LOCAL_CHANNEL)


def _received(message: types.ReceivedMessage) -> Received:
    return Received(
        ack_id=message.ack_id,
        message_id=message.message.message_id,
        data=message.message.data,
        attributes=dict(message.message.attributes),
        delivery_attempt=message.delivery_attempt,
    )
