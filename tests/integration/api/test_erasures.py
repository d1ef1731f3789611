"""Deleting the account, and `/v1/erasures`: what is said of what is gone."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest

from tests.conftest import TestDatabase
from tests.integration.api.world import ApiClient, Ledger, upload_request

_LEAVE = "/v1/me?confirm=delete-everything"


def test_a_deletion_is_on_record_for_its_user_alone(
    client: ApiClient, stranger: ApiClient, ledger: Ledger
) -> None:
    """The receipt names the video by its hash, counts what went, and is nobody else's."""
    video_id = ledger.video(state="indexed", index_version="offline-1")
    ledger.scene(video_id)
    assert client.get("/v1/erasures").json["erasures"] == []
    client.delete(f"/v1/videos/{video_id}")
    (receipt,) = client.get("/v1/erasures").json["erasures"]
    assert receipt["subject"] == "video"
    assert receipt["subject_sha256"] == hashlib.sha256(str(video_id).encode()).hexdigest()
    assert (receipt["requested_by"], receipt["finished_at"]) == ("user", None)
    assert receipt["removed"] == {"scenes": 1}
    assert str(video_id) not in str(receipt)
    assert stranger.get("/v1/erasures").json["erasures"] == []


def test_receipts_come_in_pages(client: ApiClient, ledger: Ledger) -> None:
    """The newest first, each once."""
    videos = [ledger.video() for _ in range(3)]
    for video_id in videos:
        client.delete(f"/v1/videos/{video_id}")
    first = client.get("/v1/erasures?page_size=2").json
    token = first["next_page_token"]
    rest = client.get(f"/v1/erasures?page_size=2&page_token={token}").json
    listed = [receipt["subject_sha256"] for receipt in first["erasures"] + rest["erasures"]]
    assert listed == [hashlib.sha256(str(each).encode()).hexdigest() for each in videos[::-1]]
    assert rest["next_page_token"] is None


def test_a_key_cannot_bring_back_what_it_made(
    client: ApiClient, ledger: Ledger, database: TestDatabase
) -> None:
    """The kept answer holds the title; it is erased, and the key is not good for another video."""
    headers = {"Idempotency-Key": "one"}
    body = upload_request(title="a secret birthday")
    made = client.post("/v1/uploads", body, headers=headers).json
    assert "birthday" in database.owner_rows("SELECT response FROM idempotency_keys")[0][0]
    client.delete(f"/v1/videos/{made['video']['id']}")
    assert database.owner_rows("SELECT response FROM idempotency_keys")[0][0] is None
    again = client.post("/v1/uploads", body, headers=headers)
    assert (again.status_code, again.json["code"]) == (422, "idempotency_key_reused")
    assert client.get("/v1/videos").json["videos"] == []


@pytest.mark.parametrize("query", ["", "?confirm=", "?confirm=yes", "?confirm=DELETE-EVERYTHING"])
def test_an_account_is_not_deleted_by_accident(
    client: ApiClient, ledger: Ledger, query: str
) -> None:
    """Without the exact words the answer names the parameter, and everything stays."""
    ledger.video()
    answer = client.delete(f"/v1/me{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["errors"][0]["field"] == "confirm"
    assert client.get("/v1/me").json["counts"]["videos"] == 1


def test_deleting_the_account_needs_a_token_that_was_not_revoked(
    revoked: ApiClient, client: ApiClient
) -> None:
    """The account stays."""
    assert revoked.delete(_LEAVE).status_code == 401
    assert client.get("/v1/me").status_code == 200


def test_an_account_is_gone_at_once(
    client: ApiClient,
    stranger: ApiClient,
    ledger: Ledger,
    database: TestDatabase,
    user_id: UUID,
    stranger_id: UUID,
) -> None:
    """Videos, scenes, runs, people and the address; what another user has stays."""
    video_id = ledger.video(state="indexed", index_version="offline-1", generation=1)
    ledger.scene(video_id)
    ledger.run(video_id, "gpu", state="running", fencing_token=5)
    theirs = Ledger(database=database, user_id=stranger_id).video()
    database.owner_rows("UPDATE users SET email = 'person@example.com' WHERE id = :id", id=user_id)
    answer = client.delete(_LEAVE)
    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get("/v1/videos").json["videos"] == []
    assert ledger.count("scenes") == 0
    (user,) = database.owner_rows("SELECT * FROM users WHERE id = :id", id=user_id)
    assert user.deleted_at is not None
    assert user.email is None
    (run,) = database.owner_rows("SELECT state, fencing_token FROM runs")
    assert tuple(run) == ("cancelled", 6)
    (owed,) = database.owner_rows("SELECT user_id, video_id FROM erasures")
    assert tuple(owed) == (user_id, None)
    assert stranger.get(f"/v1/videos/{theirs}").status_code == 200
    assert client.delete(_LEAVE).status_code == 404
