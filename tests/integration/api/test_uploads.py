"""`/v1/uploads`, against a real database and a real signer."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from tests.conftest import TestDatabase
from tests.integration.api.world import ApiClient, Ledger, upload_request


def test_an_upload_declares_all_its_files_and_gets_a_url_for_each(
    client: ApiClient, database: TestDatabase, user_id: UUID
) -> None:
    """The answer has a signed URL per file, and the rows name exactly those objects."""
    answer = client.post(
        "/v1/uploads",
        upload_request(
            title="우리 가족",
            subtitles=[
                {"language": "KO", "content_type": "application/x-subrip", "size_bytes": 10},
                {"language": "en-US", "content_type": "text/vtt", "size_bytes": 20},
            ],
        ),
    )
    assert answer.status_code == 201
    created = answer.json
    video_id = created["video"]["id"]
    assert answer.headers["Location"] == f"/v1/videos/{video_id}"
    assert (created["video"]["title"], created["video"]["state"]) == ("우리 가족", "uploading")
    assert [(u["ordinal"], u["kind"], u["language"], u["method"]) for u in created["uploads"]] == [
        (0, "video", None, "POST"),
        (1, "subtitle", "ko", "PUT"),
        (2, "subtitle", "en-us", "PUT"),
    ]
    rows = database.owner_rows(
        "SELECT object_name, size_bytes FROM upload_objects ORDER BY ordinal"
    )
    assert [tuple(row) for row in rows] == [
        (f"videos/{user_id}/{video_id}.mp4", 1000),
        (f"subtitles/{user_id}/{video_id}/1.srt", 10),
        (f"subtitles/{user_id}/{video_id}/2.vtt", 20),
    ]
    for upload, row in zip(created["uploads"], rows, strict=True):
        assert urlsplit(upload["url"]).path.endswith(str(row[0]))


def test_the_url_binds_size_type_checksum_and_first_write(client: ApiClient) -> None:
    """What a client must send is covered by the signature."""
    upload = client.post(
        "/v1/uploads",
        upload_request(
            video={
                "content_type": "video/webm",
                "size_bytes": 1234,
                "crc32c": "yZRlqg==",
                "resumable": False,
            }
        ),
    ).json["uploads"][0]
    assert upload["method"] == "PUT"
    assert upload["resumable"] is False
    assert upload["headers"] == {
        "content-type": "video/webm",
        "x-goog-content-length-range": "1234,1234",
        "x-goog-if-generation-match": "0",
        "x-goog-hash": "crc32c=yZRlqg==",
    }
    signed = parse_qs(urlsplit(upload["url"]).query)["X-Goog-SignedHeaders"][0].split(";")
    assert set(upload["headers"]) < set(signed)


def test_the_title_comes_from_the_file_name_if_none_is_given(client: ApiClient) -> None:
    """A folder, an extension and characters that cannot be shown are dropped."""
    video = {
        "content_type": "video/mp4",
        "size_bytes": 1,
        "filename": "C:\\사진\\여\u202e름.final.mp4",
    }
    created = client.post("/v1/uploads", upload_request(video=video)).json
    assert created["video"]["title"] == "여름.final"
    assert client.post("/v1/uploads", upload_request()).json["video"]["title"] == "Untitled"


@pytest.mark.parametrize(
    ("video", "status", "code"),
    [
        ({"content_type": "video/x-flv"}, 415, "content_type_not_allowed"),
        ({"content_type": "video/mp4; codecs=x"}, 415, "content_type_not_allowed"),
        ({"size_bytes": 1_000_001}, 413, "file_too_large"),
        ({"size_bytes": 10**30}, 413, "file_too_large"),
        ({"size_bytes": 0}, 422, "empty_file"),
        ({"size_bytes": -1}, 400, "invalid_request"),
        ({"size_bytes": "1000"}, 400, "invalid_request"),
        ({"size_bytes": 1.5}, 400, "invalid_request"),
        ({"size_bytes": True}, 400, "invalid_request"),
        ({"crc32c": "yZRlqh=="}, 400, "invalid_request"),
        ({"crc32c": "AAAA"}, 400, "invalid_request"),
        ({"name": "x"}, 400, "invalid_request"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused(
    client: ApiClient, ledger: Ledger, video: dict[str, object], status: int, code: str
) -> None:
    """Each with its code, and without a row."""
    body = upload_request(video={"content_type": "video/mp4", "size_bytes": 1000} | video)
    answer = client.post("/v1/uploads", body)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert ledger.count("videos") == 0


@pytest.mark.parametrize(
    ("subtitles", "code"),
    [
        ({"content_type": "text/plain"}, "content_type_not_allowed"),
        ({"size_bytes": 2 * 1024 * 1024 + 1}, "file_too_large"),
        ({"language": "korean language"}, "invalid_request"),
        ({"language": "ko\n"}, "invalid_request"),
    ],
)
def test_a_subtitle_file_that_cannot_be_taken_is_refused(
    client: ApiClient, ledger: Ledger, subtitles: dict[str, object], code: str
) -> None:
    """Nothing of the upload is kept."""
    file = {"language": "ko", "content_type": "text/vtt", "size_bytes": 1} | subtitles
    assert client.post("/v1/uploads", upload_request(subtitles=[file])).json["code"] == code
    assert ledger.count("videos") == 0


def test_more_than_eight_subtitle_files_are_refused(client: ApiClient) -> None:
    """The problem names the field."""
    file = {"language": "ko", "content_type": "text/vtt", "size_bytes": 1}
    answer = client.post("/v1/uploads", upload_request(subtitles=[file] * 9))
    assert [field["field"] for field in answer.json["errors"]] == ["subtitles"]


@pytest.mark.parametrize("title", ["", "  ", "a\x00b", "a\nb", "\u202eevil", "x" * 201])
def test_a_title_that_cannot_be_shown_is_refused(client: ApiClient, title: str) -> None:
    """The problem names the field, in both languages."""
    (field,) = client.post("/v1/uploads", upload_request(title=title)).json["errors"]
    assert field["field"] == "title"
    assert field["messages"]["ko"]


def test_which_files_have_arrived_is_seen_and_the_rest_get_fresh_urls(
    client: ApiClient, database: TestDatabase
) -> None:
    """An upload goes on where it stopped, with URLs that live longer."""
    subtitles = [{"language": "ko", "content_type": "text/vtt", "size_bytes": 1}]
    created = client.post("/v1/uploads", upload_request(subtitles=subtitles)).json
    path = f"/v1/uploads/{created['video']['id']}"
    database.owner_rows(
        "UPDATE upload_objects SET expires_at = now() - interval '1 hour', "
        "finalized_at = CASE ordinal WHEN 1 THEN now() END"
    )
    before = client.get(path).json["objects"]
    assert [item["arrived"] for item in before] == [False, True]

    (fresh,) = client.post(f"{path}/urls", {"resumable": False}).json["uploads"]
    assert (fresh["ordinal"], fresh["method"]) == (0, "PUT")
    after = client.get(path).json["objects"]
    assert datetime.fromisoformat(after[0]["expires_at"]) > datetime.fromisoformat(
        before[0]["expires_at"]
    )
    assert after[1]["expires_at"] == before[1]["expires_at"]
    assert client.post(f"{path}/urls").json["uploads"][0]["method"] == "POST"


def test_a_file_that_arrived_wrong_is_named(client: ApiClient, database: TestDatabase) -> None:
    """With the code and what to do."""
    video_id = client.post("/v1/uploads", upload_request()).json["video"]["id"]
    database.owner_rows("UPDATE upload_objects SET error_code = 'size_mismatch'")
    (item,) = client.get(f"/v1/uploads/{video_id}").json["objects"]
    assert item["error"]["code"] == "size_mismatch"
    assert "다시" in item["error"]["messages"]["ko"]


def test_urls_are_only_for_uploads_that_are_under_way(client: ApiClient, ledger: Ledger) -> None:
    """A video that is processed cannot be overwritten."""
    video_id = ledger.video(state="processing")
    answer = client.post(f"/v1/uploads/{video_id}/urls", {})
    assert (answer.status_code, answer.json["code"]) == (409, "wrong_state")


def test_uploads_need_a_token_that_was_not_revoked(revoked: ApiClient, ledger: Ledger) -> None:
    """Reading goes on until the token expires; uploading does not."""
    assert revoked.get("/v1/videos").status_code == 200
    assert revoked.post("/v1/uploads", upload_request()).status_code == 401
    assert ledger.count("videos") == 0
