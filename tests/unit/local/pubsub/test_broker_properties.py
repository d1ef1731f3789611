"""Whatever happens in whatever order, the broker keeps its promises."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from google.pubsub_v1 import types
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from local.pubsub.model import Delivery
from tests.unit.local.pubsub.brokers import (
    DEAD_TOPIC,
    HOLD,
    WORK,
    Clock,
    broker,
    publish,
    with_work,
)

MAX_ATTEMPTS = 5
DEADLINE_S = 10


class Deliveries(RuleBasedStateMachine):
    """A model that knows of each message only whether it was acknowledged in time."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.broker = broker(self.clock, path=self._path)
        self.live: set[str] = set()
        self.acknowledged: set[str] = set()
        self.held: dict[str, tuple[str, float]] = {}
        self.attempts: Counter[str] = Counter()
        self.published = 0

    @property
    def _path(self) -> Path:
        return Path(self._directory.name) / "state.sqlite"

    @initialize()
    def declare(self) -> None:
        with_work(
            self.broker,
            ack_deadline_seconds=DEADLINE_S,
            dead_letter_policy=types.DeadLetterPolicy(
                dead_letter_topic=DEAD_TOPIC, max_delivery_attempts=MAX_ATTEMPTS
            ),
            retry_policy=types.RetryPolicy(
                minimum_backoff=timedelta(seconds=1), maximum_backoff=timedelta(seconds=4)
            ),
        )

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        ids = publish(self.broker, *[b"x"] * count)
        assert len(set(ids) | self.live | self.acknowledged) == self.published + count
        self.published += count
        self.live |= set(ids)

    @rule(limit=st.integers(1, 5))
    def pull(self, limit: int) -> None:
        deliveries = self.broker.pull(WORK, limit)
        assert len(deliveries) <= limit
        for delivery in deliveries:
            self._take(delivery)

    def _take(self, delivery: Delivery) -> None:
        message_id = delivery.message.message_id
        assert message_id in self.live, "acknowledged messages never come back"
        in_hand = [i for i, until in self.held.values() if until > self.clock.now_s]
        assert message_id not in in_hand, "one lease at a time"
        self.attempts[message_id] += 1
        assert delivery.attempt == self.attempts[message_id] <= MAX_ATTEMPTS
        self.held[delivery.ack_id] = (message_id, self.clock.now_s + DEADLINE_S)

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        if not self.held:
            return
        ack_id = data.draw(st.sampled_from(sorted(self.held)))
        message_id, until_s = self.held.pop(ack_id)
        self.broker.acknowledge(WORK, [ack_id])
        if until_s > self.clock.now_s:
            self.live.remove(message_id)
            self.acknowledged.add(message_id)

    @rule(data=st.data(), seconds=st.sampled_from([0, 3, 20]))
    def modify(self, data: st.DataObject, seconds: int) -> None:
        if not self.held:
            return
        ack_id = data.draw(st.sampled_from(sorted(self.held)))
        message_id, until_s = self.held[ack_id]
        self.broker.modify_deadline(WORK, [ack_id], seconds)
        if until_s > self.clock.now_s:
            self.held[ack_id] = (message_id, self.clock.now_s + seconds)

    @rule(seconds=st.sampled_from([0.5, 1, 4, 11]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule()
    def restart(self) -> None:
        self.broker = broker(self.clock, path=self._path)

    @invariant()
    def nothing_is_lost(self) -> None:
        if self.published:
            waiting = self.broker.backlog(WORK) + self.broker.backlog(HOLD)
            assert waiting == len(self.live), "each unacknowledged message is in one place"

    def teardown(self) -> None:
        """Whatever is left can be acknowledged, or was buried after exactly its attempts."""
        if self.published:
            self._drain()
        self._directory.cleanup()

    def _drain(self) -> None:
        for _ in range(MAX_ATTEMPTS + 1):
            self.clock.now_s += 21
            ids = [d.ack_id for d in self.broker.pull(WORK, 1_000)]
            self.broker.acknowledge(WORK, ids)
        assert self.broker.backlog(WORK) == 0
        buried = self.broker.pull(HOLD, 1_000)
        exhausted = [i for i in self.live if self.attempts[i] == MAX_ATTEMPTS]
        assert len(buried) == len(exhausted)


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
