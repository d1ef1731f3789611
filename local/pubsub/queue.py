"""The messages of one subscription: waiting, leased or pausing; pure but for the journal."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from local.pubsub.journal import Journal
from local.pubsub.model import Delivery, Entry, Subscription


class Queue:
    """State machine of one subscription's unacknowledged messages.

    A message waits, is leased by a delivery until its ack deadline, and either is acknowledged
    (gone) or fails (negative acknowledgement or deadline passed) and pauses until it waits again.
    Each method takes the time, which must not go back.

    Args:
        subscription: its rules; may be replaced at any time.
        journal: told of every change; the caller holds the transaction.
    """

    def __init__(self, subscription: Subscription, journal: Journal) -> None:
        self.subscription = subscription
        self._journal = journal
        self._entries: dict[int, Entry] = {}
        self._waiting: dict[int, None] = {}
        #: (due_s, sequence) of leased and pausing entries; stale pairs are skipped when popped.
        self._due: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Take in a copy, new or read back from the journal."""
        self._entries[entry.sequence] = entry
        heapq.heappush(self._due, (entry.due_s, entry.sequence))

    def settle(self, now_s: float) -> list[Entry]:
        """Let pauses and leases that are over end.

        Returns:
            Copies that failed too often; they stay here, due again after a pause, unless removed.
        """
        failed_for_good = []
        while self._due and self._due[0][0] <= now_s:
            due_s, sequence = heapq.heappop(self._due)
            entry = self._entries.get(sequence)
            if entry is None or entry.due_s != due_s:
                continue
            if not entry.leased:
                self._waiting[sequence] = None
            elif self._fail(entry, due_s):
                failed_for_good.append(self._entries[sequence])
        return failed_for_good

    def next_due_s(self) -> float | None:
        """When `settle` may next change something."""
        return self._due[0][0] if self._due else None

    def take(
        self,
        now_s: float,
        *,
        limit: int,
        choose: Callable[[int], int],
        lease_s: float | None = None,
    ) -> list[Delivery]:
        """Lease up to `limit` waiting messages.

        Args:
            now_s: the time; `settle` has been called for it.
            limit: at least 1.
            choose: index of the message to take, given how many wait, oldest first.
            lease_s: instead of the subscription's ack deadline.
        """
        deliveries: list[Delivery] = []
        while self._waiting and len(deliveries) < limit:
            sequence = next(islice(self._waiting, choose(len(self._waiting)), None))
            del self._waiting[sequence]
            entry = self._entries[sequence]
            if entry.message.published_s + self.subscription.retention_s <= now_s:
                self.remove(sequence)
                continue
            until_s = now_s + (lease_s or self.subscription.ack_deadline_s)
            deliveries.append(self._lease(entry, until_s))
        return deliveries

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """Forget the messages whose latest delivery these name; others are left as they are."""
        for entry in self._leased(ack_ids):
            self.remove(entry.sequence)

    def modify_deadline(
        self, ack_ids: Iterable[str], *, now_s: float, deadline_s: float
    ) -> list[Entry]:
        """Move the ack deadline of these deliveries to `deadline_s` from now; 0 fails them now.

        Returns:
            As `settle`.
        """
        failed_for_good = []
        for entry in self._leased(ack_ids):
            if deadline_s > 0:
                self._put(replace(entry, due_s=now_s + deadline_s))
            elif self._fail(entry, now_s):
                failed_for_good.append(self._entries[entry.sequence])
        return failed_for_good

    def leased(self, ack_ids: Iterable[str]) -> int:
        """How many of these deliveries still hold their message."""
        return sum(1 for _ in self._leased(ack_ids))

    def remove(self, sequence: int) -> None:
        """Forget one copy."""
        del self._entries[sequence]
        self._waiting.pop(sequence, None)
        self._journal.drop_entry(sequence)

    def purge(self) -> int:
        """Forget all copies; returns how many."""
        count = len(self._entries)
        for sequence in list(self._entries):
            self.remove(sequence)
        return count

    def _leased(self, ack_ids: Iterable[str]) -> Iterator[Entry]:
        for ack_id in ack_ids:
            sequence = ack_id.partition("-")[0]
            entry = self._entries.get(int(sequence)) if sequence.isdecimal() else None
            if entry is not None and entry.leased and entry.ack_id == ack_id:
                yield entry

    def _lease(self, entry: Entry, until_s: float) -> Delivery:
        held = replace(entry, attempts=entry.attempts + 1, due_s=until_s, leased=True)
        self._put(held)
        attempt = held.attempts if self.subscription.dead_letter else 0
        return Delivery(ack_id=held.ack_id, message=held.message, attempt=attempt)

    def _fail(self, entry: Entry, at_s: float) -> bool:
        backoff = self.subscription.backoff
        pause_s = backoff.pause_s(entry.attempts) if backoff else 0.0
        self._put(replace(entry, due_s=at_s + pause_s, leased=False))
        rule = self.subscription.dead_letter
        return rule is not None and entry.attempts >= rule.max_attempts

    def _put(self, entry: Entry) -> None:
        self._entries[entry.sequence] = entry
        self._journal.update_entry(entry)
        heapq.heappush(self._due, (entry.due_s, entry.sequence))
