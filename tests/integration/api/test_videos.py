"""`/v1/videos`, against a real database."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.conftest import TestDatabase
from tests.integration.api.world import ApiClient, Ledger

_NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [video["id"] for video in answer["videos"]]


def test_videos_are_listed_newest_first_over_pages(client: ApiClient, ledger: Ledger) -> None:
    """Every video comes exactly once, also when several have the same time."""
    made = [ledger.video(created_at=_NOON + timedelta(seconds=second // 2)) for second in range(7)]
    listed: list[str] = []
    path = "/v1/videos?page_size=2"
    sizes = []
    while path:
        page = client.get(path).json
        sizes.append(len(page["videos"]))
        listed += _ids(page)
        token = page["next_page_token"]
        path = f"/v1/videos?page_size=2&page_token={token}" if token else ""
    assert sizes == [2, 2, 2, 1]
    assert sorted(listed) == sorted(map(str, made))
    assert listed[-2:] == sorted((str(made[0]), str(made[1])), reverse=True)


def test_a_page_goes_on_where_it_stopped_though_the_list_changed(
    client: ApiClient, ledger: Ledger
) -> None:
    """A new video does not shift the next page, and a deleted one does not break it."""
    oldest = ledger.video(created_at=_NOON)
    middle = ledger.video(created_at=_NOON + timedelta(seconds=1))
    ledger.video(created_at=_NOON + timedelta(seconds=2))
    first = client.get("/v1/videos?page_size=2").json
    ledger.video(created_at=_NOON + timedelta(seconds=3))
    client.delete(f"/v1/videos/{middle}")
    rest = client.get(f"/v1/videos?page_size=2&page_token={first['next_page_token']}").json
    assert _ids(rest) == [str(oldest)]
    assert rest["next_page_token"] is None


def test_a_list_can_be_narrowed_to_a_state(client: ApiClient, ledger: Ledger) -> None:
    """And the page token belongs to that narrowing."""
    failed = [ledger.video(state="failed", error_code="not_video") for _ in range(2)]
    ledger.video(state="queued")
    page = client.get("/v1/videos?state=failed&page_size=1").json
    assert UUID(_ids(page)[0]) in failed
    token = page["next_page_token"]
    assert len(_ids(client.get(f"/v1/videos?state=failed&page_token={token}").json)) == 1
    wrong = client.get(f"/v1/videos?state=queued&page_token={token}")
    assert (wrong.status_code, wrong.json["code"]) == (400, "invalid_page_token")


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=101",
        "page_size=many",
        "page_size=1&page_size=2",
        "state=lost",
        "user_id=1",
    ],
)
def test_a_wrong_query_is_refused(client: ApiClient, query: str) -> None:
    """The problem names the parameter."""
    answer = client.get(f"/v1/videos?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["errors"][0]["field"] == query.partition("=")[0]


def test_a_failed_video_says_what_to_do_in_both_languages(
    client: ApiClient, ledger: Ledger
) -> None:
    """The code's texts come with it."""
    video_id = ledger.video(state="failed", error_code="duration_too_long")
    error = client.get(f"/v1/videos/{video_id}").json["error"]
    assert error["code"] == "duration_too_long"
    assert "10 minutes" in error["messages"]["en"]
    assert "10분" in error["messages"]["ko"]


def test_reading_again_costs_little(client: ApiClient, ledger: Ledger) -> None:
    """An unchanged video answers 304 to its ETag; a changed one does not."""
    path = f"/v1/videos/{ledger.video()}"
    tag = client.get(path).headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    client.patch(path, {"title": "new"})
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_video_is_renamed_in_its_normal_form(client: ApiClient, ledger: Ledger) -> None:
    """Decomposed Hangul, as macOS types it, is stored composed; surrounding space goes."""
    path = f"/v1/videos/{ledger.video()}"
    answer = client.patch(path, {"title": unicodedata.normalize("NFD", "  민지 생일 ")})
    assert answer.json["title"] == "민지 생일"
    assert client.get(path).json["title"] == "민지 생일"


def test_a_change_is_refused_if_the_video_is_not_as_it_was_read(
    client: ApiClient, ledger: Ledger
) -> None:
    """If-Match with an old ETag changes nothing; with the present one it does."""
    path = f"/v1/videos/{ledger.video()}"
    old = client.get(path).headers["ETag"]
    client.patch(path, {"title": "second"})
    refused = client.patch(path, {"title": "third"}, headers={"If-Match": old})
    assert (refused.status_code, refused.json["code"]) == (412, "precondition_failed")
    assert client.get(path).json["title"] == "second"
    present = client.get(path).headers["ETag"]
    assert (
        client.patch(path, {"title": "third"}, headers={"If-Match": present}).json["title"]
        == "third"
    )
    assert client.patch(path, {"title": "4"}, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("body", [{}, {"title": None}, {"title": 1}, {"title": "a", "state": "x"}])
def test_a_wrong_change_is_refused(
    client: ApiClient, ledger: Ledger, body: dict[str, object]
) -> None:
    """Only a title can be changed."""
    answer = client.patch(f"/v1/videos/{ledger.video()}", body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_request")


def test_a_deleted_video_is_gone_at_once(
    client: ApiClient, ledger: Ledger, database: TestDatabase
) -> None:
    """With its scenes, its runs and its title; its objects are owed to the sweep."""
    video_id = ledger.video(state="processing", generation=1, index_version="offline-1")
    scene_id = ledger.scene(video_id)
    ledger.run(video_id, "media", state="done", fencing_token=3)
    run_id = ledger.run(video_id, "gpu", state="running", fencing_token=5, owner="w")

    answer = client.delete(f"/v1/videos/{video_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    for path in (f"/v1/videos/{video_id}", f"/v1/scenes/{scene_id}", f"/v1/uploads/{video_id}"):
        assert client.get(path).status_code == 404
    assert client.get("/v1/videos").json["videos"] == []
    assert ledger.count("scenes") == 0
    assert database.owner_rows("SELECT title FROM videos")[0][0] == ""
    assert [tuple(r) for r in database.owner_rows("SELECT video_id, done_at FROM erasures")] == [
        (video_id, None)
    ]
    (run,) = database.owner_rows("SELECT state, fencing_token FROM runs WHERE id = :id", id=run_id)
    assert tuple(run) == ("cancelled", 6)
    assert database.owner_rows("SELECT state FROM runs WHERE lane = 'media'")[0][0] == "done"


def test_deleting_twice_finds_nothing_the_second_time(client: ApiClient, ledger: Ledger) -> None:
    """And owes one erasure only."""
    path = f"/v1/videos/{ledger.video()}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    assert ledger.count("erasures") == 1


def test_deleting_needs_a_token_that_was_not_revoked(
    revoked: ApiClient, client: ApiClient, ledger: Ledger
) -> None:
    """The video stays."""
    path = f"/v1/videos/{ledger.video()}"
    assert revoked.delete(path).status_code == 401
    assert client.get(path).status_code == 200


def test_the_status_shows_every_stage_in_pipeline_order(client: ApiClient, ledger: Ledger) -> None:
    """The overall progress is the mean of both lanes; runs of older generations do not count."""
    video_id = ledger.video(state="processing", generation=1)
    old = ledger.run(video_id, "media", generation=0, state="cancelled", attempt=4)
    ledger.stage(old, "upload_validate", 0, state="failed")
    gpu = ledger.run(video_id, "gpu", state="running", attempt=2)
    ledger.stage(gpu, "align_merge", 1)
    ledger.stage(gpu, "asr_transcribe", 0, state="running", progress=0.5, note="slow")
    media = ledger.run(video_id, "media", state="done", attempt=1)
    ledger.stage(media, "upload_validate", 0, state="done", progress=1, duration_ms=12)

    status = client.get(f"/v1/videos/{video_id}/status").json
    assert [(s["lane"], s["stage"], s["state"], s["progress"]) for s in status["stages"]] == [
        ("media", "upload_validate", "done", 1.0),
        ("gpu", "asr_transcribe", "running", 0.5),
        ("gpu", "align_merge", "pending", 0.0),
    ]
    assert (status["attempt"], status["progress"]) == (2, 0.625)
    assert status["stages"][1]["note"] == "slow"


@pytest.mark.parametrize(("state", "progress"), [("uploading", 0.0), ("indexed", 1.0)])
def test_the_status_of_a_video_without_runs(
    client: ApiClient, ledger: Ledger, state: str, progress: float
) -> None:
    """Nothing is done before the upload, and everything once it is indexed."""
    status = client.get(f"/v1/videos/{ledger.video(state=state)}/status").json
    assert (status["progress"], status["attempt"], status["stages"]) == (progress, 0, [])


def test_polling_the_status_costs_little(client: ApiClient, ledger: Ledger) -> None:
    """304 until a stage moves."""
    video_id = ledger.video(state="processing", generation=1)
    run_id = ledger.run(video_id, "media", state="running", attempt=1)
    path = f"/v1/videos/{video_id}/status"
    tag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    ledger.stage(run_id, "upload_validate", 0, state="running")
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_me_counts_what_the_user_has(client: ApiClient, ledger: Ledger, user_id: UUID) -> None:
    """Deleted videos do not count; the limits are the configured ones."""
    ledger.video(state="indexed", scene_count=12)
    ledger.video(state="indexed", scene_count=3)
    ledger.video(state="failed", error_code="not_video")
    ledger.video(deleted_at=_NOON)
    me = client.get("/v1/me").json
    assert me["id"] == str(user_id)
    assert me["counts"] == {"videos": 3, "indexed": 2, "failed": 1, "scenes": 15}
    assert me["limits"]["max_upload_bytes"] == 1_000_000
