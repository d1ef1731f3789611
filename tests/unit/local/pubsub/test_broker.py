"""Leases, redelivery, back-off, dead letters and faults, with a clock that is told the time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from google.pubsub_v1 import types

from local.pubsub import wire
from local.pubsub.broker import (
    COUNT_ATTRIBUTE,
    PROJECT_ATTRIBUTE,
    PUBLISHED_ATTRIBUTE,
    SUBSCRIPTION_ATTRIBUTE,
    Broker,
)
from local.pubsub.faults import DeliveryFaults
from local.rpc import RpcError
from tests.unit.local.pubsub.brokers import (
    DEAD_TOPIC,
    HOLD,
    TOPIC,
    WORK,
    Clock,
    broker,
    publish,
    subscribe,
    with_work,
)


def dead_letters(attempts: int = 5) -> dict[str, object]:
    """Options of a subscription with a dead-letter policy."""
    return {
        "dead_letter_policy": types.DeadLetterPolicy(
            dead_letter_topic=DEAD_TOPIC, max_delivery_attempts=attempts
        )
    }


def retries(minimum_s: float, maximum_s: float) -> dict[str, object]:
    """Options of a subscription with a retry policy."""
    return {
        "retry_policy": types.RetryPolicy(
            minimum_backoff=timedelta(seconds=minimum_s),
            maximum_backoff=timedelta(seconds=maximum_s),
        )
    }


def fail(found: Broker, subscription: str = WORK) -> None:
    """Deliver one message and refuse it."""
    [delivery] = found.pull(subscription, 1)
    found.modify_deadline(subscription, [delivery.ack_id], 0)


def test_lease_ends_exactly_at_the_ack_deadline() -> None:
    """A message is redelivered when its deadline has come, not before."""
    clock = Clock()
    work = with_work(broker(clock), ack_deadline_seconds=30)
    publish(work, b"x")
    assert len(work.pull(WORK, 1)) == 1
    clock.now_s += 29.9
    assert work.pull(WORK, 1) == []
    clock.now_s += 0.1
    assert len(work.pull(WORK, 1)) == 1


def test_acknowledging_after_the_deadline_has_no_effect() -> None:
    """A late acknowledgement neither fails nor removes the message."""
    clock = Clock()
    work = with_work(broker(clock))
    publish(work, b"x")
    [late] = work.pull(WORK, 1)
    clock.now_s += 10
    work.acknowledge(WORK, [late.ack_id])
    assert work.backlog(WORK) == 1
    [again] = work.pull(WORK, 1)
    work.acknowledge(WORK, [again.ack_id])
    assert work.backlog(WORK) == 0


def test_old_ack_id_does_not_touch_the_new_delivery() -> None:
    """After redelivery only the latest ack id counts, for acknowledging as for failing."""
    clock = Clock()
    work = with_work(broker(clock))
    publish(work, b"x")
    [old] = work.pull(WORK, 1)
    clock.now_s += 10
    [new] = work.pull(WORK, 1)
    work.acknowledge(WORK, [old.ack_id])
    work.modify_deadline(WORK, [old.ack_id], 0)
    assert work.leased(WORK, [old.ack_id, new.ack_id]) == 1
    assert work.pull(WORK, 1) == []


def test_extending_moves_the_deadline() -> None:
    """A lease can be prolonged again and again, counted from the call."""
    clock = Clock()
    work = with_work(broker(clock))
    publish(work, b"x")
    [held] = work.pull(WORK, 1)
    for _ in range(5):
        clock.now_s += 9
        work.modify_deadline(WORK, [held.ack_id], 10)
    assert work.pull(WORK, 1) == []
    work.acknowledge(WORK, [held.ack_id])
    assert work.backlog(WORK) == 0


def test_retry_policy_doubles_up_to_its_maximum() -> None:
    """Pauses after failures are 2, 4, 8, 8 … seconds for a policy of 2 to 8."""
    clock = Clock()
    work = with_work(broker(clock), **retries(2, 8))
    publish(work, b"x")
    for pause_s in (2, 4, 8, 8):
        fail(work)
        clock.now_s += pause_s - 0.01
        assert work.pull(WORK, 1) == []
        clock.now_s += 0.01


def test_deadline_that_passed_also_backs_off() -> None:
    """The retry policy holds for expired leases as for negative acknowledgements."""
    clock = Clock()
    work = with_work(broker(clock), **retries(5, 60))
    publish(work, b"x")
    work.pull(WORK, 1)
    clock.now_s += 14
    assert work.pull(WORK, 1) == []
    clock.now_s += 1
    assert len(work.pull(WORK, 1)) == 1


def test_attempts_are_counted_only_with_a_dead_letter_policy() -> None:
    """`delivery_attempt` is 0 without the policy and 1, 2, 3 with it."""
    clock = Clock()
    plain = with_work(broker(clock))
    counted = with_work(broker(clock), **dead_letters())
    for work, expected in ((plain, [0, 0, 0]), (counted, [1, 2, 3])):
        publish(work, b"x")
        seen = []
        for _ in range(3):
            [delivery] = work.pull(WORK, 1)
            seen.append(delivery.attempt)
            work.modify_deadline(WORK, [delivery.ack_id], 0)
        assert seen == expected


def test_dead_letter_after_the_last_attempt() -> None:
    """After five failures the message is in the dead-letter topic, with where it came from."""
    clock = Clock()
    work = with_work(broker(clock), **dead_letters(5))
    publish(work, b"poison", b"fine")
    for _ in range(5):
        deliveries = {d.message.data: d for d in work.pull(WORK, 2)}
        work.modify_deadline(WORK, [deliveries[b"poison"].ack_id], 0)
        if b"fine" in deliveries:
            work.acknowledge(WORK, [deliveries[b"fine"].ack_id])
    assert work.backlog(WORK) == 0
    [dead] = work.pull(HOLD, 10)
    assert dead.message.data == b"poison"
    assert dict(dead.message.attributes) == {
        "a": "b",
        COUNT_ATTRIBUTE: "5",
        SUBSCRIPTION_ATTRIBUTE: "work-pull",
        PROJECT_ATTRIBUTE: "test-project",
        PUBLISHED_ATTRIBUTE: "1970-01-01T00:16:40Z",
    }


def test_dead_letter_by_deadline_reaches_whoever_waits_elsewhere() -> None:
    """An expired last lease is buried although nobody touches its own subscription again."""
    clock = Clock()
    work = with_work(broker(clock), **dead_letters(5))
    publish(work, b"x")
    for _ in range(4):
        fail(work)
    work.pull(WORK, 1)
    assert work.pull(HOLD, 1) == []
    clock.now_s += 10
    assert len(work.pull(HOLD, 1)) == 1


def test_message_stays_without_its_dead_letter_topic() -> None:
    """When the dead-letter topic is missing nothing is lost: the message keeps coming."""
    clock = Clock()
    work = with_work(broker(clock), **dead_letters(5))
    work.delete_topic(DEAD_TOPIC, orphan=wire.orphan)
    publish(work, b"x")
    for _ in range(7):
        fail(work)
    assert work.pull(WORK, 1)[0].attempt == 8


def test_messages_end_with_the_retention() -> None:
    """A message older than the retention is not delivered any more."""
    clock = Clock()
    retention = timedelta(minutes=10)
    work = with_work(broker(clock), message_retention_duration=retention)
    publish(work, b"old")
    clock.now_s += 599
    publish(work, b"new")
    clock.now_s += 1
    assert [d.message.data for d in work.pull(WORK, 10)] == [b"new"]


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Topics, rules, messages, attempts and leases are read back from the file."""
    clock = Clock()
    path = tmp_path / "state.sqlite"
    before = with_work(broker(clock, path=path), **dead_letters(), **retries(2, 8))
    first, *_ = publish(before, b"leased", b"waiting", b"done")
    leased, waiting, done = before.pull(WORK, 3)
    before.modify_deadline(WORK, [waiting.ack_id], 0)
    before.acknowledge(WORK, [done.ack_id])
    after = broker(clock, path=path)
    assert [t.name for t in after.topics()] == [DEAD_TOPIC, TOPIC]
    assert after.subscription(WORK) == before.subscription(WORK)
    assert after.pull(WORK, 3) == []
    clock.now_s += 2
    assert [d.attempt for d in after.pull(WORK, 3)] == [2]
    after.acknowledge(WORK, [leased.ack_id])
    assert after.backlog(WORK) == 1
    [later] = publish(after, b"later")
    assert int(later) > int(first) + 2


def test_lost_message_reaches_only_the_other_subscription() -> None:
    """A planned loss takes one message from one subscription."""
    clock = Clock()
    faults = DeliveryFaults()
    work = with_work(broker(clock, faults=faults))
    other = WORK + "-2"
    subscribe(work, other, TOPIC)
    faults.lose_next(WORK)
    publish(work, b"x")
    publish(work, b"y")
    assert [d.message.data for d in work.pull(WORK, 10)] == [b"y"]
    assert [d.message.data for d in work.pull(other, 10)] == [b"x", b"y"]


def test_duplicates_carry_the_same_message_id() -> None:
    """A duplicated message is delivered twice at once and needs two acknowledgements."""
    work = with_work(broker(Clock(), faults=DeliveryFaults(duplicate=1.0)))
    publish(work, b"x")
    first, second = work.pull(WORK, 10)
    assert first.message.message_id == second.message.message_id
    work.acknowledge(WORK, [first.ack_id])
    assert work.backlog(WORK) == 1
    work.acknowledge(WORK, [second.ack_id])
    assert work.backlog(WORK) == 0


def test_delayed_messages_arrive_in_time() -> None:
    """Delay holds messages back, and by no more than its limit."""
    clock = Clock()
    work = with_work(broker(clock, faults=DeliveryFaults(delay=1.0, max_delay_s=5)))
    publish(work, *[bytes([n]) for n in range(50)])
    early = len(work.pull(WORK, 50))
    clock.now_s += 5
    assert early < 50
    assert early + len(work.pull(WORK, 50)) == 50


def test_reordering_loses_nothing() -> None:
    """Reordered messages come in another order, each once."""
    work = with_work(broker(Clock(), faults=DeliveryFaults(reorder=1.0)))
    sent = [bytes([n]) for n in range(50)]
    publish(work, *sent)
    got = [d.message.data for d in work.pull(WORK, 50)]
    assert got != sent
    assert sorted(got) == sent


def test_purge_loses_everything() -> None:
    """A purged subscription is empty, whatever was leased."""
    work = with_work(broker(Clock()))
    publish(work, b"x", b"y")
    [held] = work.pull(WORK, 1)
    assert work.purge(WORK) == 2
    work.acknowledge(WORK, [held.ack_id])
    assert (work.backlog(WORK), work.pull(WORK, 1)) == (0, [])


def test_deleted_subscription_takes_its_messages_along() -> None:
    """A subscription made again under the same name starts empty."""
    work = with_work(broker(Clock()))
    publish(work, b"x")
    work.delete_subscription(WORK)
    subscribe(work, WORK, TOPIC)
    assert work.pull(WORK, 1) == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"ack_deadline_seconds": 9}, "INVALID_ARGUMENT"),
        ({"ack_deadline_seconds": 601}, "INVALID_ARGUMENT"),
        ({"message_retention_duration": timedelta(minutes=9)}, "INVALID_ARGUMENT"),
        (dead_letters(4), "INVALID_ARGUMENT"),
        (dead_letters(101), "INVALID_ARGUMENT"),
        (retries(9, 8), "INVALID_ARGUMENT"),
        (retries(1, 601), "INVALID_ARGUMENT"),
        ({"filter": "attributes:x"}, "UNIMPLEMENTED"),
        ({"enable_exactly_once_delivery": True}, "UNIMPLEMENTED"),
    ],
)
def test_rules_out_of_range_are_refused(options: dict[str, object], status: str) -> None:
    """What Pub/Sub refuses, or the stand-in does not have, cannot be declared."""
    with pytest.raises(RpcError) as raised:
        wire.new_subscription(types.Subscription(name=WORK, topic=TOPIC, **options))
    assert raised.value.status.name == status


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("projects/other/topics/work", "NOT_FOUND"),
        ("projects/test-project/topics/goog-work", "INVALID_ARGUMENT"),
        ("projects/test-project/topics/ab", "INVALID_ARGUMENT"),
        ("projects/test-project/subscriptions/work", "INVALID_ARGUMENT"),
    ],
)
def test_names_of_others_are_refused(name: str, status: str) -> None:
    """Another project does not exist, and ids follow Pub/Sub's rules."""
    with pytest.raises(RpcError) as raised:
        wire.check_name(name, "topics", "test-project")
    assert raised.value.status.name == status
