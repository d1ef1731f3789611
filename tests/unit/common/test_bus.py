"""The bus against the Pub/Sub stand-in: the real client, the real protocol, real failures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from common import effects
from common.bus import Bus, Received
from common.config import Settings
from common.errors import ConfigError, ContractError, TransientError
from local.pubsub import Faults, PubSubServer, SubscriptionPlan, declare

PROJECT = "test-project"


def settings(endpoint: str) -> Settings:
    """Settings that point at a stand-in."""
    return Settings(
        project=PROJECT,
        uploads_bucket="uploads",
        artifacts_bucket="artifacts",
        pubsub_endpoint=endpoint,
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PubSubServer]:
    """A stand-in with one topic and one pull subscription that counts attempts."""
    with PubSubServer(tmp_path, project=PROJECT, faults=Faults()) as found:
        plan = SubscriptionPlan(
            name="heimdex-gpu-work", topic="heimdex-gpu", dead_letter_topic="heimdex-dead-letter"
        )
        topics = ["heimdex-gpu", "heimdex-dead-letter"]
        declare(found.endpoint, PROJECT, topics=topics, subscriptions=[plan])
        yield found


@pytest.fixture
def bus(server: PubSubServer) -> Iterator[Bus]:
    """A bus that gives up after three seconds."""
    with Bus.connect(settings(server.endpoint), timeout_s=3) as found:
        yield found


def publish(bus: Bus, data: bytes = b"ring") -> str:
    """Publish with an attribute."""
    return bus.publish("heimdex-gpu", data, {"traceparent": "00-aa-bb-01"}, effect="test.publish")


def pull(bus: Bus) -> Received:
    """The next message, which must come."""
    received = bus.pull("heimdex-gpu-work", wait_s=5)
    assert received is not None
    return received


def test_message_goes_round(bus: Bus, server: PubSubServer) -> None:
    """What is published is pulled unchanged, and acknowledged it is gone."""
    message_id = publish(bus)
    received = pull(bus)
    assert received == Received(
        ack_id=received.ack_id,
        message_id=message_id,
        data=b"ring",
        attributes={"traceparent": "00-aa-bb-01"},
        delivery_attempt=1,
    )
    bus.ack("heimdex-gpu-work", received, effect="test.ack")
    assert server.backlog("heimdex-gpu-work") == 0


def test_publish_does_not_wait_for_company(bus: Bus) -> None:
    """A single message is sent at once, not when a batch fills or a latency passes."""
    publish(bus)
    started = time.monotonic()
    for _ in range(20):
        publish(bus)
    # The client's default latency alone would add 20 × 10 ms of pure waiting.
    assert time.monotonic() - started < 2


def test_pull_takes_one_message(bus: Bus) -> None:
    """A worker leases one message; the others stay for other workers."""
    publish(bus, b"a")
    publish(bus, b"b")
    assert {pull(bus).data, pull(bus).data} == {b"a", b"b"}


def test_nothing_there_is_none(bus: Bus) -> None:
    """An empty subscription is no error, whether the service or the client gives up first."""
    assert bus.pull("heimdex-gpu-work", wait_s=0.2) is None
    assert bus.pull("heimdex-gpu-work", wait_s=0.001) is None


def test_short_outage_is_ridden_out(bus: Bus, server: PubSubServer) -> None:
    """Publish and ack are retried within their time, so a hiccup is not seen."""
    server.faults.calls.fail_next("Publish", times=2)
    server.faults.calls.fail_next("Acknowledge", grpc.StatusCode.RESOURCE_EXHAUSTED)
    publish(bus)
    bus.ack("heimdex-gpu-work", pull(bus), effect="test.ack")
    assert server.backlog("heimdex-gpu-work") == 0


def test_long_outage_is_transient(tmp_path: Path) -> None:
    """When nothing answers, each call ends in time with a retryable error."""
    server = PubSubServer(tmp_path, project=PROJECT)
    server.start()
    server.stop()
    with Bus.connect(settings(server.endpoint), timeout_s=0.6) as bus:
        started = time.monotonic()
        with pytest.raises(TransientError):
            publish(bus)
        with pytest.raises(TransientError):
            bus.pull("heimdex-gpu-work", wait_s=0.5)
        assert time.monotonic() - started < 5


def test_a_failed_publish_does_not_spoil_the_next(bus: Bus, server: PubSubServer) -> None:
    """After an outage that outlasts the retries, the same bus publishes to the same topic again."""
    server.faults.calls.fail_next("Publish", grpc.StatusCode.ABORTED)
    with pytest.raises(TransientError):
        publish(bus)
    publish(bus)
    assert server.backlog("heimdex-gpu-work") == 1


def test_ambiguous_publish_is_repeated(bus: Bus, server: PubSubServer) -> None:
    """When the answer gets lost the message is sent again: twice rather than never."""
    server.faults.calls.fail_next("Publish", applied=True)
    publish(bus)
    assert server.backlog("heimdex-gpu-work") == 2


def test_unavailable_pull_is_transient(bus: Bus, server: PubSubServer) -> None:
    """A pull is not repeated behind the worker's back; it reports the outage."""
    server.faults.calls.fail_next("Pull")
    with pytest.raises(TransientError):
        bus.pull("heimdex-gpu-work", wait_s=5)


def test_missing_resources_are_configuration(bus: Bus) -> None:
    """A topic or subscription that does not exist is a fault of the set-up."""
    with pytest.raises(ConfigError):
        bus.publish("heimdex-nope", b"x", {}, effect="test.publish")
    with pytest.raises(ConfigError):
        bus.pull("heimdex-nope", wait_s=1)


@pytest.mark.parametrize(
    ("data", "attributes"),
    [(b"", {}), (b"x" * 10_000_001, {})],
    ids=["empty", "too large"],
)
def test_unpublishable_message_is_a_contract_error(
    bus: Bus, data: bytes, attributes: dict[str, str]
) -> None:
    """A message that can never be published is not retried."""
    with pytest.raises(ContractError):
        bus.publish("heimdex-gpu", data, attributes, effect="test.publish")


def test_errors_do_not_quote_the_message(bus: Bus) -> None:
    """The detail of an error names the call and its kind, never what was sent."""
    with pytest.raises(ConfigError) as raised:
        bus.publish("heimdex-nope", b"the transcript", {}, effect="test.publish")
    assert raised.value.detail == "publish to heimdex-nope: NotFound"


def test_effects_are_named(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing and acknowledging can be crashed before and after, by the given names."""
    points: list[str] = []
    monkeypatch.setattr(effects, "_point", points.append)
    publish(bus)
    bus.ack("heimdex-gpu-work", pull(bus), effect="test.ack")
    names = ("test.publish", "test.ack")
    assert points == [f"{when}:{name}" for name in names for when in ("before", "after")]


def test_bus_finds_a_service_that_came_back(bus: Bus, server: PubSubServer) -> None:
    """After a restart the same bus works again without being made anew."""
    publish(bus, b"before")
    server.stop()
    server.start()
    publish(bus, b"after")
    assert {pull(bus).data, pull(bus).data} == {b"before", b"after"}


def test_close_is_clean(server: PubSubServer) -> None:
    """Closing twice is fine, and nothing can be sent afterwards."""
    bus = Bus.connect(settings(server.endpoint))
    publish(bus)
    bus.close()
    bus.close()
    with pytest.raises(ValueError, match="closed channel"):
        publish(bus)
