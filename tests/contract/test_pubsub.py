"""What the Pub/Sub stand-in and Google's own emulator both do, through the official clients."""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import google.cloud.pubsub_v1 as pubsub_v1
import grpc
import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
)
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.pubsub import PubSubServer, SubscriptionPlan, declare
from tests.contract import pubsub_emulator

PROJECT = "heimdex-test"


@dataclass(frozen=True, kw_only=True)
class Service:
    """Official clients of one implementation, and names of this test alone."""

    publisher: pubsub_v1.PublisherClient
    subscriber: pubsub_v1.SubscriberClient
    endpoint: str

    def name(self, kind: str) -> str:
        return f"projects/{PROJECT}/{kind}/t{uuid4().hex}"

    def subscribed_topic(self, **options: Any) -> tuple[str, str]:
        """A new topic and a new subscription of it."""
        topic, subscription = self.name("topics"), self.name("subscriptions")
        self.publisher.create_topic(name=topic)
        self.subscriber.create_subscription(
            request=types.Subscription(name=subscription, topic=topic, **options)
        )
        return topic, subscription

    def pull(self, subscription: str, *, limit: int = 10) -> list[types.ReceivedMessage]:
        """Messages that are there or come within ten seconds."""
        until = datetime.now(UTC) + timedelta(seconds=10)
        while (left := (until - datetime.now(UTC)).total_seconds()) > 0:
            found = self.pull_once(subscription, limit=limit, wait_s=left)
            if found:
                return found
        return []

    def pull_once(
        self, subscription: str, *, limit: int = 10, wait_s: float = 0.5
    ) -> list[types.ReceivedMessage]:
        with suppress(DeadlineExceeded):
            response = self.subscriber.pull(
                subscription=subscription, max_messages=limit, timeout=wait_s, retry=None
            )
            return list(response.received_messages)
        return []


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of our stand-in."""
    with PubSubServer(tmp_path_factory.mktemp("pubsub"), project=PROJECT) as server:
        yield server.endpoint


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """Endpoint of Google's emulator."""
    script = pubsub_emulator.find()
    if script is None:
        pytest.skip("Google's Pub/Sub emulator (or Java for it) is not installed")
    process = pubsub_emulator.Emulator(script)
    process.start()
    yield process.endpoint
    process.stop()


@pytest.fixture(params=["stand_in", "emulator"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Each implementation in turn."""
    endpoint: str = request.getfixturevalue(request.param)
    with grpc.insecure_channel(endpoint) as channel:
        publisher = pubsub_v1.PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        yield Service(publisher=publisher, subscriber=subscriber, endpoint=endpoint)


def test_topic_is_created_read_listed_and_deleted(service: Service) -> None:
    """The life of a topic as the admin client sees it."""
    name = service.name("topics")
    service.publisher.create_topic(name=name)
    assert service.publisher.get_topic(topic=name).name == name
    listed = service.publisher.list_topics(project=f"projects/{PROJECT}")
    assert name in [topic.name for topic in listed]
    service.publisher.delete_topic(topic=name)
    with pytest.raises(NotFound):
        service.publisher.get_topic(topic=name)


def test_subscription_is_created_read_listed_and_deleted(service: Service) -> None:
    """The life of a subscription, with the defaults filled in."""
    topic, name = service.subscribed_topic()
    found = service.subscriber.get_subscription(subscription=name)
    assert (found.topic, found.ack_deadline_seconds) == (topic, 10)
    assert types.Subscription.pb(found).message_retention_duration.seconds == 7 * 86_400
    listed = service.subscriber.list_subscriptions(project=f"projects/{PROJECT}")
    assert name in [subscription.name for subscription in listed]
    assert list(service.publisher.list_topic_subscriptions(topic=topic)) == [name]
    service.subscriber.delete_subscription(subscription=name)
    with pytest.raises(NotFound):
        service.subscriber.get_subscription(subscription=name)


def test_second_creation_is_refused(service: Service) -> None:
    """Creating twice is ALREADY_EXISTS, for topics and subscriptions."""
    topic, subscription = service.subscribed_topic()
    with pytest.raises(AlreadyExists):
        service.publisher.create_topic(name=topic)
    with pytest.raises(AlreadyExists):
        service.subscriber.create_subscription(name=subscription, topic=topic)


@pytest.mark.parametrize("name", ["nonsense", f"projects/{PROJECT}/topics/1b"])
def test_bad_topic_names_are_refused(service: Service, name: str) -> None:
    """A name that is no topic name is INVALID_ARGUMENT."""
    with pytest.raises(InvalidArgument):
        service.publisher.create_topic(name=name)


def test_what_is_not_there_is_not_found(service: Service) -> None:
    """Publishing, subscribing and pulling without the thing itself is NOT_FOUND."""
    absent_topic, absent = service.name("topics"), service.name("subscriptions")
    with pytest.raises(NotFound):
        service.publisher.publish(absent_topic, b"x").result(timeout=10)
    with pytest.raises(NotFound):
        service.subscriber.create_subscription(name=absent, topic=absent_topic)
    with pytest.raises(NotFound):
        service.subscriber.pull(subscription=absent, max_messages=1, timeout=5)
    with pytest.raises(NotFound):
        service.subscriber.delete_subscription(subscription=absent)


def test_subscription_outlives_its_topic(service: Service) -> None:
    """After the topic is deleted the subscription says so and keeps its messages."""
    topic, subscription = service.subscribed_topic()
    service.publisher.publish(topic, b"kept").result(timeout=10)
    service.publisher.delete_topic(topic=topic)
    found = service.subscriber.get_subscription(subscription=subscription)
    assert found.topic == "_deleted-topic_"
    assert [m.message.data for m in service.pull(subscription)] == [b"kept"]


def test_message_arrives_as_published(service: Service) -> None:
    """Data, attributes, id and publish time travel unchanged."""
    topic, subscription = service.subscribed_topic()
    message_id = service.publisher.publish(
        topic, "민지".encode(), traceparent="00-aa-bb-01", kind="test"
    ).result(timeout=10)
    [received] = service.pull(subscription)
    assert received.message.message_id == message_id
    assert received.message.data == "민지".encode()
    assert dict(received.message.attributes) == {"traceparent": "00-aa-bb-01", "kind": "test"}
    age = datetime.now(UTC) - types.PubsubMessage.pb(received.message).publish_time.ToDatetime(UTC)
    assert timedelta(minutes=-1) < age < timedelta(minutes=1)


def test_every_subscription_gets_its_own_copy(service: Service) -> None:
    """Acknowledging in one subscription leaves the other's message alone."""
    topic, first = service.subscribed_topic()
    second = service.name("subscriptions")
    service.subscriber.create_subscription(name=second, topic=topic)
    service.publisher.publish(topic, b"x").result(timeout=10)
    [received] = service.pull(first)
    service.subscriber.acknowledge(subscription=first, ack_ids=[received.ack_id])
    assert [m.message.data for m in service.pull(second)] == [b"x"]


def test_message_published_before_the_subscription_is_not_seen(service: Service) -> None:
    """A subscription starts with nothing."""
    topic, _ = service.subscribed_topic()
    service.publisher.publish(topic, b"early").result(timeout=10)
    late = service.name("subscriptions")
    service.subscriber.create_subscription(name=late, topic=topic)
    assert service.pull_once(late) == []


def test_leased_message_is_not_delivered_again(service: Service) -> None:
    """Within its ack deadline a message is with one puller only."""
    topic, subscription = service.subscribed_topic()
    service.publisher.publish(topic, b"x").result(timeout=10)
    assert len(service.pull(subscription)) == 1
    assert service.pull_once(subscription) == []


def test_negative_acknowledgement_brings_the_message_back(service: Service) -> None:
    """A deadline of 0 redelivers at once, under a new ack id and the same message id."""
    topic, subscription = service.subscribed_topic()
    service.publisher.publish(topic, b"x").result(timeout=10)
    [first] = service.pull(subscription)
    service.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=[first.ack_id], ack_deadline_seconds=0
    )
    [second] = service.pull(subscription)
    assert second.message.message_id == first.message.message_id
    assert second.ack_id != first.ack_id


def test_deadline_that_passes_brings_the_message_back(service: Service) -> None:
    """A message not acknowledged in time is delivered again to whoever waits."""
    topic, subscription = service.subscribed_topic()
    service.publisher.publish(topic, b"x").result(timeout=10)
    [first] = service.pull(subscription)
    service.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=[first.ack_id], ack_deadline_seconds=1
    )
    [second] = service.pull(subscription)
    assert second.message.message_id == first.message.message_id


def test_acknowledged_message_never_comes_back(service: Service) -> None:
    """Acknowledging, and then trying to fail the same delivery, leaves nothing."""
    topic, subscription = service.subscribed_topic()
    service.publisher.publish(topic, b"x").result(timeout=10)
    [received] = service.pull(subscription)
    service.subscriber.acknowledge(subscription=subscription, ack_ids=[received.ack_id])
    service.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=[received.ack_id], ack_deadline_seconds=0
    )
    assert service.pull_once(subscription) == []


def test_waiting_pull_returns_when_a_message_comes(service: Service) -> None:
    """A pull that found nothing answers as soon as something is published."""
    topic, subscription = service.subscribed_topic()
    found: queue.Queue[list[types.ReceivedMessage]] = queue.Queue()
    thread = threading.Thread(target=lambda: found.put(service.pull(subscription)))
    thread.start()
    service.publisher.publish(topic, b"now").result(timeout=10)
    assert [m.message.data for m in found.get(timeout=15)] == [b"now"]
    thread.join()


def test_pull_returns_no_more_than_asked(service: Service) -> None:
    """`max_messages` is a limit, and nothing is lost over several pulls."""
    topic, subscription = service.subscribed_topic()
    futures = [service.publisher.publish(topic, bytes([n])) for n in range(5)]
    for future in futures:
        future.result(timeout=10)
    seen: set[bytes] = set()
    while len(seen) < 5:
        received = service.pull(subscription, limit=2)
        assert 1 <= len(received) <= 2
        seen |= {m.message.data for m in received}
    assert seen == {bytes([n]) for n in range(5)}


@pytest.mark.parametrize(
    "call",
    [
        lambda s, sub: s.pull(subscription=sub, max_messages=0),
        lambda s, sub: s.acknowledge(subscription=sub, ack_ids=["garbage"]),
    ],
    ids=["no max_messages", "garbage ack id"],
)
def test_bad_calls_are_refused(
    service: Service, call: Callable[[pubsub_v1.SubscriberClient, str], object]
) -> None:
    """Calls that make no sense are INVALID_ARGUMENT."""
    _, subscription = service.subscribed_topic()
    with pytest.raises(InvalidArgument):
        call(service.subscriber, subscription)


def test_empty_message_is_refused(service: Service) -> None:
    """A message needs data or an attribute."""
    topic, _ = service.subscribed_topic()
    with pytest.raises(InvalidArgument):
        service.publisher.publish(topic, b"").result(timeout=10)
    service.publisher.publish(topic, b"", only="attributes").result(timeout=10)


def test_streaming_subscriber_gets_and_acknowledges(service: Service) -> None:
    """The high-level `subscribe` works, and what it acknowledged is gone."""
    topic, subscription = service.subscribed_topic()
    found: queue.Queue[bytes] = queue.Queue()

    def keep(message: Any) -> None:
        found.put(message.data)
        message.ack_with_response().result(timeout=10)

    # A client of its own: ending `subscribe` closes nothing that other tests use.
    with grpc.insecure_channel(service.endpoint) as channel:
        client = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        streaming = client.subscribe(subscription, callback=keep, await_callbacks_on_shutdown=True)
        for data in (b"a", b"b", b"c"):
            service.publisher.publish(topic, data).result(timeout=10)
        assert {found.get(timeout=15) for _ in range(3)} == {b"a", b"b", b"c"}
        streaming.cancel()
        streaming.result(timeout=15)
    assert service.pull_once(subscription) == []


class _Endpoint:
    """A push endpoint that answers as told and keeps what it got."""

    def __init__(self, *statuses: int) -> None:
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()
        answers = iter(statuses)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.put(json.loads(body))
                self.send_response(next(answers, 204))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> _Endpoint:
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/push?via=test"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_push_posts_the_wrapped_message(service: Service) -> None:
    """A push subscription POSTs data, attributes, id and time to its endpoint."""
    with _Endpoint() as endpoint:
        topic, subscription = service.subscribed_topic(push_config={"push_endpoint": endpoint.url})
        message_id = service.publisher.publish(topic, b"ring", lane="media").result(timeout=10)
        body = endpoint.requests.get(timeout=15)
        service.subscriber.delete_subscription(subscription=subscription)
    message = body["message"]
    assert body["subscription"] == subscription
    assert base64.b64decode(message["data"]) == b"ring"
    assert (message["attributes"], message["messageId"]) == ({"lane": "media"}, message_id)
    assert datetime.fromisoformat(message["publishTime"]).tzinfo is not None


def test_push_is_repeated_until_accepted(service: Service) -> None:
    """A 503 from the endpoint brings the same message again; a 2xx ends it."""
    with _Endpoint(503, 204) as endpoint:
        topic, subscription = service.subscribed_topic(push_config={"push_endpoint": endpoint.url})
        service.publisher.publish(topic, b"ring").result(timeout=10)
        first = endpoint.requests.get(timeout=15)
        second = endpoint.requests.get(timeout=15)
        assert first["message"]["messageId"] == second["message"]["messageId"]
        with pytest.raises(queue.Empty):
            endpoint.requests.get(timeout=1)
        service.subscriber.delete_subscription(subscription=subscription)


def test_declaring_twice_updates(service: Service) -> None:
    """`declare` creates what is missing and moves a push endpoint that changed."""
    topic, name = f"t{uuid4().hex}", f"t{uuid4().hex}"
    dead = f"t{uuid4().hex}"
    for port in (1, 2):
        plan = SubscriptionPlan(
            name=name,
            topic=topic,
            push_endpoint=f"http://127.0.0.1:{port}/",
            dead_letter_topic=dead,
            minimum_backoff_s=1.5,
            maximum_backoff_s=30,
        )
        declare(service.endpoint, PROJECT, topics=[topic, dead], subscriptions=[plan])
    found = service.subscriber.get_subscription(
        subscription=f"projects/{PROJECT}/subscriptions/{name}"
    )
    assert found.push_config.push_endpoint == "http://127.0.0.1:2/"
    assert found.dead_letter_policy.max_delivery_attempts == 5
    assert types.Subscription.pb(found).retry_policy.minimum_backoff.nanos == 500_000_000
