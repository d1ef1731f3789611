"""The stand-in as a whole: restarts, faults in calls, threads, and the parts Google's lacks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.api_core.exceptions import (
    DeadlineExceeded,
    NotFound,
    ResourceExhausted,
    ServiceUnavailable,
)
from google.pubsub_v1 import PublisherClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.pubsub import Faults, PubSubServer, SubscriptionPlan, declare
from local.pubsub.services import hold_s
from local.rpc import CallFaults
from tests.unit.local.pubsub.brokers import DEAD_TOPIC, HOLD, TOPIC, WORK, Clock

PROJECT = "test-project"


@contextmanager
def clients(server: PubSubServer) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Official clients on one channel."""
    with grpc.insecure_channel(server.endpoint) as channel:
        yield (
            PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
            SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
        )


def declared(server: PubSubServer, **options: object) -> None:
    """Declare the work topic and the dead-letter topic, each with a pull subscription."""
    plan = SubscriptionPlan(name="work-pull", topic="work", ack_deadline_s=10, **options)  # type: ignore[arg-type]  # by name
    hold = SubscriptionPlan(name="dead-hold", topic="dead")
    declare(server.endpoint, PROJECT, topics=["work", "dead"], subscriptions=[plan, hold])


def publish(publisher: PublisherClient, data: bytes = b"x") -> str:
    """Publish one message, without retries."""
    response = publisher.publish(
        topic=TOPIC, messages=[types.PubsubMessage(data=data)], retry=None, timeout=5
    )
    return str(response.message_ids[0])


def pull(subscriber: SubscriberClient, wait_s: float = 5) -> list[types.ReceivedMessage]:
    """Pull from the work subscription, without retries; nothing in time is an empty list."""
    try:
        response = subscriber.pull(subscription=WORK, max_messages=10, timeout=wait_s, retry=None)
    except DeadlineExceeded:
        return []
    return list(response.received_messages)


def test_restart_keeps_port_and_messages(tmp_path: Path) -> None:
    """After stop and start the same client finds its messages at the same address."""
    server = PubSubServer(tmp_path, project=PROJECT)
    server.start()
    endpoint = server.endpoint
    declared(server)
    with clients(server) as (publisher, _):
        message_id = publish(publisher)
    server.stop()
    server.start()
    assert server.endpoint == endpoint
    with clients(server) as (_, subscriber):
        assert [m.message.message_id for m in pull(subscriber)] == [message_id]
    server.stop()


def test_stop_ends_calls_and_threads(tmp_path: Path) -> None:
    """Stopping answers a waiting pull and leaves no thread behind; stopping twice is fine."""
    before = set(threading.enumerate())
    server = PubSubServer(tmp_path, project=PROJECT)
    server.start()
    declared(server)
    with clients(server) as (_, subscriber):
        outcome: list[BaseException] = []

        def wait() -> None:
            try:
                pull(subscriber, wait_s=30)
            except ServiceUnavailable as error:
                outcome.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        until_pulling(server, 1)
        server.stop()
        waiting.join(10)
    server.stop()
    assert len(outcome) == 1
    left = [t.name for t in set(threading.enumerate()) - before if not _of_grpc(t)]
    assert left == []


def until_pulling(server: PubSubServer, count: int) -> None:
    """Return when exactly `count` pulls wait in the server; the test fails after ten seconds."""
    until = time.monotonic() + 10
    while server.waiting_pulls != count:
        assert time.monotonic() < until
        threading.Event().wait(0.005)


def _of_grpc(thread: threading.Thread) -> bool:
    # The client's channel ends its own poller a moment after it was closed.
    return "grpc" in thread.name.lower() or "channel_spin" in thread.name


def test_pull_of_a_client_that_left_takes_nothing(tmp_path: Path) -> None:
    """A message published after a puller went away goes to the next one at once."""
    with PubSubServer(tmp_path, project=PROJECT) as server:
        declared(server)
        with clients(server) as (publisher, subscriber):
            with grpc.insecure_channel(server.endpoint) as other:
                call = other.unary_unary(
                    "/google.pubsub.v1.Subscriber/Pull",
                    request_serializer=types.PullRequest.serialize,
                    response_deserializer=types.PullResponse.deserialize,
                )
                left = call.future(types.PullRequest(subscription=WORK, max_messages=1))
                until_pulling(server, 1)
                left.cancel()
                until_pulling(server, 0)
            publish(publisher)
            assert len(pull(subscriber)) == 1


@pytest.mark.parametrize(
    ("left_s", "expected_s"), [(60.0, 20.0), (5.0, 4.8), (0.4, 0.3), (0.0, 0.0), (-1.0, 0.0)]
)
def test_pull_answers_before_its_client_gives_up(left_s: float, expected_s: float) -> None:
    """A waiting pull ends a little before the deadline, so that no message goes to nobody."""
    assert hold_s(left_s) == pytest.approx(expected_s)


def test_planned_errors_reach_the_client(tmp_path: Path) -> None:
    """A planned error is answered once; `applied` lets the call take effect all the same."""
    faults = Faults()
    with PubSubServer(tmp_path, project=PROJECT, faults=faults) as server:
        declared(server)
        with clients(server) as (publisher, _):
            faults.calls.fail_next("Publish", grpc.StatusCode.RESOURCE_EXHAUSTED)
            with pytest.raises(ResourceExhausted):
                publish(publisher)
            assert server.backlog("work-pull") == 0
            faults.calls.fail_next("Publish", applied=True)
            with pytest.raises(ServiceUnavailable):
                publish(publisher)
            assert server.backlog("work-pull") == 1
            publish(publisher)
            assert server.backlog("work-pull") == 2


def test_error_rate_is_repeatable() -> None:
    """The same seed fails the same calls."""

    def failures() -> list[bool]:
        faults = CallFaults(rate=0.3, seed=7)
        return [faults.draw("Pull") is not None for _ in range(200)]

    assert failures() == failures()
    assert 30 <= sum(failures()) <= 90


def test_dead_letter_over_the_wire(tmp_path: Path) -> None:
    """The client sees attempts 1 to 5 and then the message in the dead-letter subscription."""
    with PubSubServer(tmp_path, project=PROJECT) as server:
        declared(server, dead_letter_topic="dead", max_delivery_attempts=5)
        with clients(server) as (publisher, subscriber):
            publish(publisher, b"poison")
            for attempt in range(1, 6):
                [received] = pull(subscriber)
                assert received.delivery_attempt == attempt
                subscriber.modify_ack_deadline(
                    subscription=WORK, ack_ids=[received.ack_id], ack_deadline_seconds=0
                )
            [dead] = subscriber.pull(subscription=HOLD, max_messages=1, timeout=5).received_messages
            assert dead.message.data == b"poison"
            assert server.backlog("work-pull") == 0
            policy = subscriber.get_subscription(subscription=WORK).dead_letter_policy
            assert policy.dead_letter_topic == DEAD_TOPIC


def test_waiting_pull_sees_a_clock_that_was_moved(tmp_path: Path) -> None:
    """With an injected clock, `tick` is what ends a back-off for a waiting pull."""
    clock = Clock()
    with PubSubServer(tmp_path, project=PROJECT, clock=clock) as server:
        declared(server, minimum_backoff_s=300.0, maximum_backoff_s=600.0)
        with clients(server) as (publisher, subscriber):
            publish(publisher)
            [received] = pull(subscriber)
            subscriber.modify_ack_deadline(
                subscription=WORK, ack_ids=[received.ack_id], ack_deadline_seconds=0
            )
            assert pull(subscriber, wait_s=0.3) == []
            found: list[types.ReceivedMessage] = []
            waiting = threading.Thread(target=lambda: found.extend(pull(subscriber, wait_s=20)))
            waiting.start()
            until_pulling(server, 1)
            clock.now_s += 300
            server.tick()
            waiting.join(20)
            assert len(found) == 1


def test_two_stand_ins_cannot_share_a_port(tmp_path: Path) -> None:
    """The second is refused rather than getting half of the calls."""
    with PubSubServer(tmp_path / "a", project=PROJECT) as first:
        second = PubSubServer(
            tmp_path / "b", project=PROJECT, port=int(first.endpoint.rpartition(":")[2])
        )
        with pytest.raises(RuntimeError):
            second.start()
        second.stop()


def test_updating_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    """ModifyPushConfig on a missing subscription is NOT_FOUND; on a present one it takes."""
    with PubSubServer(tmp_path, project=PROJECT) as server:
        declared(server)
        with clients(server) as (_, subscriber):
            config = types.PushConfig(push_endpoint="http://127.0.0.1:9/")
            with pytest.raises(NotFound):
                subscriber.modify_push_config(subscription=WORK + "x", push_config=config)
            subscriber.modify_push_config(subscription=WORK, push_config=config)
            found = subscriber.get_subscription(subscription=WORK)
            assert found.push_config.push_endpoint == "http://127.0.0.1:9/"
