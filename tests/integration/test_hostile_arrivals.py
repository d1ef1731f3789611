"""Crafted inputs 101–106: objects in the bucket that are not what was announced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from common.arrivals import Arrivals
from common.database import Database
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.uploads import Uploads
from functions.upload_finalized.main import Services, handle
from tests.conftest import TestDatabase
from tests.fakes import FileBus, FileStore
from tests.hostile.case import ACCEPTED, Case
from tests.hostile.table import CASES
from tests.ledger import Upload, stand_upload, video_row

LEDGER: Final = [case for case in CASES if case.where == "ledger"]


class Bucket:
    """A bucket, the ledger and the function between them.

    Args:
        database: to look into.
        db: as `heimdex_ingest`.
        directory: for objects and messages.
        user_id: who uploads.
    """

    def __init__(
        self, database: TestDatabase, db: Database, directory: Path, user_id: UUID
    ) -> None:
        self.database = database
        self.store = FileStore(directory / "objects")
        self.uploads = Uploads(db, grace_s=0.0)
        outbox = Outbox(db, FileBus(directory / "messages"))
        arrivals = Arrivals(self.uploads, Photos(db, grace_s=0.0), outbox)
        self._services = Services(arrivals=arrivals, store=self.store, bucket="uploads")
        self.upload = stand_upload(self.store, database, user_id)

    def arrive(self, upload: Upload | None = None, **changes: Any) -> None:
        """An object-finalize event as the function gets it."""
        name = (upload or self.upload).video_name
        info = self.store.stat("uploads", name)
        assert info is not None
        data = {
            "bucket": "uploads",
            "name": name,
            "generation": str(info.generation),
            "size": str(info.size_bytes),
            "contentType": info.content_type,
            "crc32c": info.crc32c,
        }
        handle(data | changes, "", self._services)

    @property
    def code(self) -> str:
        """What became of the video."""
        video = video_row(self.database, self.upload.video_id)
        if video.state == "queued":
            return ACCEPTED
        assert video.state == "failed"
        return str(video.error_code)

    def runs(self) -> list[tuple[str, int]]:
        """State and generation of the runs, the oldest generation first."""
        rows = self.database.owner_rows("SELECT state, generation FROM runs ORDER BY generation")
        return [(row.state, row.generation) for row in rows]


@pytest.fixture
def bucket(
    database: TestDatabase, ingest_database: Database, tmp_path: Path, user_id: UUID
) -> Bucket:
    """A bucket in which an announced object lies."""
    return Bucket(database, ingest_database, tmp_path, user_id)


def _another_size(bucket: Bucket) -> str:
    bucket.arrive(size="99")
    assert bucket.runs() == []
    return bucket.code


def _another_checksum(bucket: Bucket) -> str:
    bucket.arrive(crc32c="BBBBBB==")
    assert bucket.runs() == []
    return bucket.code


def _another_type(bucket: Bucket) -> str:
    bucket.arrive(contentType="text/html")
    assert bucket.runs() == []
    return bucket.code


def _never_announced(bucket: Bucket) -> str:
    """There is nobody to be told: the object goes, and the log has the code."""
    stray = Upload(user_id=bucket.upload.user_id, video_id=uuid4())
    bucket.store.put("uploads", stray.video_name, b"x" * 100, "video/mp4")
    bucket.arrive(stray)
    assert bucket.store.stat("uploads", stray.video_name) is None
    assert bucket.runs() == []
    return bucket.uploads.finalize(stray.user_id, stray.video_id, stray.stored_video()).code


def _too_late(bucket: Bucket) -> str:
    bucket.database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '1 h'")
    assert bucket.uploads.expire(bucket.upload.user_id, bucket.upload.video_id)
    bucket.arrive()
    assert bucket.runs() == []
    return bucket.code


def _replaced(bucket: Bucket) -> str:
    """The run of the older object is cancelled, and a late event of it changes nothing."""
    bucket.arrive()
    bucket.arrive(generation="99")
    bucket.arrive()
    assert [state for state, _ in bucket.runs()] == ["cancelled", "ready"]
    return bucket.code


_ARRIVALS: Final[dict[int, Callable[[Bucket], str]]] = {
    101: _another_size,
    102: _another_checksum,
    103: _another_type,
    104: _never_announced,
    105: _too_late,
    106: _replaced,
}


@pytest.mark.parametrize("case", LEDGER, ids=lambda case: case.id)
def test_an_object_that_is_not_as_announced(bucket: Bucket, case: Case) -> None:
    """Each has its code in the ledger, and nothing of it is ever decoded."""
    assert _ARRIVALS[case.number](bucket) in case.codes
