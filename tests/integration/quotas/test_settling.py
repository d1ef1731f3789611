"""Minutes: an upload reserves them, and the video's end settles what it really used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from common.database import Database
from common.domain import Lease
from common.errors import InputError, TransientError
from common.ledger.claims import Claims
from common.ledger.endings import Endings, Indexed
from common.ledger.uploads import StoredObject, Uploads
from common.quotas.admission import admit, settle
from common.quotas.buckets import levels
from tests.clock import FakeClock
from tests.conftest import TestDatabase
from tests.ledger import CRC32C, POLICY, declare, insert_run, run_row, video_row
from tests.sweeping import make_sweeper

_RESERVED_MS = 600_000


def _left_ms(db: Database, user_id: UUID) -> int:
    with db.tenant(user_id) as tx:
        return {level.bucket: level.left for level in levels(tx, user_id)}["video_ms"]


def _reserve(db: Database, database: TestDatabase, user_id: UUID) -> None:
    """What POST /v1/uploads does for the videos that the test has declared."""
    with db.tenant(user_id, effect="test.admit") as tx:
        admit(tx, user_id, size_bytes=100, reserve_ms=_RESERVED_MS)
    database.owner_rows("UPDATE videos SET reserved_ms = :ms", ms=_RESERVED_MS)


@pytest.fixture
def lease(
    database: TestDatabase, api_database: Database, worker_database: Database, free_id: UUID
) -> Lease:
    """A claimed run of a free user's only video."""
    run_id = insert_run(database, free_id)
    lane = run_row(database, run_id).lane
    _reserve(api_database, database, free_id)
    claimed = Claims(worker_database, POLICY).claim(free_id, run_id, lane, "a worker")
    assert claimed is not None
    return claimed


def _index(db: Database, lease: Lease, duration_ms: int) -> None:
    indexed = Indexed(index_version="v", scene_count=1, duration_ms=duration_ms)
    Endings(db, POLICY).complete(lease, apply=lambda _: indexed)


@pytest.mark.parametrize(
    ("duration_ms", "left_ms"),
    [(0, 1_800_000), (45_000, 1_755_000), (600_000, 1_200_000), (600_480, 1_200_000)],
)
def test_an_indexed_video_costs_its_length(
    api_database: Database,
    worker_database: Database,
    database: TestDatabase,
    free_id: UUID,
    lease: Lease,
    duration_ms: int,
    left_ms: int,
) -> None:
    """What it did not use of its reservation comes back, never more than the reservation."""
    assert _left_ms(api_database, free_id) == 1_200_000
    _index(worker_database, lease, duration_ms)
    assert _left_ms(api_database, free_id) == left_ms
    assert video_row(database, lease.run.video_id).reserved_ms is None


def test_a_failed_video_costs_no_minutes(
    api_database: Database, worker_database: Database, free_id: UUID, lease: Lease
) -> None:
    """Its upload was one of the day's, but nothing of it can be searched."""
    Endings(worker_database, POLICY).fail(lease, InputError("not_video"))
    assert _left_ms(api_database, free_id) == 1_800_000


def test_a_failure_that_is_retried_keeps_the_reservation(
    api_database: Database, worker_database: Database, free_id: UUID, lease: Lease
) -> None:
    """Only the end settles."""
    Endings(worker_database, POLICY).fail(lease, TransientError("stage_failed"))
    assert _left_ms(api_database, free_id) == 1_200_000


@pytest.mark.parametrize("times", [2, 5])
def test_settling_again_returns_nothing(
    api_database: Database, free_id: UUID, lease: Lease, times: int
) -> None:
    """However often an end is recorded, the reservation comes back once."""
    with api_database.tenant(free_id, effect="test.charge") as tx:
        admit(tx, free_id, size_bytes=1, reserve_ms=_RESERVED_MS)
    assert lease.run.video_id is not None
    for _ in range(times):
        with api_database.tenant(free_id, effect="test.settle") as tx:
            settle(tx, free_id, lease.run.video_id, used_ms=0)
    assert _left_ms(api_database, free_id) == 1_200_000


def test_a_refund_does_not_overfill(
    api_database: Database,
    worker_database: Database,
    clock: FakeClock,
    free_id: UUID,
    lease: Lease,
) -> None:
    """Minutes that time has brought back already are not given twice."""
    clock.advance(86_400)
    _index(worker_database, lease, 0)
    assert _left_ms(api_database, free_id) == 1_800_000
    with api_database.tenant(free_id, effect="test.admit") as tx:
        for _ in range(2):
            admit(tx, free_id, size_bytes=1, reserve_ms=_RESERVED_MS)
    assert _left_ms(api_database, free_id) == 600_000


def _never_arrives(db: Database, database: TestDatabase, user_id: UUID, directory: Path) -> None:
    database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '1 day'")
    database.owner_rows("UPDATE videos SET created_at = now() - interval '1 day'")
    assert make_sweeper(db, directory).sweeper.sweep().done["uploads"] == 1


def _arrives_wrong(db: Database, database: TestDatabase, user_id: UUID, directory: Path) -> None:
    (row,) = database.owner_rows("SELECT video_id, object_name FROM upload_objects")
    stored = StoredObject(
        name=row.object_name,
        generation=7,
        size_bytes=99,
        content_type="video/mp4",
        crc32c=CRC32C,
    )
    arrival = Uploads(db, grace_s=60.0).finalize(user_id, row.video_id, stored)
    assert arrival.code == "size_mismatch"


@pytest.mark.parametrize("ends", [_never_arrives, _arrives_wrong])
def test_an_upload_that_comes_to_nothing_returns_its_minutes(
    api_database: Database,
    ingest_database: Database,
    database: TestDatabase,
    free_id: UUID,
    tmp_path: Path,
    ends: Callable[[Database, TestDatabase, UUID, Path], None],
) -> None:
    """The event function and the sweep settle too."""
    declare(database, free_id)
    _reserve(api_database, database, free_id)
    ends(ingest_database, database, free_id, tmp_path)
    assert _left_ms(api_database, free_id) == 1_800_000
