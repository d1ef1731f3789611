"""Dead letters: through the real Pub/Sub stand-in into the ledger."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import functions_framework
import pytest
from werkzeug.serving import make_server

from common.bus import Bus
from common.database import Database
from common.errors import TransientError
from common.ledger.dead_letters import DeadLetters, read_letter
from common.ledger.sweep import Sweep
from common.messages import DEAD_LETTER_TOPIC, RunDied, RunReady, encode
from functions.dead_letter import main as dead_letter
from local.pubsub import PubSubServer, SubscriptionPlan, declare
from local.topology import declare_topology
from tests.conftest import TestDatabase, settings
from tests.ledger import insert_run

PROJECT = "heimdex-test"
#: Only a hang is worth a failure.
_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Post:
    """The bus, and the function at the end of the dead-letter topic."""

    bus: Bus
    pubsub: PubSubServer
    database: TestDatabase
    client: Any

    def send(self, data: bytes, attributes: dict[str, str] | None = None) -> None:
        """Publish a dead letter."""
        self.bus.publish(DEAD_LETTER_TOPIC, data, attributes or {}, effect="test.publish")

    def letters(self, count: int = 1) -> list[Any]:
        """The recorded letters, once there are so many."""
        found: list[Any] = _eventually(lambda: self._rows() if len(self._rows()) >= count else None)
        return found

    def push(self, message_id: str, data: bytes, attributes: dict[str, str] | None = None) -> int:
        """Push by hand, as Pub/Sub would; returns the status."""
        message = {
            "data": base64.b64encode(data).decode(),
            "attributes": attributes or {},
            "messageId": message_id,
        }
        body = {"message": message, "subscription": "projects/p/subscriptions/dead"}
        return int(self.client.post("/", json=body).status_code)

    def _rows(self) -> list[Any]:
        return self.database.owner_rows("SELECT * FROM dead_letters ORDER BY received_at, id")


def _eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _TIMEOUT_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


@pytest.fixture
def post(
    database: TestDatabase,
    ingest_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Post]:
    """The topology of an environment, with the function served over a socket."""
    letters = DeadLetters(ingest_database)
    monkeypatch.setattr(dead_letter, "_dead_letters", lambda: letters)
    source = tmp_path / "dead_letter.py"
    source.write_text("from functions.dead_letter.main import dead_letter\n")
    app = functions_framework.create_app("dead_letter", str(source), "http")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    with PubSubServer(tmp_path / "pubsub", project=PROJECT) as pubsub:
        # Nobody listens where doorbells are pushed.
        declare_topology(
            pubsub.endpoint,
            project=PROJECT,
            start_jobs_url="http://127.0.0.1:1/",
            dead_letter_url=url,
            build_export_url="http://127.0.0.1:1/",
        )
        with Bus.connect(settings(pubsub_endpoint=pubsub.endpoint)) as bus:
            yield Post(bus=bus, pubsub=pubsub, database=database, client=app.test_client())
    server.shutdown()
    thread.join()
    server.server_close()


def _died(user_id: UUID, run_id: UUID) -> bytes:
    code = "attempts_exhausted"
    return encode(RunDied(user_id=user_id, run_id=run_id, lane="gpu", error_code=code)).encode()


def test_a_dead_run_is_on_record(post: Post, database: TestDatabase, user_id: UUID) -> None:
    """The message about a run without attempts left names the run and its code."""
    run_id = insert_run(database, user_id)
    post.send(_died(user_id, run_id))
    (letter,) = post.letters()
    assert (letter.user_id, letter.run_id) == (user_id, run_id)
    assert (letter.reason, letter.error_code) == ("run_died", "attempts_exhausted")


def test_what_cannot_be_read_is_on_record(post: Post) -> None:
    """With where it was found, and its bytes, cut off where they are too many."""
    data = b"\xff not json " + b"x" * 10_000
    post.send(data, {"reason": "message_invalid", "subscription": "heimdex-gpu-work"})
    (letter,) = post.letters()
    assert (letter.user_id, letter.run_id) == (None, None)
    assert (letter.reason, letter.subscription) == ("message_invalid", "heimdex-gpu-work")
    assert base64.b64decode(letter.payload) == data[:4096]


def test_what_pub_sub_gave_up_is_on_record(
    post: Post, database: TestDatabase, user_id: UUID
) -> None:
    """A message that no endpoint takes is forwarded by Pub/Sub, which says how often it tried."""
    run_id = insert_run(database, user_id)
    refusing = SubscriptionPlan(
        name="refused",
        topic="heimdex-gpu",
        push_endpoint="http://127.0.0.1:1/",
        ack_deadline_s=10,
        dead_letter_topic=DEAD_LETTER_TOPIC,
        max_delivery_attempts=5,
        minimum_backoff_s=0.0,
        maximum_backoff_s=0.0,
    )
    declare(post.pubsub.endpoint, PROJECT, topics=[], subscriptions=[refusing])
    ready = encode(RunReady(user_id=user_id, run_id=run_id, lane="gpu"))
    post.bus.publish("heimdex-gpu", ready.encode(), {}, effect="test.publish")
    (letter,) = post.letters()
    assert (letter.reason, letter.subscription) == ("delivery_failed", "refused")
    assert (letter.delivery_attempts, letter.run_id) == (5, run_id)


@pytest.mark.parametrize(("told", "attempts"), [("5", 5), ("9" * 5_000, 0), ("-1", 0), ("٣", 0)])
def test_a_count_that_is_none_is_not_believed(told: str, attempts: int) -> None:
    """A letter that could not be stored would be pushed again and again."""
    told_by = {"CloudPubSubDeadLetterSourceDeliveryCount": told}
    assert read_letter("1", b"", told_by).delivery_attempts == attempts


def test_a_message_of_another_version_is_its_runs(
    post: Post, database: TestDatabase, user_id: UUID
) -> None:
    """It cannot be acted on, but it names a run: what it says goes when that goes."""
    run_id = insert_run(database, user_id)
    data = {"version": 2, "user_id": str(user_id), "run_id": str(run_id), "lane": "tpu"}
    assert post.push("1", json.dumps(data).encode()) == 204
    (letter,) = post.letters()
    assert (letter.run_id, letter.error_code) == (run_id, "message_invalid")


def test_the_same_letter_again_changes_nothing(
    post: Post, database: TestDatabase, user_id: UUID
) -> None:
    """Deliveries repeat; one message is one row."""
    data = _died(user_id, insert_run(database, user_id))
    assert [post.push("7", data) for _ in range(5)] == [204] * 5
    assert post.push("8", data) == 204
    assert [letter.id for letter in post.letters(2)] == ["7", "8"]


def test_a_letter_about_what_was_deleted_leaves_no_trace(
    post: Post, database: TestDatabase, user_id: UUID
) -> None:
    """Neither of an unknown run nor, once its video goes, of one that was recorded."""
    assert post.push("1", _died(user_id, uuid4())) == 204
    assert post.push("2", _died(uuid4(), uuid4())) == 204
    assert database.owner_rows("SELECT 1 FROM dead_letters") == []
    assert post.push("3", _died(user_id, insert_run(database, user_id))) == 204
    assert len(post.letters()) == 1
    database.owner_rows("DELETE FROM videos")
    assert database.owner_rows("SELECT 1 FROM dead_letters") == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"message": {"data": "!"}, "subscription": "x"}'])
def test_what_is_no_push_is_not_repeated(post: Post, body: bytes) -> None:
    """What no retry can mend is answered with success and recorded nowhere."""
    assert post.client.post("/", data=body).status_code == 204
    without_id = {"message": {"data": ""}, "subscription": "x"}
    assert post.client.post("/", data=json.dumps(without_id)).status_code == 204
    assert post.database.owner_rows("SELECT 1 FROM dead_letters") == []


def test_without_a_database_it_is_pushed_again(
    post: Post, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter is only taken when it is on record."""

    def record(self: DeadLetters, letter: object) -> bool:
        raise TransientError

    monkeypatch.setattr(DeadLetters, "record", record)
    assert post.push("1", b"x") == 503


def test_old_letters_are_forgotten(
    post: Post, database: TestDatabase, ingest_database: Database
) -> None:
    """They are for people, and after a month nobody will look."""
    assert post.push("old", b"x") == 204
    database.owner_rows("UPDATE dead_letters SET received_at = now() - interval '31 days'")
    assert post.push("new", b"x") == 204
    assert Sweep(ingest_database).forget_letters(30 * 24 * 3600.0) == 1
    assert [letter.id for letter in post.letters()] == ["new"]
