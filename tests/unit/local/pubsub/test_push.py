"""Push delivery where it differs from Google's emulator, and its threads."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.pubsub_v1 import PublisherClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from local.pubsub import PubSubServer, SubscriptionPlan, declare
from local.pubsub.push import MAX_PER_SUBSCRIPTION, envelope
from local.pubsub.wire import PUSH_BACKOFF
from tests.unit.local.pubsub.brokers import TOPIC, WORK, Clock, broker, publish, with_work

PROJECT = "test-project"


class Endpoint:
    """A push endpoint whose answers the test decides; it keeps all requests."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.arrived = threading.Condition()
        #: Status of the next answers; 204 after that.
        self.statuses: list[int] = []
        #: Requests wait here until it is set.
        self.open = threading.Event()
        self.open.set()

    def answer(self, body: bytes) -> int:
        with self.arrived:
            self.bodies.append(json.loads(body))
            self.arrived.notify_all()
            status = self.statuses.pop(0) if self.statuses else 204
        self.open.wait(30)
        return status

    def await_requests(self, count: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.bodies) >= count, 15)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The endpoint's URL."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(endpoint.answer(body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output clean."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A connection that was cut on purpose is no news."""

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        self.open.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def pushing(root: Path, url: str, **options: Any) -> Iterator[PubSubServer]:
    """A stand-in that pushes the work topic to the URL."""
    with PubSubServer(root, project=PROJECT) as server:
        bell = SubscriptionPlan(name="work-pull", topic="work", push_endpoint=url, **options)
        hold = SubscriptionPlan(name="dead-hold", topic="dead")
        declare(server.endpoint, PROJECT, topics=["work", "dead"], subscriptions=[bell, hold])
        yield server


def send(server: PubSubServer, *data: bytes) -> None:
    """Publish messages at once."""
    with grpc.insecure_channel(server.endpoint) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        messages = [types.PubsubMessage(data=each) for each in data]
        publisher.publish(topic=TOPIC, messages=messages, timeout=10)


def until_empty(server: PubSubServer, subscription: str = "work-pull") -> None:
    """Return when nothing is unacknowledged; the test fails after fifteen seconds."""
    until = time.monotonic() + 15
    while server.backlog(subscription):
        assert time.monotonic() < until
        threading.Event().wait(0.01)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_acknowledges(tmp_path: Path, status: int) -> None:
    """Each of Pub/Sub's accepting statuses ends the message."""
    endpoint = Endpoint()
    endpoint.statuses = [status]
    with endpoint.serving() as url, pushing(tmp_path, url) as server:
        send(server, b"x")
        until_empty(server)
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("status", [203, 302, 400, 404, 429, 500, 503])
def test_anything_else_is_repeated(tmp_path: Path, status: int) -> None:
    """Other statuses, redirects and 4xx among them, bring the message again."""
    endpoint = Endpoint()
    endpoint.statuses = [status]
    with endpoint.serving() as url, pushing(tmp_path, url) as server:
        send(server, b"x")
        until_empty(server)
    assert len(endpoint.bodies) == 2


def test_attempts_are_told_and_end_in_a_dead_letter(tmp_path: Path) -> None:
    """With a dead-letter policy the body counts attempts, and after five it is buried."""
    endpoint = Endpoint()
    endpoint.statuses = [500] * 9
    options = {"dead_letter_topic": "dead", "minimum_backoff_s": 0.0, "maximum_backoff_s": 0.0}
    with endpoint.serving() as url, pushing(tmp_path, url, **options) as server:
        send(server, b"poison")
        until_empty(server)
        assert server.backlog("dead-hold") == 1
    assert [body["deliveryAttempt"] for body in endpoint.bodies] == [1, 2, 3, 4, 5]


def test_endpoint_that_is_down_is_tried_until_it_is_up(tmp_path: Path) -> None:
    """A refused connection is a failed delivery like any other."""
    endpoint = Endpoint()
    with pushing(tmp_path, "http://127.0.0.1:9/") as server:
        send(server, b"x")
        with endpoint.serving() as url:
            plan = SubscriptionPlan(name="work-pull", topic="work", push_endpoint=url)
            declare(server.endpoint, PROJECT, topics=[], subscriptions=[plan])
            until_empty(server)
    assert base64.b64decode(endpoint.bodies[0]["message"]["data"]) == b"x"


def test_slow_endpoint_gets_a_few_requests_at_once(tmp_path: Path) -> None:
    """Requests run side by side, but only so many for one subscription."""
    limit = MAX_PER_SUBSCRIPTION
    endpoint = Endpoint()
    endpoint.open.clear()
    with endpoint.serving() as url, pushing(tmp_path, url) as server:
        send(server, *[bytes([n]) for n in range(limit + 3)])
        endpoint.await_requests(limit)
        with endpoint.arrived:
            more = endpoint.arrived.wait_for(
                lambda: len(endpoint.bodies) > MAX_PER_SUBSCRIPTION, 0.3
            )
        assert not more
        endpoint.open.set()
        until_empty(server)
    assert len(endpoint.bodies) == limit + 3


def test_stop_cuts_requests_under_way(tmp_path: Path) -> None:
    """A hanging endpoint does not keep the stand-in; its message is there after a restart."""
    endpoint = Endpoint()
    endpoint.open.clear()
    before = set(threading.enumerate())
    with endpoint.serving() as url:
        with pushing(tmp_path, url) as server:
            send(server, b"x")
            endpoint.await_requests(1)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 5
        endpoint.open.set()
        with PubSubServer(tmp_path, project=PROJECT) as again:
            until_empty(again)
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("push")]


def test_push_without_a_policy_backs_off_like_pubsub() -> None:
    """Pull redelivers at once, push pauses 0.1 s, 0.2 s … up to a minute."""
    clock = Clock()
    work = with_work(broker(clock), push_config=types.PushConfig(push_endpoint="http://x/"))
    assert work.subscription(WORK).backoff == PUSH_BACKOFF
    pauses = [PUSH_BACKOFF.pause_s(attempt) for attempt in (1, 2, 3, 20, 5_000)]
    assert pauses == [0.1, 0.2, 0.4, 60.0, 60.0]


def test_body_carries_the_ordering_key_only_when_there_is_one() -> None:
    """A message without an ordering key has no such field, and no attempt without a policy."""
    work = with_work(broker(Clock()))
    publish(work, b"x")
    [delivery] = work.pull(WORK, 1)
    body = json.loads(envelope(work.subscription(WORK), delivery))
    assert set(body) == {"message", "subscription"}
    assert "orderingKey" not in body["message"]
    assert body["message"]["publishTime"] == "1970-01-01T00:16:40.000Z"
