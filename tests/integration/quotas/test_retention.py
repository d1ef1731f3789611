"""Free videos are kept thirty days, and their users are told a week before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from common.database import Database
from common.quotas.usage import expiry_notices
from functions.start_jobs.sweeping import NOTICE_S
from tests.conftest import TestDatabase, insert_user
from tests.ledger import Upload, declare, insert_run, run_row, stand_upload, video_row
from tests.sweeping import make_sweeper, tiny_scene

_WEEK = timedelta(seconds=NOTICE_S)


@pytest.fixture
def cloud(ingest_database: Database, tmp_path: Path) -> Any:
    """A sweeper, its store and its bus."""
    return make_sweeper(ingest_database, tmp_path)


@pytest.fixture
def owner_id(database: TestDatabase) -> UUID:
    """A free user, by the real clock."""
    return insert_user(database, tier="free")


def _expires_in(database: TestDatabase, upload: Upload, **interval: float) -> None:
    database.owner_rows(
        "UPDATE videos SET expires_at = :at WHERE id = :id",
        at=datetime.now(UTC) + timedelta(**interval),
        id=upload.video_id,
    )


def _age(database: TestDatabase, **interval: float) -> None:
    """Let time pass for what videos were promised."""
    database.owner_rows(
        "UPDATE videos SET expires_at = expires_at - CAST(:by AS interval), "
        "expiry_announced_at = expiry_announced_at - CAST(:by AS interval)",
        by=timedelta(**interval),
    )


def test_the_end_is_announced_a_week_before_and_then_comes(
    cloud: Any, database: TestDatabase, api_database: Database, owner_id: UUID
) -> None:
    """Not sooner, once, visible to the user; after the week the video and its objects go."""
    upload = stand_upload(cloud.store, database, owner_id)
    database.owner_rows("UPDATE videos SET state = 'indexed'")
    tiny_scene(database, upload)
    _expires_in(database, upload, days=7, minutes=5)
    assert cloud.sweeper.sweep().done["announced"] == 0
    _age(database, minutes=10)
    assert [cloud.sweeper.sweep().done["announced"] for _ in range(2)] == [1, 0]
    with api_database.tenant(owner_id) as tx:
        (notice,) = expiry_notices(tx, owner_id)
    assert (notice.id, notice.title) == (upload.video_id, "A video")
    assert notice.expires_at >= notice.expiry_announced_at + _WEEK

    _age(database, days=6, hours=23)
    report = cloud.sweeper.sweep()
    assert (report.done["announced"], report.done["expired"]) == (0, 0)
    assert database.owner_rows("SELECT 1 FROM scenes")
    _age(database, hours=2)
    assert [cloud.sweeper.sweep().done["expired"] for _ in range(2)] == [1, 0]
    assert video_row(database, upload.video_id).deleted_at is not None
    assert database.owner_rows("SELECT 1 FROM scenes") == []
    assert cloud.store.stat("uploads", upload.video_name) is None
    actions = database.owner_rows("SELECT action, actor, subject_id FROM audit_events ORDER BY at")
    assert [tuple(row) for row in actions] == [
        ("video.expiry_announced", "system", upload.video_id),
        ("video.expired", "system", upload.video_id),
    ]


def test_nobody_loses_a_video_that_was_not_announced(
    cloud: Any, database: TestDatabase, owner_id: UUID
) -> None:
    """A sweep that comes late moves the end: the notice is a whole week, always."""
    upload = declare(database, owner_id)
    _expires_in(database, upload, days=-40)
    for _ in range(2):
        cloud.sweeper.sweep()
        row = video_row(database, upload.video_id)
        assert row.deleted_at is None
        assert row.expires_at >= row.expiry_announced_at + _WEEK
    _age(database, days=7, hours=1)
    assert cloud.sweeper.sweep().done["expired"] == 1


def test_other_tiers_keep_their_videos(cloud: Any, database: TestDatabase, user_id: UUID) -> None:
    """No promise of an end, no end."""
    upload = declare(database, user_id)
    database.owner_rows("UPDATE videos SET created_at = now() - interval '10 years'")
    report = cloud.sweeper.sweep()
    assert (report.done["announced"], report.done["expired"]) == (0, 0)
    assert video_row(database, upload.video_id).deleted_at is None


def test_another_tier_saves_what_was_announced(
    cloud: Any, database: TestDatabase, owner_id: UUID
) -> None:
    """Also when the sweep has found the video already; going back counts thirty days from then."""
    upload = declare(database, owner_id)
    _expires_in(database, upload, days=1)
    cloud.sweeper.sweep()
    _age(database, days=8)
    (found,) = cloud.sweep.expired_videos(NOTICE_S)
    database.owner_rows("SELECT set_tier(:id, 'pro')", id=owner_id)
    assert not cloud.sweep.expire(found, NOTICE_S)
    assert cloud.sweeper.sweep().done["expired"] == 0
    row = video_row(database, upload.video_id)
    assert (row.deleted_at, row.expires_at, row.expiry_announced_at) == (None, None, None)

    database.owner_rows("SELECT set_tier(:id, 'free')", id=owner_id)
    left = video_row(database, upload.video_id).expires_at - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_a_worker_loses_a_video_that_ends(
    cloud: Any, database: TestDatabase, owner_id: UUID
) -> None:
    """The ordinary deletion: runs are cancelled and their tokens move on."""
    run_id = insert_run(database, owner_id)
    before = run_row(database, run_id)
    database.owner_rows(
        "UPDATE videos SET expires_at = now() - interval '1 s', "
        "expiry_announced_at = now() - interval '8 days'"
    )
    assert cloud.sweeper.sweep().done["expired"] == 1
    after = run_row(database, run_id)
    assert after.state == "cancelled"
    assert after.fencing_token > before.fencing_token


def test_a_user_who_deletes_first_is_not_swept(
    cloud: Any, database: TestDatabase, owner_id: UUID
) -> None:
    """A deleted video has no end left to announce or to come."""
    declare(database, owner_id)
    database.owner_rows(
        "UPDATE videos SET deleted_at = now(), expires_at = now() - interval '1 s', "
        "expiry_announced_at = now() - interval '8 days'"
    )
    assert cloud.sweeper.sweep().done["expired"] == 0
    assert database.owner_rows("SELECT 1 FROM erasures") == []


def test_a_bucket_that_is_full_again_is_forgotten(
    cloud: Any, database: TestDatabase, owner_id: UUID
) -> None:
    """Its row says nothing any more; one that still fills stays."""
    for bucket, full_at in (("uploads", "now() - interval '25 hours'"), ("exports", "now()")):
        database.owner_rows(
            f"INSERT INTO quota_buckets (user_id, bucket, full_at) VALUES (:id, :b, {full_at})",
            id=owner_id,
            b=bucket,
        )
    assert cloud.sweeper.sweep().done["forgotten"] == 1
    assert [row.bucket for row in database.owner_rows("SELECT bucket FROM quota_buckets")] == [
        "exports"
    ]
