"""Objects that no row of the ledger stands for, on real rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from common.database import Database
from common.errors import TransientError
from common.ledger.sweep import Sweep
from common.storage import ObjectInfo
from functions.start_jobs.strays import Strays, places
from tests.conftest import TestDatabase
from tests.fakes import FileStore
from tests.ledger import declare
from tests.sweeping import make_sweeper

_WEEK_S = 7 * 24 * 3600.0
_PLACES = places(uploads="uploads", artifacts="artifacts")


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
    """What belongs to no video or photo is deleted, whatever belongs to one is left alone."""
    upload = declare(database, user_id)
    person, photo, gone = uuid4(), uuid4(), uuid4()
    database.owner_rows(
        "INSERT INTO people (user_id, id, name, consent_policy_version, consent_at) "
        "VALUES (:u, :i, '민지', '1', now())",
        u=user_id,
        i=person,
    )
    database.owner_rows(
        "INSERT INTO person_photos (user_id, id, person_id, object_name, content_type, size_bytes,"
        " expires_at) VALUES (:u, :i, :p, 'faces/1', 'image/jpeg', 1, now())",
        u=user_id,
        i=photo,
        p=person,
    )
    store = _Aged(tmp_path / "objects")
    kept = {
        ("uploads", upload.video_name),
        ("uploads", f"faces/{user_id}/{person}/{photo}"),
        ("artifacts", f"artifacts/{user_id}/{person}/{photo}/7/photo_embed@1/artifact.zip"),
        ("artifacts", f"sidecars/{user_id}/{upload.video_id}/s.json"),
        ("uploads", f"videos/{user_id}/{gone}.new"),
        ("uploads", "videos/no-uuid/none.mp4"),
        ("artifacts", f"exports/{user_id}/{gone}/1.zip"),
    }
    strays = {
        ("uploads", f"videos/{user_id}/{gone}.mp4"),
        ("uploads", f"subtitles/{user_id}/{gone}/1.srt"),
        ("uploads", f"faces/{user_id}/{person}/{gone}"),
        ("artifacts", f"artifacts/{user_id}/{person}/{gone}/7/photo_embed@1/artifact.zip"),
        ("artifacts", f"artifacts/{gone}/{upload.video_id}/7/commit@1/artifact.zip"),
        ("artifacts", f"sidecars/{user_id}/{gone}/s.json"),
    }
    for bucket, name in kept | strays:
        _put(store, bucket, name)
    sweeper = make_sweeper(ingest_database, tmp_path, store).sweeper
    report = sweeper.sweep()
    assert (report.done["strays"], report.errors) == (len(strays), 0)
    left = {(i.bucket, i.name) for b in ("uploads", "artifacts") for i in store.list(b, "")}
    assert left == kept
    assert sweeper.sweep().done["strays"] == 0


@pytest.mark.usefixtures("database")
def test_a_few_at_a_time_from_any_name_on(ingest_database: Database, tmp_path: Path) -> None:
    """However few are looked at in one go, every object has its turn, and none has two."""
    store = _Aged(tmp_path / "objects")
    names = [f"videos/{_draw(number + 1)}/{uuid4()}.mp4" for number in range(6)]
    for name in names:
        _put(store, "uploads", name)

    def found_from(start: int, limit: int) -> list[str]:
        strays = Strays(
            Sweep(ingest_database),
            store,
            _PLACES,
            after_s=_WEEK_S,
            limit=limit,
            draw=lambda: _draw(start),
        )
        return [info.name for info in strays.find()]

    assert found_from(1, 2) == names[:2]
    assert found_from(3, 2) == names[2:4]
    assert found_from(6, 3) == [names[5], *names[:2]]
    assert found_from(7, 2) == names[:2]
    assert found_from(3, 100) == [*names[2:], *names[:2]]


@pytest.mark.usefixtures("database")
def test_a_sweep_goes_on_without_cloud_storage(ingest_database: Database, tmp_path: Path) -> None:
    """A listing that fails is counted, and what the sweep does otherwise it does."""
    store = _Aged(tmp_path / "objects")
    store.away = True
    report = make_sweeper(ingest_database, tmp_path, store).sweeper.sweep()
    assert (report.errors, report.done["strays"]) == (1, 0)
    assert "forgotten" in report.done


@pytest.mark.parametrize("change", ["deleted_at = now()", "state = 'failed'"])
def test_a_row_is_a_row(
    change: str,
    database: TestDatabase,
    ingest_database: Database,
    user_id: UUID,
    tmp_path: Path,
) -> None:
    """Objects of a failed video are its own; those of a deleted one are its erasure's to delete."""
    upload = declare(database, user_id)
    database.owner_rows(f"UPDATE videos SET {change} WHERE id = :id", id=upload.video_id)
    store = _Aged(tmp_path / "objects")
    _put(store, "uploads", upload.video_name)
    strays = Strays(Sweep(ingest_database), store, _PLACES, after_s=_WEEK_S)
    assert strays.find() == ()
