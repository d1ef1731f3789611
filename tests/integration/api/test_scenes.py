"""`/v1/scenes`, against a real database and a real signer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import numpy as np
import pytest

from common import search_index
from common.database import Database
from common.domain import IndexRows, SceneRow, Segment, Tag, TextLine, Word
from tests.conftest import TestDatabase
from tests.integration.api.world import ApiClient, Ledger, upload_request


@pytest.fixture
def indexed(ledger: Ledger) -> UUID:
    """An indexed video with five scenes, and one of an older index version."""
    video_id = ledger.video(state="indexed", index_version="offline-1")
    for ordinal in (3, 1, 4, 0, 2):
        ledger.scene(video_id, ordinal)
    ledger.scene(video_id, 0, index_version="offline-0")
    return video_id


def test_scenes_come_in_order_over_pages(client: ApiClient, indexed: UUID) -> None:
    """Only those of the current index version."""
    path = f"/v1/videos/{indexed}/scenes?page_size=3"
    first = client.get(path).json
    rest = client.get(f"{path}&page_token={first['next_page_token']}").json
    scenes = first["scenes"] + rest["scenes"]
    assert [scene["ordinal"] for scene in scenes] == [0, 1, 2, 3, 4]
    assert {scene["index_version"] for scene in scenes} == {"offline-1"}
    assert rest["next_page_token"] is None


def test_a_page_token_of_another_video_is_refused(
    client: ApiClient, ledger: Ledger, indexed: UUID
) -> None:
    """Tokens belong to one list."""
    token = client.get(f"/v1/videos/{indexed}/scenes?page_size=1").json["next_page_token"]
    answer = client.get(f"/v1/videos/{ledger.video()}/scenes?page_token={token}")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_page_token")


def test_a_video_that_is_not_indexed_has_no_scenes(client: ApiClient, ledger: Ledger) -> None:
    """An empty list, not an error."""
    assert client.get(f"/v1/videos/{ledger.video()}/scenes").json == {
        "scenes": [],
        "next_page_token": None,
    }


def test_a_scene_shows_what_the_workers_wrote(
    client: ApiClient, ledger: Ledger, worker_database: Database, user_id: UUID
) -> None:
    """Rows written by the pipeline's own writer are read back whole."""
    video_id, scene_id = ledger.video(index_version="offline-1"), uuid4()
    word = Word(start_ms=1200, end_ms=1500, text="빨간")
    row = SceneRow(
        scene_id=scene_id,
        ordinal=0,
        start_ms=1000,
        end_ms=5000,
        transcript=(
            Segment(start_ms=1200, end_ms=2000, text="빨간 차", language="ko", words=(word,)),
        ),
        languages=("ko",),
        screen_text=(
            TextLine(
                scene_ordinal=0, time_ms=1100, text="EXIT", box=(0, 0, 0.5, 0.25), confidence=0.5
            ),
        ),
        tags=(Tag(ordinal=0, tag="red", score=0.75),),
        terms=(),
        text_vector=None,
        frame_times_ms=(),
        frame_vectors=np.zeros((0, 1152), np.float32),
        best_frame_ms=1100,
    )
    rows = IndexRows(
        index_version="offline-1", duration_ms=5000, text_model="t", image_model="i", scenes=(row,)
    )
    with worker_database.tenant(user_id, effect="test.commit") as tx:
        search_index.replace_video(tx, user_id=user_id, video_id=video_id, rows=rows)

    assert client.get(f"/v1/scenes/{scene_id}").json == {
        "id": str(scene_id),
        "video_id": str(video_id),
        "ordinal": 0,
        "start_ms": 1000,
        "end_ms": 5000,
        "transcript": [{"start_ms": 1200, "end_ms": 2000, "text": "빨간 차", "language": "ko"}],
        "languages": ["ko"],
        "screen_text": [
            {"time_ms": 1100, "text": "EXIT", "box": [0.0, 0.0, 0.5, 0.25], "confidence": 0.5}
        ],
        "tags": [{"tag": "red", "score": 0.75}],
        "best_frame_ms": 1100,
        "index_version": "offline-1",
    }


@pytest.fixture
def playable(client: ApiClient, ledger: Ledger) -> UUID:
    """A scene from 4 s to 8 s of an uploaded video."""
    body = upload_request(video={"content_type": "video/webm", "size_bytes": 9})
    video_id = UUID(client.post("/v1/uploads", body).json["video"]["id"])
    return ledger.scene(video_id, 1)


def test_a_preview_starts_at_the_moment(client: ApiClient, playable: UUID) -> None:
    """A signed inline URL of the upload, its type fixed, with a fragment in seconds."""
    before = datetime.now(UTC)
    preview = client.get(f"/v1/scenes/{playable}/preview").json
    url = urlsplit(preview["url"])
    query = parse_qs(url.query)
    assert url.fragment == "t=4.000,8.000"
    assert url.path.endswith(".webm")
    assert query["response-content-type"] == ["video/webm"]
    assert query["response-content-disposition"] == ["inline"]
    assert query["X-Goog-Expires"] == ["300"]
    assert (preview["start_ms"], preview["end_ms"]) == (4000, 8000)
    assert preview["content_type"] == "video/webm"
    left = datetime.fromisoformat(preview["expires_at"]) - before
    assert timedelta(seconds=290) < left < timedelta(seconds=310)


def test_a_preview_can_start_inside_the_scene(client: ApiClient, playable: UUID) -> None:
    """At a moment of the scene, and at no other."""
    path = f"/v1/scenes/{playable}/preview"
    assert client.get(f"{path}?at_ms=7999").json["url"].endswith("#t=7.999,8.000")
    for outside in (3999, 8000):
        answer = client.get(f"{path}?at_ms={outside}")
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "at_ms")


def test_a_scene_without_its_upload_has_no_preview(
    client: ApiClient, playable: UUID, database: TestDatabase
) -> None:
    """It answers like anything that is not there."""
    database.owner_rows("DELETE FROM upload_objects")
    assert client.get(f"/v1/scenes/{playable}/preview").status_code == 404


def test_a_scene_that_a_late_worker_left_behind_is_not_shown(
    client: ApiClient, ledger: Ledger
) -> None:
    """A deleted video has no scenes, whatever rows there are."""
    scene_id = ledger.scene(ledger.video(deleted_at=datetime.now(UTC)))
    for path in (f"/v1/scenes/{scene_id}", f"/v1/scenes/{scene_id}/preview"):
        assert client.get(path).status_code == 404
