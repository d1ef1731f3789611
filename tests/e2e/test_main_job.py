"""Upload by signed URL, index by events and jobs, find the moment: through real processes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from gpu_jobs.pipeline import PIPELINE
from local.client import ApiError, Client, Subtitles
from local.demo import as_expected
from local.sample.script import KNOWN_MOMENTS, SHOTS, KnownMoment
from local.sample.video import make_sample
from tests.e2e.conftest import index
from tests.media import write_clip

pytestmark = pytest.mark.xdist_group("e2e")

_KOREAN_SRT = """1
00:00:00,200 --> 00:00:01,800
오늘은 부산에서 기차를 탔어요

2
00:00:02,200 --> 00:00:03,800
바다가 정말 아름답습니다
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample video."""
    return make_sample(tmp_path_factory.mktemp("sample") / "sample.mp4")


@pytest.fixture(scope="module")
def indexed(cloud: object, sample: Path, request: pytest.FixtureRequest) -> tuple[Client, str]:
    """A user who has the sample indexed."""
    from uuid import uuid4

    from local.client import sign_in
    from local.cloud import Cloud

    assert isinstance(cloud, Cloud)
    endpoints = cloud.address.endpoints
    client = Client(endpoints, sign_in(endpoints, f"{uuid4().hex}@example.com", "a password"))
    return client, index(client, sample)


@pytest.mark.parametrize("moment", KNOWN_MOMENTS, ids=lambda m: m.kind)
def test_each_known_moment_comes_first(indexed: tuple[Client, str], moment: KnownMoment) -> None:
    """Speech, on-screen text, colour, Korean: the right shot; nonsense: nothing."""
    client, _ = indexed
    answer = client.search(moment.query)
    assert as_expected(moment, answer), answer


def test_every_stage_is_done_and_the_scenes_cover_the_video(indexed: tuple[Client, str]) -> None:
    """All stages of the table end, and the scenes leave no gap."""
    client, video_id = indexed
    status = client.status(video_id)
    reported = [stage["stage"] for stage in status["stages"]]
    assert reported == [stage.name for stage in PIPELINE.stages]
    assert {stage["state"] for stage in status["stages"]} <= {"done", "skipped"}
    scenes = client.scenes(video_id)
    assert scenes[0]["start_ms"] == 0
    assert all(a["end_ms"] == b["start_ms"] for a, b in pairwise(scenes))
    assert len(scenes) >= len(SHOTS) + 1, "the long take is cut into windows"


def test_a_hit_explains_itself(indexed: tuple[Client, str]) -> None:
    """A hit says when, which leg found it, which words matched and which frame shows it."""
    client, video_id = indexed
    hit = client.search("emergency exit")["hits"][0]
    assert hit["video_id"] == video_id
    assert hit["tier"] == "strong"
    assert hit["matched_words"]
    assert hit["start_ms"] <= hit["best_frame_ms"] < hit["end_ms"]
    assert any(leg["score"] for leg in hit["legs"].values())
    assert hit["why"]["en"]
    assert hit["why"]["ko"]


def test_the_preview_plays_from_the_moment(indexed: tuple[Client, str], sample: Path) -> None:
    """The signed preview URL serves the uploaded bytes, by ranges, and names the span."""
    client, _ = indexed
    hit = client.search("emergency exit")["hits"][0]
    preview = client.preview(hit["scene_id"])
    assert f"#t={hit['start_ms'] / 1000:g}" in preview["url"]
    answer = requests.get(preview["url"], headers={"Range": "bytes=100-199"}, timeout=10)
    assert answer.status_code == 206
    assert answer.content == sample.read_bytes()[100:200]
    assert answer.headers["Content-Type"] == "video/mp4"


def test_uploaded_subtitles_in_two_languages_are_found(client: Client, tmp_path: Path) -> None:
    """An .srt in Korean and a .vtt in English, declared with the video, are both searchable."""
    video = tmp_path / "trip.webm"
    write_clip(video, shots_ms=(2000, 2000))
    korean, english = tmp_path / "trip.ko.srt", tmp_path / "trip.en.vtt"
    korean.write_text(_KOREAN_SRT)
    english.write_text("WEBVTT\n\n00:02.200 --> 00:03.800\nThe sea is beautiful\n")
    index(
        client,
        video,
        subtitles=[
            Subtitles(path=korean, language="ko"),
            Subtitles(path=english, language="en"),
        ],
    )
    assert client.search("부산 기차")["hits"][0]["start_ms"] == 0
    assert client.search("바다")["hits"][0]["start_ms"] == 2000
    assert client.search("beautiful sea")["hits"][0]["start_ms"] == 2000


def test_another_tenant_sees_nothing(
    indexed: tuple[Client, str], new_client: Callable[[], Client]
) -> None:
    """A foreign video answers exactly like a missing one, and search finds none of it."""
    _, video_id = indexed
    stranger = new_client()
    assert stranger.search("emergency exit")["nothing_found"]
    with pytest.raises(ApiError) as foreign:
        stranger.status(video_id)
    with pytest.raises(ApiError) as missing:
        stranger.status("00000000-0000-4000-8000-000000000000")
    assert (foreign.value.status, foreign.value.code, foreign.value.message) == (
        missing.value.status,
        missing.value.code,
        missing.value.message,
    )
    assert foreign.value.status == 404


def test_a_deleted_video_is_gone(client: Client, tmp_path: Path) -> None:
    """After deletion neither the video nor its moments can be found."""
    video = tmp_path / "short.mp4"
    write_clip(video, shots_ms=(1000,))
    subtitles = tmp_path / "short.en.srt"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nfarewell party\n")
    video_id = index(client, video, subtitles=[Subtitles(path=subtitles, language="en")])
    assert client.search("farewell party")["hits"]
    client.delete(video_id)
    assert client.search("farewell party")["nothing_found"]
    with pytest.raises(ApiError, match="not_found"):
        client.status(video_id)
