"""Figures for operators: right sums over all tenants, and nothing but numbers, codes and ids."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from common.database import Database
from common.ledger.sweep import Sweep
from gpu_jobs.pipeline import PIPELINE
from tests.conftest import TestDatabase, insert_user
from tests.integration.admin.conftest import Admin
from tests.ledger import insert_run

SECRET = "a secret birthday"


@pytest.fixture
def worked(database: TestDatabase, user_id: UUID) -> UUID:
    """Two tenants: an indexed minute and a failed video, a ready run; a deleted video beside."""
    run_id = insert_run(database, user_id, lane="gpu")
    database.owner_rows(
        "UPDATE videos SET state = 'indexed', duration_ms = 60000, indexed_at = now(), title = :t",
        t=SECRET,
    )
    database.owner_rows("UPDATE upload_objects SET finalized_at = now() - interval '40 s'")
    database.owner_rows("UPDATE runs SET state = 'done'")
    for ordinal, (stage, ms) in enumerate([("embed_text", 3_000), ("vision_tags", 1_000)]):
        _stage(database, user_id, run_id, ordinal, stage, ms)
    other = insert_user(database, tier="free")
    failed, _ready, deleted = (insert_run(database, other) for _ in range(3))
    _end(database, failed, "failed", video="state = 'failed', error_code = 'too_long'")
    _end(database, deleted, "cancelled", video="state = 'indexed', deleted_at = now()")
    return run_id


def _end(database: TestDatabase, run_id: UUID, state: str, *, video: str) -> None:
    database.owner_rows("UPDATE runs SET state = :state WHERE id = :id", id=run_id, state=state)
    database.owner_rows(
        f"UPDATE videos SET {video} WHERE id = (SELECT video_id FROM runs WHERE id = :id)",
        id=run_id,
    )


def _stage(
    database: TestDatabase, user_id: UUID, run_id: UUID, ordinal: int, stage: str, ms: int
) -> None:
    database.owner_rows(
        "INSERT INTO jobs (user_id, run_id, stage, ordinal, version, state, started_at, "
        "finished_at, duration_ms) VALUES (:u, :r, :stage, :ordinal, 1, 'done', now(), now(), :ms)",
        u=user_id,
        r=run_id,
        stage=stage,
        ordinal=ordinal,
        ms=ms,
    )


def test_users_are_listed_with_what_they_have(admin: Admin, worked: UUID, user_id: UUID) -> None:
    """Deleted videos do not count."""
    listed = {UUID(each["user_id"]): each for each in admin("users", "--json").json["users"]}
    assert listed[user_id]["videos"] == listed[user_id]["indexed"] == 1
    assert listed[user_id]["video_ms"] == 60_000
    (other,) = (each for key, each in listed.items() if key != user_id)
    assert (other["videos"], other["failed"], other["indexed"]) == (2, 1, 0)
    assert len(admin("users", "--limit", "1").out.splitlines()) == 2


def test_videos_tells_states_waiting_and_stage_times(admin: Admin, worked: UUID) -> None:
    """Over all tenants."""
    found = admin("videos", "--json").json
    assert {x["state"]: x["videos"] for x in found["states"]} == {
        "indexed": 1,
        "failed": 1,
        "queued": 1,
    }
    backlog = {x["lane"]: (x["ready"], x["running"]) for x in found["backlog"]}
    assert backlog == {"media": (1, 0), "gpu": (0, 0)}
    assert found["searchable"]["videos"] == 1
    assert 39 <= found["searchable"]["p95_s"] <= 300
    assert {x["stage"]: x["p50_ms"] for x in found["stages"]} == {
        "embed_text": 3_000,
        "vision_tags": 1_000,
    }
    assert found["unfinished"]["unfinished_videos"] == 1
    text = admin("videos").out
    assert "embed_text" in text
    assert "oldest_ready_s" in text


def test_failures_say_what_their_codes_mean(
    admin: Admin, database: TestDatabase, worked: UUID, user_id: UUID
) -> None:
    """And what quotas refused."""
    database.owner_rows(
        "INSERT INTO audit_events (user_id, id, actor, action, code) "
        "VALUES (:u, :i, 'user', 'quota.refused', 'uploads_exhausted')",
        u=user_id,
        i=uuid4(),
    )
    found = admin("failures", "--json").json
    (failure,) = found["failures"]
    assert (failure["error_code"], failure["videos"], failure["users"]) == ("too_long", 1, 1)
    assert failure["meaning"]
    assert found["refusals"] == [{"code": "uploads_exhausted", "refusals": 1, "users": 1}]
    assert "too_long" in admin("failures").out


def test_cost_counts_the_stages_at_the_prices_set(admin: Admin, worked: UUID) -> None:
    """Four seconds of an instance with a GPU, for the one minute that is indexed."""
    found = admin(
        "cost",
        "--json",
        price_gpu_second_usd=1.0,
        price_cpu_second_usd=0.0,
        price_gib_second_usd=0.0,
    ).json
    lanes = {x["lane"]: x for x in found["lanes"]}
    assert lanes["gpu"] == {"lane": "gpu", "seconds": 4.0, "gpu_seconds": 4.0, "cost_usd": 4.0}
    assert lanes["media"]["cost_usd"] == 0.0
    assert found["usd_per_minute"] == 4.0
    assert "per indexed minute: 4.000000 USD" in admin("cost").out


def test_rows_of_one_function_cost_its_time_once(
    admin: Admin, database: TestDatabase, user_id: UUID
) -> None:
    """The one decode pass has three rows, each with its whole time."""
    run_id = insert_run(database, user_id)
    group = next(group for group in PIPELINE.groups("media") if len(group) > 1)
    for ordinal, stage in enumerate(group):
        _stage(database, user_id, run_id, ordinal, stage.name, 2_000)
    lanes = {x["lane"]: x["seconds"] for x in admin("cost", "--json").json["lanes"]}
    assert lanes["media"] == 2.0


def test_an_empty_ledger_has_figures_too(admin: Admin, database: TestDatabase) -> None:
    """Nothing is divided by nothing."""
    assert admin("cost", "--json").json["usd_per_minute"] is None
    assert admin("videos", "--json").json["searchable"]["p50_s"] is None
    for command in ("users", "videos", "failures", "cost"):
        assert admin(command).status == 0


def test_reports_show_no_content(admin: Admin, worked: UUID) -> None:
    """No title."""
    for command in ("users", "videos", "failures", "cost"):
        assert SECRET not in admin(command).out + admin(command, "--json").out


def test_the_sweep_counts_the_same(ingest_database: Database, worked: UUID) -> None:
    """By its own functions, which operators may not call."""
    sweep = Sweep(ingest_database)
    assert {x.lane: x.ready for x in sweep.backlog()} == {"media": 1, "gpu": 0}
    assert sweep.gauges().unfinished_videos == 1
