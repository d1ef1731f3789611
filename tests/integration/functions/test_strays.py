"""Objects that no row of the ledger stands for, on real rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from common.database import Database
from common.errors import TransientError
from common.ledger.rows import TenantRow
from common.ledger.sweep import Sweep
from common.storage import ObjectInfo
from functions.start_jobs.strays import Place, Strays
from tests.conftest import TestDatabase
from tests.fakes import FileStore
from tests.ledger import declare
from tests.sweeping import make_sweeper

_WEEK_S = 7 * 24 * 3600.0
_PLACES = (Place(bucket="uploads", prefix="videos/"), Place(bucket="artifacts", prefix="sidecars/"))


class _Aged(FileStore):
    """Objects that were stored eight days ago, unless their names say otherwise."""

    away = False

    def page(self, bucket: str, prefix: str, *, start: str, limit: int) -> tuple[ObjectInfo, ...]:
        """As ever, and a while ago."""
        if self.away:
            raise TransientError
        created = datetime.now(UTC) - timedelta(days=8)
        found = super().page(bucket, prefix, start=start, limit=limit)
        return tuple(i if "new" in i.name else replace(i, created_at=created) for i in found)


def _put(store: FileStore, bucket: str, name: str) -> None:
    store.put(bucket, name, b"x", "video/mp4")


def _draw(value: int) -> UUID:
    return UUID(int=value << 96)


def test_objects_without_a_row_go_and_all_others_stay(
    database: TestDatabase, ingest_database: Database, user_id: UUID, tmp_path: Path
) -> None:
    """What belongs to no video is deleted everywhere, whatever belongs to one is left alone."""
    upload = declare(database, user_id)
    gone = TenantRow(user_id=upload.user_id, id=uuid4())
    foreign = TenantRow(user_id=uuid4(), id=uuid4())
    store = _Aged(tmp_path / "objects")
    swept = make_sweeper(ingest_database, tmp_path, store)
    kept = [
        ("uploads", upload.video_name),
        ("artifacts", f"sidecars/{upload.user_id}/{upload.video_id}/s.json"),
        ("uploads", f"videos/{gone.user_id}/{uuid4()}.new"),
        ("uploads", "videos/no-uuid/none.mp4"),
        ("artifacts", f"exports/{gone.user_id}/{gone.id}/1.zip"),
    ]
    strays = [
        ("uploads", f"videos/{gone.user_id}/{gone.id}.mp4"),
        ("uploads", f"subtitles/{gone.user_id}/{gone.id}/1.srt"),
        ("artifacts", f"artifacts/{foreign.user_id}/{foreign.id}/7/commit@1/artifact.zip"),
        ("artifacts", f"sidecars/{foreign.user_id}/{foreign.id}/s.json"),
    ]
    for bucket, name in kept + strays:
        _put(store, bucket, name)
    report = swept.sweeper.sweep()
    assert report.done["strays"] == 2
    assert report.errors == 0
    left = {(i.bucket, i.name) for b in ("uploads", "artifacts") for i in store.list(b, "")}
    assert left == set(kept)
    assert swept.sweeper.sweep().done["strays"] == 0


def test_a_few_at_a_time_from_any_name_on(
    database: TestDatabase, ingest_database: Database, tmp_path: Path
) -> None:
    """However few are looked at in one go, every object has its turn, and none has two."""
    store = _Aged(tmp_path / "objects")
    owners = [TenantRow(user_id=_draw(n + 1), id=uuid4()) for n in range(6)]
    for owner in owners:
        _put(store, "uploads", f"videos/{owner.user_id}/{owner.id}.mp4")

    def found_from(start: int, limit: int) -> list[TenantRow]:
        draw, sweep = (lambda: _draw(start)), Sweep(ingest_database)
        strays = Strays(sweep, store, _PLACES, after_s=_WEEK_S, limit=limit, draw=draw)
        return list(strays.find())

    assert found_from(1, 2) == owners[:2]
    assert found_from(3, 2) == owners[2:4]
    assert found_from(6, 3) == [*owners[:2], owners[5]]
    assert found_from(7, 2) == owners[:2]
    assert found_from(3, 100) == owners


def test_a_sweep_goes_on_without_cloud_storage(
    database: TestDatabase, ingest_database: Database, tmp_path: Path
) -> None:
    """A listing that fails is counted, and what the sweep does otherwise it does."""
    store = _Aged(tmp_path / "objects")
    store.away = True
    report = make_sweeper(ingest_database, tmp_path, store).sweeper.sweep()
    assert (report.errors, report.done["strays"]) == (1, 0)
    assert "forgotten" in report.done


@pytest.mark.parametrize("state", ["deleted", "failed"])
def test_a_row_is_a_row(
    state: str,
    database: TestDatabase,
    ingest_database: Database,
    user_id: UUID,
    tmp_path: Path,
) -> None:
    """Objects of a failed video are its own; those of a deleted one are its erasure's to delete."""
    upload = declare(database, user_id)
    change = "deleted_at = now()" if state == "deleted" else "state = 'failed'"
    database.owner_rows(f"UPDATE videos SET {change} WHERE id = :id", id=upload.video_id)
    store = _Aged(tmp_path / "objects")
    _put(store, "uploads", upload.video_name)
    strays = Strays(Sweep(ingest_database), store, _PLACES, after_s=_WEEK_S)
    assert strays.find() == ()
