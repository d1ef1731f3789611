"""Quotas as a client meets them: 429, when to come back, and nothing charged twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import flask
import pytest

from common.config import Settings
from common.errors import CODES
from tests.clock import FakeClock
from tests.conftest import TestDatabase, insert_user, settings
from tests.integration.api.world import ApiClient, Ledger, upload_request

_DAY_S = 86_400


@pytest.fixture
def api_settings() -> Settings:
    """As deployed."""
    return settings()


@pytest.fixture
def clock(database: TestDatabase) -> FakeClock:
    """The database's clock, in the test's hand."""
    return FakeClock(database)


@pytest.fixture
def free_id(clock: FakeClock, database: TestDatabase) -> UUID:
    """A user of the free tier."""
    return insert_user(database, tier="free")


@pytest.fixture
def free(app: flask.Flask, free_id: UUID) -> ApiClient:
    """Their client."""
    return ApiClient(app, str(free_id))


@pytest.fixture
def free_ledger(database: TestDatabase, free_id: UUID) -> Ledger:
    """Their rows."""
    return Ledger(database=database, user_id=free_id)


def _upload(client: ApiClient, size_bytes: int = 1000, **options: Any) -> Any:
    video = {"content_type": "video/mp4", "size_bytes": size_bytes}
    return client.post("/v1/uploads", upload_request(video=video), **options)


def _finish_all(database: TestDatabase) -> None:
    """Let processing end; the minutes stay charged."""
    database.owner_rows("UPDATE videos SET state = 'indexed', reserved_ms = NULL")


def _quotas(client: ApiClient) -> dict[str, int]:
    plan = client.get("/v1/me").json["plan"]
    return {quota["name"]: quota["left"] for quota in plan["quotas"]}


def test_the_fourth_upload_of_a_day_is_refused_until_it_is_time(
    free: ApiClient, database: TestDatabase, clock: FakeClock
) -> None:
    """Three are granted; after Retry-After another is, and a second earlier it is not."""
    for _ in range(3):
        assert _upload(free).status_code == 201
        _finish_all(database)
    refused = _upload(free)
    assert (refused.status_code, refused.json["code"]) == (429, "uploads_exhausted")
    assert refused.mimetype == "application/problem+json"
    wait_s = int(refused.headers["Retry-After"])
    assert wait_s == _DAY_S / 3
    clock.advance(wait_s - 1)
    assert _upload(free).headers["Retry-After"] == "1"
    clock.advance(1)
    assert _upload(free).status_code == 201


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_refusal_says_what_to_do_in_both_languages(
    free: ApiClient, database: TestDatabase, language: str
) -> None:
    """The detail is in the client's language; the texts name Retry-After."""
    for _ in range(3):
        _upload(free)
        _finish_all(database)
    problem = _upload(free, headers={"Accept-Language": language}).json
    text = CODES["uploads_exhausted"]
    assert problem["messages"] == {"en": text.en, "ko": text.ko}
    assert problem["detail"] == problem["messages"][language]
    assert "Retry-After" in problem["detail"]


def test_every_quota_has_its_own_text() -> None:
    """All refusals are 429, and each says in both languages what is used up."""
    codes = {code for code, text in CODES.items() if text.status == 429}
    assert codes == {
        "uploads_exhausted",
        "bytes_exhausted",
        "minutes_exhausted",
        "too_many_in_processing",
        "searches_exhausted",
        "exports_exhausted",
    }
    assert len({CODES[code].en for code in codes}) == len({CODES[code].ko for code in codes}) == 6


def test_bytes_of_a_day(free: ApiClient, database: TestDatabase, clock: FakeClock) -> None:
    """All files of an upload count; what is too much now fits later."""
    database.owner_rows(
        "UPDATE tier_limits SET capacity = 10000 WHERE tier = 'free' AND bucket = 'upload_bytes'"
    )
    subtitles = [{"language": "ko", "content_type": "text/vtt", "size_bytes": 2000}]
    video = {"content_type": "video/mp4", "size_bytes": 5000}
    body = upload_request(video=video, subtitles=subtitles)
    assert free.post("/v1/uploads", body).status_code == 201
    refused = _upload(free, 4000)
    assert refused.json["code"] == "bytes_exhausted"
    assert _upload(free, 3000).status_code == 201
    _finish_all(database)
    clock.advance(int(refused.headers["Retry-After"]))
    # Those 3000 were charged meanwhile.
    refused = _upload(free, 4000)
    clock.advance(int(refused.headers["Retry-After"]))
    assert _upload(free, 4000).status_code == 201


def test_more_than_the_whole_bucket_is_too_large(
    free: ApiClient, database: TestDatabase, free_ledger: Ledger
) -> None:
    """Waiting would not help, so nobody is told to wait."""
    database.owner_rows(
        "UPDATE tier_limits SET capacity = 500 WHERE tier = 'free' AND bucket = 'upload_bytes'"
    )
    refused = _upload(free)
    assert (refused.status_code, refused.json["code"]) == (413, "file_too_large")
    assert "Retry-After" not in refused.headers
    assert free_ledger.count("videos") == 0


def test_minutes_are_reserved_for_the_longest_video(
    free: ApiClient, database: TestDatabase, clock: FakeClock
) -> None:
    """An upload is refused at the start, never a video in the middle."""
    database.owner_rows(
        "UPDATE tier_limits SET capacity = 900000 WHERE tier = 'free' AND bucket = 'video_ms'"
    )
    assert _upload(free).status_code == 201
    assert _quotas(free)["video_ms"] == 300_000
    refused = _upload(free)
    assert refused.json["code"] == "minutes_exhausted"
    assert int(refused.headers["Retry-After"]) == _DAY_S // 3
    clock.advance(_DAY_S // 3)
    assert _upload(free).status_code == 201


def test_the_longest_wait_is_the_answer(
    free: ApiClient, database: TestDatabase, clock: FakeClock
) -> None:
    """When several things are used up, Retry-After is when all of them are there."""
    database.owner_rows(
        "UPDATE tier_limits SET capacity = 1 WHERE tier = 'free' AND bucket = 'uploads'"
    )
    database.owner_rows(
        "UPDATE tier_limits SET capacity = 1200, refill_s = 60 "
        "WHERE tier = 'free' AND bucket = 'upload_bytes'"
    )
    _upload(free)
    _finish_all(database)
    refused = _upload(free)
    assert (refused.json["code"], refused.headers["Retry-After"]) == ("uploads_exhausted", "86400")
    clock.advance(_DAY_S)
    assert _upload(free).status_code == 201


def test_two_at_a_time(free: ApiClient, database: TestDatabase, free_ledger: Ledger) -> None:
    """A third upload waits until one of the videos is finished or deleted, and costs nothing."""
    ids = [_upload(free).json["video"]["id"] for _ in range(2)]
    refused = _upload(free)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_in_processing")
    assert int(refused.headers["Retry-After"]) > 0
    assert _quotas(free)["uploads"] == 1
    assert free.get("/v1/me").json["plan"]["in_processing"] == 2
    assert free.delete(f"/v1/videos/{ids[0]}").status_code == 204
    assert _upload(free).status_code == 201


def test_a_repeated_key_is_charged_once(free: ApiClient, database: TestDatabase) -> None:
    """The same request sent five times takes one upload, and is answered also when none is left."""
    key = {"Idempotency-Key": "k"}
    answers = [_upload(free, headers=key) for _ in range(5)]
    assert len({answer.data for answer in answers}) == 1
    assert _quotas(free)["uploads"] == 2
    for _ in range(2):
        _finish_all(database)
        _upload(free)
    assert _upload(free).status_code == 429
    assert _upload(free, headers=key).data == answers[0].data


def test_a_refused_key_may_be_used_again(
    free: ApiClient, database: TestDatabase, clock: FakeClock
) -> None:
    """The refusal is not the stored answer: after the wait the same request succeeds."""
    for _ in range(3):
        _upload(free)
        _finish_all(database)
    key = {"Idempotency-Key": "k"}
    refused = _upload(free, headers=key)
    assert refused.status_code == 429
    clock.advance(int(refused.headers["Retry-After"]))
    assert _upload(free, headers=key).status_code == 201


def test_a_refused_declaration_is_not_charged(free: ApiClient) -> None:
    """Only what is made counts."""
    assert _upload(free, 2 * 10**9).status_code == 413
    assert free.post("/v1/uploads", upload_request(title="")).status_code == 400
    assert _quotas(free)["uploads"] == 3


def test_many_at_once_start_no_more_than_allowed(
    app: flask.Flask, free_id: UUID, free_ledger: Ledger, database: TestDatabase
) -> None:
    """Of twelve uploads at the same moment, two are admitted: that many may be in processing."""
    start = threading.Barrier(6)

    def send() -> list[int]:
        client = ApiClient(app, str(free_id))
        start.wait(timeout=30)
        return [_upload(client).status_code for _ in range(2)]

    with ThreadPoolExecutor(6) as threads:
        sent = [future.result() for future in [threads.submit(send) for _ in range(6)]]
    statuses = sorted(status for pair in sent for status in pair)
    assert statuses == [201] * 2 + [429] * 10
    assert free_ledger.count("videos") == 2


def test_without_the_quota_store_there_is_no_upload(
    free: ApiClient, database: TestDatabase, free_ledger: Ledger
) -> None:
    """Uploads fail closed: a charge that cannot be made makes no video."""
    database.owner_rows("REVOKE INSERT ON quota_buckets FROM heimdex_api")
    assert _upload(free).status_code == 500
    assert free_ledger.count("videos") == 0


def test_a_pro_user_has_more(app: flask.Flask, database: TestDatabase, clock: FakeClock) -> None:
    """The tier decides, from the next request on."""
    user_id = insert_user(database, tier="free")
    client = ApiClient(app, str(user_id))
    for _ in range(3):
        _upload(client)
        _finish_all(database)
    assert _upload(client).status_code == 429
    assert database.owner_rows("SELECT set_tier(:id, 'pro')", id=user_id)[0][0] is True
    assert [_upload(client).status_code for _ in range(10)] == [201] * 10
    assert _upload(client).json["code"] == "too_many_in_processing"


# --- what a user sees ----------------------------------------------------------------------------


def test_me_shows_the_plan_and_what_is_left(free: ApiClient, clock: FakeClock) -> None:
    """Limits, what is left of them, and how long videos are kept."""
    _upload(free, 100_000_000)
    plan = free.get("/v1/me").json["plan"]
    assert (plan["tier"], plan["retention_days"]) == ("free", 30)
    assert (plan["in_processing"], plan["max_in_processing"]) == (1, 2)
    assert plan["quotas"] == [
        {"name": "uploads", "limit": 3, "left": 2, "refill_s": _DAY_S},
        {
            "name": "upload_bytes",
            "limit": 3_100_000_000,
            "left": 3_000_000_000,
            "refill_s": _DAY_S,
        },
        {"name": "video_ms", "limit": 1_800_000, "left": 1_200_000, "refill_s": _DAY_S},
        {"name": "searches", "limit": 60, "left": 60, "refill_s": 60},
        {"name": "exports", "limit": 2, "left": 2, "refill_s": _DAY_S},
    ]


def test_an_enterprise_user_has_no_limits(client: ApiClient) -> None:
    """Nothing is counted, and their videos are kept."""
    assert _upload(client).json["video"]["expires_at"] is None
    plan = client.get("/v1/me").json["plan"]
    assert plan == {
        "tier": "enterprise",
        "quotas": [],
        "in_processing": 1,
        "max_in_processing": None,
        "retention_days": None,
    }


def test_a_free_video_says_when_it_ends(free: ApiClient, clock: FakeClock) -> None:
    """From the first answer on, thirty days later."""
    created = _upload(free).json["video"]
    assert datetime.fromisoformat(created["expires_at"]) == clock.now + timedelta(days=30)
    assert free.get(f"/v1/videos/{created['id']}").json["expires_at"] == created["expires_at"]
    assert free.get("/v1/me").json["expiring"] == []


def test_a_shorter_promise_binds_only_new_videos(free: ApiClient, database: TestDatabase) -> None:
    """What a video was promised stays, whatever a row says later."""
    before = _upload(free).json["video"]
    database.owner_rows("UPDATE tiers SET retention_days = 8 WHERE name = 'free'")
    after = _upload(free).json["video"]
    assert free.get(f"/v1/videos/{before['id']}").json["expires_at"] == before["expires_at"]
    assert after["expires_at"] < before["expires_at"]


# --- audit events --------------------------------------------------------------------------------


def _events(database: TestDatabase, user_id: UUID) -> list[tuple[str, str, str | None]]:
    rows = database.owner_rows(
        "SELECT action, actor, code FROM audit_events WHERE user_id = :id ORDER BY at, action",
        id=user_id,
    )
    return [(row.action, row.actor, row.code) for row in rows]


def test_uploads_refusals_and_deletions_are_remembered(
    free: ApiClient, free_id: UUID, database: TestDatabase, clock: FakeClock
) -> None:
    """Who did what to which video; a refusal that is repeated is one event an hour."""
    ids = []
    for _ in range(2):
        ids.append(_upload(free).json["video"]["id"])
        clock.advance(1)
    for wait_s in (1, 1, 3_600, 1):
        assert _upload(free).status_code == 429
        clock.advance(wait_s)
    free.delete(f"/v1/videos/{ids[0]}")
    assert _events(database, free_id) == [
        ("upload.created", "user", None),
        ("upload.created", "user", None),
        ("quota.refused", "user", "too_many_in_processing"),
        ("quota.refused", "user", "too_many_in_processing"),
        ("video.deleted", "user", None),
    ]
    subjects = database.owner_rows(
        "SELECT subject_id FROM audit_events WHERE action = 'video.deleted'"
    )
    assert [str(row.subject_id) for row in subjects] == [ids[0]]


def test_a_replayed_upload_is_one_event(
    free: ApiClient, free_id: UUID, database: TestDatabase
) -> None:
    """The event belongs to the effect, not to the request."""
    for _ in range(3):
        _upload(free, headers={"Idempotency-Key": "k"})
    assert len(_events(database, free_id)) == 1
