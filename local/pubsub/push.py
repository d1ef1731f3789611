"""Push delivery: POSTs messages of push subscriptions to their endpoints."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from local.pubsub.broker import Broker
from local.pubsub.hub import Hub
from local.pubsub.model import Delivery, Subscription
from local.pubsub.wire import published
from local.rpc import RpcError

#: Statuses that acknowledge. Source: cloud.google.com/pubsub/docs/push, "receive messages".
ACK_STATUSES = frozenset({102, 200, 201, 202, 204})
#: Requests under way at once, for one subscription and for all.
MAX_PER_SUBSCRIPTION = 4
MAX_REQUESTS = 16


@dataclass(frozen=True, kw_only=True)
class _Push:
    subscription: Subscription
    delivery: Delivery


class Pusher:
    """One thread that takes messages and up to `MAX_REQUESTS` that POST them.

    A status of `ACK_STATUSES` within the ack deadline acknowledges; anything else fails the
    delivery, and the subscription's back-off and dead-letter policy decide what follows.

    Args:
        hub: where messages come from; closing it ends the pusher's taking.
        tls: trust for https endpoints; None is the system's.
    """

    def __init__(self, hub: Hub, *, tls: ssl.SSLContext | None = None) -> None:
        self._hub = hub
        self._tls = tls
        self._running: Counter[str] = Counter()
        self._connections: set[http.client.HTTPConnection] = set()
        self._connections_lock = threading.Lock()
        self._pool = ThreadPoolExecutor(MAX_REQUESTS, thread_name_prefix="push")
        self._thread = threading.Thread(target=self._run, name="push-dispatch", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """End after the hub was closed; requests under way are cut."""
        self._thread.join()
        with self._connections_lock:
            for connection in self._connections:
                with suppress(OSError):
                    if connection.sock is not None:
                        connection.sock.shutdown(socket.SHUT_RDWR)
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        while (pushes := self._hub.wait(self._take)) is not None:
            for push in pushes:
                self._pool.submit(self._deliver, push)

    def _take(self, broker: Broker) -> list[_Push]:
        """Under the hub's lock, as every use of `_running`."""
        pushes = []
        for subscription in broker.subscriptions():
            room = MAX_PER_SUBSCRIPTION - self._running[subscription.name]
            if not subscription.push_endpoint or room <= 0:
                continue
            for delivery in broker.pull(subscription.name, room):
                self._running[subscription.name] += 1
                pushes.append(_Push(subscription=subscription, delivery=delivery))
        return pushes

    def _deliver(self, push: _Push) -> None:
        accepted = self._post(push)
        name = push.subscription.name
        with self._hub.broker() as broker:
            self._running[name] -= 1
            with suppress(RpcError):  # deleted meanwhile
                if accepted:
                    broker.acknowledge(name, [push.delivery.ack_id])
                else:
                    broker.modify_deadline(name, [push.delivery.ack_id], 0)

    def _post(self, push: _Push) -> bool:
        """Whether the endpoint accepted the message."""
        url = urlsplit(push.subscription.push_endpoint)
        connection = self._connect(url.scheme, url.netloc, push.subscription.ack_deadline_s)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {"Content-Type": "application/json", "User-Agent": "CloudPubSub-Google"}
        try:
            connection.request(
                "POST", path, body=envelope(push.subscription, push.delivery), headers=headers
            )
            return connection.getresponse().status in ACK_STATUSES
        except (OSError, http.client.HTTPException):
            return False
        finally:
            with self._connections_lock:
                self._connections.discard(connection)
            connection.close()

    def _connect(self, scheme: str, host: str, timeout_s: float) -> http.client.HTTPConnection:
        if scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, timeout=timeout_s, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(host, timeout=timeout_s)
        with self._connections_lock:
            self._connections.add(connection)
        return connection


def envelope(subscription: Subscription, delivery: Delivery) -> bytes:
    """The JSON body of a push request, with both spellings that Pub/Sub sends.

    Source: cloud.google.com/pubsub/docs/push, "receive messages" (wrapped).
    """
    message = delivery.message
    at = published(message).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: dict[str, object] = {
        "attributes": dict(message.attributes),
        "data": base64.b64encode(message.data).decode(),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": at,
        "publish_time": at,
    }
    if message.ordering_key:
        fields["orderingKey"] = message.ordering_key
    body: dict[str, object] = {"message": fields, "subscription": subscription.name}
    if delivery.attempt:
        body["deliveryAttempt"] = delivery.attempt
    return json.dumps(body).encode()
