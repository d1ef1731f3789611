"""What goes wrong in practice: doubled events, killed workers, several uploads at once."""

from __future__ import annotations

import contextlib
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import sqlalchemy
from sqlalchemy import text

from local.client import Client
from local.cloud import Cloud
from tests.e2e.conftest import index, wait_for_end
from tests.media import write_clip

pytestmark = pytest.mark.xdist_group("e2e")


def test_two_uploads_at_once_are_each_indexed_once(
    cloud: Cloud, client: Client, tmp_path: Path
) -> None:
    """Parallel uploads of one user do not disturb each other."""
    videos = [tmp_path / "one.mp4", tmp_path / "two.mkv"]
    for video in videos:
        write_clip(video, shots_ms=(1500, 1500))
    with ThreadPoolExecutor() as pool:
        ids = list(pool.map(lambda video: index(client, video), videos))
    for video_id in ids:
        assert _runs(cloud, video_id) == [("gpu", "done"), ("media", "done")]
        assert len(client.scenes(video_id)) == 2


def test_an_event_delivered_ten_times_makes_one_run(
    cloud: Cloud, client: Client, tmp_path: Path
) -> None:
    """Finalize events delivered ten times end in one run per lane and one set of scenes."""
    video = tmp_path / "again.mp4"
    write_clip(video, shots_ms=(1500, 1500))
    cloud.storage_faults.event_duplicates = 9
    try:
        video_id = index(client, video)
    finally:
        cloud.storage_faults.event_duplicates = 0
    assert _runs(cloud, video_id) == [("gpu", "done"), ("media", "done")]
    assert len(client.scenes(video_id)) == 2


# Each waits for a lease to end; what is killed where is `tests/faults`' business.
@pytest.mark.parametrize("lane", ["media", pytest.param("gpu", marks=pytest.mark.deep)])
def test_a_killed_worker_is_taken_over(
    cloud: Cloud, client: Client, tmp_path: Path, lane: str
) -> None:
    """SIGKILL in the middle of a lane: another worker resumes, and the video is indexed once."""
    video = tmp_path / "killed.mp4"
    write_clip(video, shots_ms=(2000,) * 6)
    video_id = client.upload(video)
    _kill_worker_of(cloud, video_id, lane)
    status = wait_for_end(client, video_id)
    assert status["state"] == "indexed", status
    assert _runs(cloud, video_id) == [("gpu", "done"), ("media", "done")]
    assert len(client.scenes(video_id)) == 6
    assert _attempts(cloud, video_id, lane) == 2


def _kill_worker_of(cloud: Cloud, video_id: str, lane: str) -> None:
    """Wait until a worker has claimed the video's run in the lane, and kill that process."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = _query(
            cloud,
            "SELECT owner FROM runs WHERE video_id = CAST(:video_id AS uuid) AND lane = :lane "
            "AND state = 'running'",
            video_id=video_id,
            lane=lane,
        )
        if rows:
            execution = str(rows[0][0]).split("/")[0]
            _worker_process(execution).send_signal(signal.SIGKILL)
            return
        time.sleep(0.01)
    pytest.fail(f"no worker claimed the {lane} run")


def _worker_process(execution: str) -> psutil.Process:
    """The process of an execution: the jobs stand-in names it by Cloud Run's own variable."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("CLOUD_RUN_EXECUTION") == execution:
                return process
    pytest.fail(f"no process runs {execution}")


def _runs(cloud: Cloud, video_id: str) -> list[tuple[str, str]]:
    rows = _query(
        cloud,
        "SELECT lane, state FROM runs WHERE video_id = CAST(:video_id AS uuid) ORDER BY lane",
        video_id=video_id,
    )
    return [(str(lane), str(state)) for lane, state in rows]


def _attempts(cloud: Cloud, video_id: str, lane: str) -> int:
    rows = _query(
        cloud,
        "SELECT attempt FROM runs WHERE video_id = CAST(:video_id AS uuid) AND lane = :lane",
        video_id=video_id,
        lane=lane,
    )
    return int(str(rows[0][0]))


def _query(cloud: Cloud, sql: str, **parameters: str) -> list[tuple[object, ...]]:
    engine = sqlalchemy.create_engine(cloud.address.database_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), parameters)]
