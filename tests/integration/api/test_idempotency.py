"""Idempotency keys on a real database: one effect, one answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import flask
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from common.config import Settings
from common.database import Database
from common.storage import ObjectStore, SignedUpload
from common.web.app import create_app
from functions.api.routes import routes
from functions.api.services import Api
from tests.conftest import TestDatabase
from tests.integration.api.world import Answer, ApiClient, Ledger, authenticate, upload_request


def _post(client: ApiClient, key: str, **changes: object) -> Answer:
    return client.post("/v1/uploads", upload_request(**changes), headers={"Idempotency-Key": key})


def test_the_same_request_again_gets_the_same_answer(client: ApiClient, ledger: Ledger) -> None:
    """Status, body and Location; and there is one video."""
    first, again = _post(client, "key-1", title="one"), _post(client, "key-1", title="one")
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert first.headers["Location"] == again.headers["Location"]
    assert ledger.count("videos") == 1


def test_the_same_meaning_written_differently_is_the_same_request(client: ApiClient) -> None:
    """Spaces and the order of names in JSON do not matter."""
    headers = {"Idempotency-Key": "k"}
    first = client.post("/v1/uploads", upload_request(title="a"), headers=headers)
    spaced = b'{ "title" : "a", "video": {"size_bytes": 1000, "content_type": "video/mp4"} }'
    again = client.call("POST", "/v1/uploads", raw=spaced, headers=headers)
    assert first.data == again.data


def test_a_key_cannot_ask_for_something_else(client: ApiClient, ledger: Ledger) -> None:
    """Another body, or another path, with the same key is refused without an effect."""
    created = _post(client, "key-1", title="one").json
    other = _post(client, "key-1", title="two")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    path = f"/v1/uploads/{created['video']['id']}/urls"
    assert client.post(path, headers={"Idempotency-Key": "key-1"}).status_code == 422
    assert ledger.count("videos") == 1


def test_keys_of_different_users_never_meet(
    client: ApiClient, stranger: ApiClient, ledger: Ledger
) -> None:
    """The same key and request of another user is another upload."""
    assert _post(client, "key-1").data != _post(stranger, "key-1").data
    assert ledger.count("videos") == 2


def test_a_refused_request_leaves_its_key_free(client: ApiClient) -> None:
    """Correct the request and send it with the same key."""
    assert _post(client, "key-1", title="").status_code == 400
    too_large = {"content_type": "video/mp4", "size_bytes": 10**9}
    assert _post(client, "key-1", video=too_large).status_code == 413
    assert _post(client, "key-1").status_code == 201


def test_a_key_is_forgotten_after_a_day(
    client: ApiClient, ledger: Ledger, database: TestDatabase
) -> None:
    """Then it may be used for something else, and old answers do not pile up."""
    _post(client, "key-1", title="one")
    _post(client, "key-2", title="one")
    database.owner_rows(
        "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'"
    )
    assert _post(client, "key-1", title="two").status_code == 201
    assert ledger.count("idempotency_keys") == 1


@pytest.mark.parametrize("key", ["", "é", "x" * 256, "tab\there"])
def test_a_malformed_key_is_refused(client: ApiClient, key: str, ledger: Ledger) -> None:
    """The problem names the header."""
    answer = _post(client, key)
    assert answer.status_code == 400
    assert answer.json["errors"][0]["field"] == "Idempotency-Key"
    assert ledger.count("videos") == 0


def test_many_at_once_have_one_effect(app: flask.Flask, user_id: UUID, ledger: Ledger) -> None:
    """Each of eight simultaneous requests is answered with the one video, or asked to retry."""
    start = threading.Barrier(8)

    def send() -> Answer:
        client = ApiClient(app, str(user_id))
        start.wait(timeout=30)
        return _post(client, "key-1")

    with ThreadPoolExecutor(8) as threads:
        answers = [future.result() for future in [threads.submit(send) for _ in range(8)]]
    created = [answer.data for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(set(created)) == 1
    assert {answer.json["code"] for answer in refused} <= {"idempotency_conflict"}
    assert ledger.count("videos") == 1


@dataclass(frozen=True, kw_only=True)
class StalledSigner:
    """Signs when it is told to, so that a request can be caught in progress."""

    signer: ObjectStore
    reached: threading.Event
    go_on: threading.Event

    def sign_upload(self, *args: Any, **options: Any) -> SignedUpload:
        """Wait, then sign."""
        self.reached.set()
        assert self.go_on.wait(timeout=30)
        return self.signer.sign_upload(*args, **options)

    def sign_download(self, *args: Any, **options: Any) -> str:
        """Sign."""
        return self.signer.sign_download(*args, **options)


def test_a_request_in_progress_is_not_waited_for(
    api_database: Database, api_settings: Settings, signer: ObjectStore, user_id: UUID
) -> None:
    """The second is told to retry, and gets the first one's answer when it does."""
    stalled = StalledSigner(signer=signer, reached=threading.Event(), go_on=threading.Event())
    client = ApiClient(
        create_app(
            "api",
            routes,
            Api(settings=api_settings, signer=stalled),
            settings=api_settings,
            authenticate=authenticate,
            database=api_database,
        ),
        str(user_id),
    )
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(_post, client, "key-1")
        assert stalled.reached.wait(timeout=30)
        second = _post(client, "key-1")
        assert (second.status_code, second.json["code"]) == (409, "idempotency_conflict")
        assert int(second.headers["Retry-After"]) >= 1
        stalled.go_on.set()
        assert first.result().status_code == 201
    assert _post(client, "key-1").data == first.result().data


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sends=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=6))
def test_any_order_of_sends_has_one_effect_per_key(
    client: ApiClient, ledger: Ledger, sends: list[tuple[int, int]]
) -> None:
    """Whatever is sent when: the first body of a key wins, and is answered the same ever after."""
    run, before = uuid4().hex, ledger.count("videos")
    won: dict[int, tuple[int, bytes]] = {}
    for key, title in sends:
        answer = _post(client, f"{run}-{key}", title=f"title {title}")
        winner, data = won.setdefault(key, (title, answer.data))
        if title == winner:
            assert (answer.status_code, answer.data) == (201, data)
        else:
            assert answer.json["code"] == "idempotency_key_reused"
    assert ledger.count("videos") == before + len(won)
