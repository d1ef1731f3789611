"""Topics, fan-out and dead letters: the whole of the Pub/Sub stand-in without a socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import grpc

from local.pubsub.faults import DeliveryFaults
from local.pubsub.journal import Journal
from local.pubsub.model import Delivery, Draft, Entry, Message, Subscription, Topic
from local.pubsub.queue import Queue
from local.rpc import RpcError

#: What Pub/Sub calls the topic of a subscription whose topic is gone.
DELETED_TOPIC = "_deleted-topic_"

#: Attributes that Pub/Sub adds to a dead letter.
#: Source: cloud.google.com/pubsub/docs/handling-failures, "dead letter topics".
COUNT_ATTRIBUTE = "CloudPubSubDeadLetterSourceDeliveryCount"
SUBSCRIPTION_ATTRIBUTE = "CloudPubSubDeadLetterSourceSubscription"
PROJECT_ATTRIBUTE = "CloudPubSubDeadLetterSourceSubscriptionProject"
PUBLISHED_ATTRIBUTE = "CloudPubSubDeadLetterSourceTopicPublishTime"


class Broker:
    """State machine of topics and subscriptions. Not thread-safe; `Hub` adds the lock.

    Every method first lets leases and pauses that are over end, so that time passes only through
    `clock`. Errors are `RpcError` with the status that Pub/Sub answers.

    Args:
        journal: where the state is kept.
        clock: seconds since 1970; must not go back.
        faults: what becomes of messages on their way.
        read: makes a `Subscription` of a definition in the journal.
        read_topic: the same for a topic.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        read: Callable[[bytes], Subscription],
        read_topic: Callable[[bytes], Topic],
        clock: Callable[[], float] = time.time,
        faults: DeliveryFaults | None = None,
    ) -> None:
        self.clock = clock
        self._journal = journal
        self._faults = faults or DeliveryFaults()
        self._topics = {topic.name: topic for topic in map(read_topic, journal.topics())}
        self._queues: dict[str, Queue] = {}
        for subscription in map(read, journal.subscriptions()):
            self._queues[subscription.name] = Queue(subscription, journal)
        for entry in journal.entries():
            self._queues[entry.subscription].add(entry)

    # --- topics -------------------------------------------------------------------------------

    def create_topic(self, topic: Topic) -> None:
        """Add a topic; ALREADY_EXISTS when there is one of this name."""
        if topic.name in self._topics:
            raise RpcError(grpc.StatusCode.ALREADY_EXISTS, f"topic exists: {topic.name}")
        self._journal.save_topic(topic.name, topic.definition)
        self._topics[topic.name] = topic

    def topic(self, name: str) -> Topic:
        """One topic; NOT_FOUND when there is none."""
        try:
            return self._topics[name]
        except KeyError:
            raise RpcError(grpc.StatusCode.NOT_FOUND, f"no topic {name}") from None

    def topics(self) -> list[Topic]:
        """All topics."""
        return list(self._topics.values())

    def delete_topic(self, name: str, *, orphan: Callable[[Subscription], Subscription]) -> None:
        """Remove a topic; its subscriptions stay and are replaced by `orphan` of them."""
        self.topic(name)
        with self._journal.transaction():
            self._journal.drop_topic(name)
            for subscription in self.subscriptions(topic=name):
                self._replace(orphan(subscription))
        del self._topics[name]

    # --- subscriptions ------------------------------------------------------------------------

    def create_subscription(self, subscription: Subscription) -> None:
        """Add a subscription; ALREADY_EXISTS, or NOT_FOUND without its topic."""
        if subscription.name in self._queues:
            raise RpcError(
                grpc.StatusCode.ALREADY_EXISTS, f"subscription exists: {subscription.name}"
            )
        self.topic(subscription.topic)
        self._journal.save_subscription(subscription.name, subscription.definition)
        self._queues[subscription.name] = Queue(subscription, self._journal)

    def update_subscription(self, subscription: Subscription) -> None:
        """Replace the rules of an existing subscription."""
        self._queue(subscription.name)
        self._replace(subscription)

    def subscription(self, name: str) -> Subscription:
        """One subscription; NOT_FOUND when there is none."""
        return self._queue(name).subscription

    def subscriptions(self, *, topic: str | None = None) -> list[Subscription]:
        """All subscriptions, or those of one topic."""
        found = (queue.subscription for queue in self._queues.values())
        return [s for s in found if topic is None or s.topic == topic]

    def delete_subscription(self, name: str) -> None:
        """Remove a subscription with its messages."""
        self._queue(name)
        with self._journal.transaction():
            self._journal.drop_subscription(name)
        del self._queues[name]

    # --- messages -----------------------------------------------------------------------------

    def publish(self, topic: str, drafts: Sequence[Draft]) -> list[str]:
        """Put messages into every subscription of the topic; returns their ids."""
        self.topic(topic)
        self.settle()
        with self._journal.transaction():
            return [self._publish(topic, draft) for draft in drafts]

    def pull(
        self, subscription: str, limit: int, *, lease_s: float | None = None
    ) -> list[Delivery]:
        """Lease up to `limit` waiting messages, for the ack deadline or `lease_s`."""
        queue = self._queue(subscription)
        self.settle()
        with self._journal.transaction():
            return queue.take(
                self.clock(), limit=limit, choose=self._faults.choose, lease_s=lease_s
            )

    def acknowledge(self, subscription: str, ack_ids: Iterable[str]) -> None:
        """Forget messages; ids of deliveries that are over have no effect, as in Pub/Sub."""
        queue = self._queue(subscription)
        self.settle()
        with self._journal.transaction():
            queue.acknowledge(ack_ids)

    def modify_deadline(self, subscription: str, ack_ids: Iterable[str], seconds: float) -> None:
        """Move ack deadlines to `seconds` from now; 0 is a negative acknowledgement."""
        queue = self._queue(subscription)
        self.settle()
        now_s = self.clock()
        with self._journal.transaction():
            failed = queue.modify_deadline(ack_ids, now_s=now_s, deadline_s=seconds)
            self._bury(queue, failed)

    def leased(self, subscription: str, ack_ids: Iterable[str]) -> int:
        """How many of these deliveries still hold their message."""
        self.settle()
        return self._queue(subscription).leased(ack_ids)

    def backlog(self, subscription: str) -> int:
        """Messages not acknowledged yet."""
        self.settle()
        return len(self._queue(subscription))

    def purge(self, subscription: str) -> int:
        """Lose all messages of a subscription; returns how many."""
        queue = self._queue(subscription)
        with self._journal.transaction():
            return queue.purge()

    def next_due_s(self) -> float | None:
        """When time alone may next make a message available."""
        due_s = [queue.next_due_s() for queue in self._queues.values()]
        return min((at_s for at_s in due_s if at_s is not None), default=None)

    def settle(self) -> None:
        """Let leases and pauses that are over end, and bury what failed too often."""
        now_s = self.clock()
        # A dead letter may land in a queue of the same round, so go on until none is left.
        while (due_s := self.next_due_s()) is not None and due_s <= now_s:
            with self._journal.transaction():
                for queue in self._queues.values():
                    self._bury(queue, queue.settle(now_s))

    def _queue(self, name: str) -> Queue:
        try:
            return self._queues[name]
        except KeyError:
            raise RpcError(grpc.StatusCode.NOT_FOUND, f"no subscription {name}") from None

    def _replace(self, subscription: Subscription) -> None:
        self._journal.save_subscription(subscription.name, subscription.definition)
        self._queues[subscription.name].subscription = subscription

    def _publish(self, topic: str, draft: Draft) -> str:
        now_s = self.clock()
        message = Message(
            message_id=str(self._journal.next_number()),
            data=draft.data,
            attributes=dict(draft.attributes),
            ordering_key=draft.ordering_key,
            published_s=now_s,
        )
        for queue in self._queues.values():
            if queue.subscription.topic == topic:
                for late_s in self._faults.arrivals_s(queue.subscription.name):
                    self._enqueue(queue, message, now_s + late_s)
        return message.message_id

    def _enqueue(self, queue: Queue, message: Message, due_s: float) -> None:
        entry = Entry(
            sequence=self._journal.next_number(),
            subscription=queue.subscription.name,
            message=message,
            attempts=0,
            due_s=due_s,
            leased=False,
        )
        self._journal.add_entry(entry)
        queue.add(entry)

    def _bury(self, queue: Queue, entries: Iterable[Entry]) -> None:
        """Forward to the dead-letter topic; without that topic the message stays, as in Pub/Sub."""
        rule = queue.subscription.dead_letter
        if rule is None or rule.topic not in self._topics:
            return
        for entry in entries:
            self._publish(rule.topic, _dead_letter(queue.subscription.name, entry))
            queue.remove(entry.sequence)


def _dead_letter(subscription: str, entry: Entry) -> Draft:
    _, project, _, name = subscription.split("/")
    published = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.message.published_s))
    origin = {
        COUNT_ATTRIBUTE: str(entry.attempts),
        SUBSCRIPTION_ATTRIBUTE: name,
        PROJECT_ATTRIBUTE: project,
        PUBLISHED_ATTRIBUTE: published,
    }
    return Draft(
        data=entry.message.data,
        attributes={**entry.message.attributes, **origin},
        ordering_key=entry.message.ordering_key,
    )
