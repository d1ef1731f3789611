"""The Pub/Sub stand-in as one object to start and stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from local.pubsub.broker import Broker
from local.pubsub.faults import Faults
from local.pubsub.hub import Hub
from local.pubsub.journal import Journal
from local.pubsub.push import Pusher
from local.pubsub.services import Publisher, Subscriber
from local.pubsub.wire import read_subscription, read_topic
from local.rpc import RpcHost


class PubSubServer:
    """Speaks Pub/Sub's gRPC protocol on a loopback port; the official clients work unchanged.

    Topics, subscriptions and unacknowledged messages survive a restart on the same directory.

    Args:
        root: directory of the state, made when missing.
        project: the only project there is.
        port: 0 picks a free one at the first start; a restart keeps it.
        clock: seconds since 1970; call `tick` after moving it.
        faults: what goes wrong; may be told more while running.
    """

    def __init__(
        self,
        root: Path,
        *,
        project: str,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        self._root = root
        self._project = project
        self._clock = clock
        self.faults = faults or Faults()
        self._host = RpcHost(port=port)
        self._journal: Journal | None = None
        self._hub: Hub | None = None
        self._pusher: Pusher | None = None

    @property
    def endpoint(self) -> str:
        """`127.0.0.1:PORT`, for an insecure gRPC channel."""
        return self._host.endpoint

    def start(self) -> None:
        """Read the state, serve and push. Raises RuntimeError when the port is taken."""
        if self._hub is not None:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(self._root / "pubsub.sqlite")
        self._hub = Hub(self._broker(self._journal))
        handlers = [
            Publisher(self._hub, self._project).handlers(self.faults),
            Subscriber(self._hub, self._project).handlers(self.faults),
        ]
        try:
            self._host.start(handlers)
        except RuntimeError:
            self._journal.close()
            self._journal = self._hub = None
            raise
        self._pusher = Pusher(self._hub)
        self._pusher.start()

    def stop(self) -> None:
        """End all calls and pushes; leases stay as they are in the state."""
        if self._hub is None or self._journal is None or self._pusher is None:
            return
        self._hub.close()
        self._host.stop()
        self._pusher.stop()
        self._journal.close()
        self._journal = self._hub = self._pusher = None

    def tick(self) -> None:
        """Let everyone who waits look at the clock again."""
        self._running().wake()

    def backlog(self, subscription: str) -> int:
        """Unacknowledged messages of a subscription (short name)."""
        with self._running().broker() as broker:
            return broker.backlog(self._full(subscription))

    @property
    def waiting_pulls(self) -> int:
        """Pulls (and streams) that wait for a message now."""
        # The pusher waits too.
        return max(0, self._running().waiting - 1)

    def purge(self, subscription: str) -> int:
        """Lose all messages of a subscription (short name); returns how many."""
        with self._running().broker() as broker:
            return broker.purge(self._full(subscription))

    def _full(self, subscription: str) -> str:
        return f"projects/{self._project}/subscriptions/{subscription}"

    def _running(self) -> Hub:
        if self._hub is None:
            raise RuntimeError("the stand-in is not started")
        return self._hub

    def _broker(self, journal: Journal) -> Broker:
        return Broker(
            journal,
            read=read_subscription,
            read_topic=read_topic,
            clock=self._clock,
            faults=self.faults.deliveries,
        )

    def __enter__(self) -> PubSubServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
