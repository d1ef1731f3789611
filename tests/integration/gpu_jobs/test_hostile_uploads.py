"""Hostile files through a real worker: its ledger says why, and the next video is not affected."""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from common.database import Database
from common.ledger.outbox import Outbox
from common.ledger.uploads import Uploads
from gpu_jobs import pipeline, sandbox
from gpu_jobs.runner import Runner
from gpu_jobs.stage import Pipeline
from tests.conftest import TestDatabase
from tests.hostile.case import ACCEPTED, CANARY, LIMITS, Case, Place, raw
from tests.hostile.clips import clip
from tests.hostile.table import CASES
from tests.ledger import Upload, declare, video_row
from tests.tiny_pipeline import ARTIFACTS, Rig

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the child is confined by Linux")

#: One of each way to end: refused by bytes, by boxes, by FFmpeg, by counts; out of memory; damaged.
CHOSEN: Final = (8, 16, 33, 42, 46, 55, 62, 70, 78, 80, 94, 117)
#: The lane that reads hostile bytes, as it is in production.
MEDIA: Final = Pipeline(stage for stage in pipeline.PIPELINE.stages if stage.lane == "media")


@dataclass(kw_only=True)
class MediaRig(Rig):
    """A worker of the media lane with its real stages and sandbox."""

    pipeline: Pipeline = MEDIA

    def runner(self) -> Runner:
        """A runner that starts a limited child for each call."""
        tools = super().runner()._tools
        confined = dataclasses.replace(tools, sandbox=sandbox.call, limits=LIMITS)
        return Runner(self.pipeline, confined, photos=self.photos)


def _children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


def _upload(
    rig: Rig, database: TestDatabase, ingest: Database, user_id: UUID, data: bytes
) -> Upload:
    """Declare, store and take in a file, and ring for it."""
    upload = declare(database, user_id)
    info = rig.store.put("uploads", upload.video_name, data, "video/mp4")
    database.owner_rows(
        "UPDATE upload_objects SET crc32c = :crc32c, size_bytes = :size WHERE video_id = :id",
        crc32c=info.crc32c,
        size=info.size_bytes,
        id=upload.video_id,
    )
    stored = upload.stored_video(
        generation=info.generation, crc32c=info.crc32c, size_bytes=info.size_bytes
    )
    arrival = Uploads(ingest, grace_s=60.0).finalize(user_id, upload.video_id, stored)
    Outbox(ingest, rig.bus).publish(user_id, arrival.message_ids)
    return upload


def test_one_worker_survives_all_of_them(
    database: TestDatabase,
    worker_database: Database,
    ingest_database: Database,
    user_id: UUID,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each file fails with its code at the first attempt; then a good one is processed."""
    rig = MediaRig(db=worker_database, directory=tmp_path / "rig")
    cases = [case for case in CASES if case.number in CHOSEN and case.suffix in ("mp4", "mov")]
    good = Case(number=0, name="good file", make=raw(clip), expected=ACCEPTED)
    uploads = {
        case: _upload(rig, database, ingest_database, user_id, _bytes(case, tmp_path))
        for case in (*cases, good)
    }
    before = _children()
    rig.worker("media").run()
    assert _children() <= before
    for case, upload in uploads.items():
        video, run = video_row(database, upload.video_id), _media_run(database, upload)
        if case.expected == ACCEPTED:
            assert (run.state, video.error_code) == ("done", None), case.id
        else:
            assert (video.state, run.state, run.attempt) == ("failed", "failed", 1), case.id
            assert video.error_code in case.codes or not case.codes, case.id
    artifacts = b"".join(
        rig.store.read(ARTIFACTS, info.name) for info in rig.store.list(ARTIFACTS, "")
    )
    logged = capfd.readouterr()
    rows = str(database.owner_rows("SELECT * FROM runs")) + str(
        database.owner_rows("SELECT * FROM jobs")
    )
    assert CANARY.encode() not in artifacts
    assert CANARY not in logged.out + logged.err + rows


def _media_run(database: TestDatabase, upload: Upload) -> Any:
    (row,) = database.owner_rows(
        "SELECT * FROM runs WHERE video_id = :id AND lane = 'media'", id=upload.video_id
    )
    return row


def _bytes(case: Case, folder: Path) -> bytes:
    canary, secret = folder / "canary.mkv", folder / "canary.txt"
    canary.touch()
    secret.write_text(CANARY)
    path = folder / f"{os.urandom(4).hex()}.{case.suffix}"
    case.make(Place(path=path, canary=canary, secret=secret, honeypot="127.0.0.1:9"))
    return path.read_bytes()
