"""The operator's command line: what it shows, what it does, and what it never shows."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy
from sqlalchemy import text

from common.bus import Bus
from common.database import Database
from common.errors import CODES, TransientError
from common.ledger.outbox import Outbox
from common.messages import RunReady, decode
from common.storage import ObjectStore
from common.videos.erasing import erase_video
from gpu_jobs.admin.command import main
from tests.conftest import TestDatabase
from tests.fakes import FileStore
from tests.integration.admin.conftest import Admin
from tests.ledger import insert_run, run_row, video_row

SECRET = "a secret birthday"


@pytest.fixture
def dead_run(database: TestDatabase, user_id: UUID) -> UUID:
    """A run that died in its second stage, of a video with a title."""
    run_id = insert_run(database, user_id)
    database.owner_rows("UPDATE videos SET state = 'failed', error_code = 'attempts_exhausted'")
    database.owner_rows("UPDATE videos SET title = :title", title=SECRET)
    database.owner_rows(
        "UPDATE runs SET state = 'dead', attempt = 5, fencing_token = 5, "
        "error_code = 'attempts_exhausted', error_detail = 'MemoryError'"
    )
    for ordinal, (stage, state) in enumerate([("probe", "done"), ("decode", "failed")]):
        database.owner_rows(
            "INSERT INTO jobs (user_id, run_id, stage, ordinal, version, state, artifact_key, "
            "error_code) VALUES (:user_id, :run_id, :stage, :ordinal, 1, :state, :key, :code)",
            user_id=user_id,
            run_id=run_id,
            stage=stage,
            ordinal=ordinal,
            state=state,
            key=f"artifacts/{stage}@1/artifact.zip" if state == "done" else None,
            code=None if state == "done" else "stage_failed",
        )
    return run_id


def _video_of(database: TestDatabase, run_id: UUID) -> str:
    return str(run_row(database, run_id).video_id)


def _letter(database: TestDatabase, run: Any = None, **changes: Any) -> str:
    values = {
        "id": uuid4().hex,
        "user_id": run and run.user_id,
        "run_id": run and run.id,
        "reason": "run_died" if run else "message_invalid",
        "subscription": "heimdex-gpu-work",
        "payload": base64.b64encode(b"not json").decode(),
    } | changes
    database.owner_rows(
        "INSERT INTO dead_letters (id, user_id, run_id, reason, error_code, subscription, "
        "delivery_attempts, payload) VALUES (:id, :user_id, :run_id, :reason, 'message_invalid', "
        ":subscription, 0, :payload)",
        **values,
    )
    return str(values["id"])


def test_videos_and_runs_of_all_users_are_listed(
    admin: Admin, database: TestDatabase, user_id: UUID, dead_run: UUID
) -> None:
    """By state, by user and by age, as a table or as JSON."""
    stranger = uuid4()
    database.owner_rows("INSERT INTO users (id, firebase_uid) VALUES (:id, 's')", id=stranger)
    other = insert_run(database, stranger)
    database.owner_rows(
        "UPDATE runs SET created_at = now() - interval '3 h' WHERE id = :id", id=other
    )

    def runs(*arguments: str) -> set[str]:
        return {row["id"] for row in admin("list", "--runs", "--json", *arguments).json["runs"]}

    assert runs() == {str(dead_run), str(other)}
    assert runs("--state", "dead") == {str(dead_run)}
    assert runs("--user", str(stranger)) == {str(other)}
    assert runs("--older-than", "2h") == {str(other)}
    assert len(runs("--limit", "1")) == 1
    (video,) = admin("list", "--state", "failed", "--json").json["videos"]
    assert video["error_code"] == "attempts_exhausted"
    shown = admin("list")
    assert shown.status == 0
    assert _video_of(database, dead_run) in shown.out
    assert admin("list", "--state", "indexed").out == "no videos\n"


def test_a_video_is_explained(
    admin: Admin, database: TestDatabase, user_id: UUID, dead_run: UUID
) -> None:
    """Runs, stages, attempts, artifacts, messages, letters, and codes with their texts."""
    database.owner_rows(
        "INSERT INTO outbox (user_id, id, topic, payload) VALUES (:u, :id, 'heimdex-media', :p)",
        u=user_id,
        id=uuid4(),
        p=json.dumps({"run_id": str(dead_run)}),
    )
    letter = _letter(database, run_row(database, dead_run))
    video_id = _video_of(database, dead_run)
    told = admin("explain", video_id, "--json").json
    (run,) = told["runs"]
    assert (run["state"], run["attempt"], run["error_detail"]) == ("dead", 5, "MemoryError")
    assert [stage["stage"] for stage in run["stages"]] == ["probe", "decode"]
    assert run["stages"][0]["artifact_key"] == "artifacts/probe@1/artifact.zip"
    assert told["messages"][0]["published_at"] is None
    assert told["dead_letters"][0]["id"] == letter
    assert told["codes"]["attempts_exhausted"]["ko"] == CODES["attempts_exhausted"].ko
    shown = admin("explain", video_id).out
    for part in ("MemoryError", CODES["stage_failed"].en, letter, "owed", "attempt=5"):
        assert part in shown


def test_of_what_was_erased_the_receipt_is_shown(
    admin: Admin, database: TestDatabase, api_database: Database, user_id: UUID, dead_run: UUID
) -> None:
    """By the id that somebody still has: when, by whom, and how much went."""
    video_id = UUID(_video_of(database, dead_run))
    with api_database.tenant(user_id, effect="video.erase") as tx:
        erase_video(tx, user_id, video_id)
    assert admin("explain", str(video_id), "--json").json["video"]["deleted_at"] is not None
    database.owner_rows("DELETE FROM videos")
    shown = admin("explain", str(video_id))
    assert shown.status == 0
    assert "was erased: subject=video requested_by=user" in shown.out


def test_a_video_is_rerun_and_rung_for(
    admin: Admin, database: TestDatabase, bus: Bus, dead_run: UUID
) -> None:
    """The run is ready and a worker is told; the second time it is under way."""
    video_id = _video_of(database, dead_run)
    command = ("rerun", video_id, "--reason", "mended", "--by", "minji", "--json")
    done = admin(*command)
    assert (done.status, done.json["outcome"], done.json["rung"]) == (0, "ready", True)
    received = bus.pull("heimdex-media-work", wait_s=10.0)
    assert received is not None
    assert decode(RunReady, received.data).run_id == dead_run
    assert admin(*command).json["outcome"] == "under_way"
    told = admin("explain", video_id, "--json").json
    assert [act["operator"] for act in told["interventions"]] == ["minji"]
    assert told["video"]["state"] == "queued"


def test_a_rerun_without_pub_sub_is_left_to_the_sweep(
    admin: Admin, database: TestDatabase, dead_run: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is ready all the same, its message is owed, and the answer says so."""

    def publish(self: Outbox, user_id: UUID, message_ids: object) -> int:
        raise TransientError

    monkeypatch.setattr(Outbox, "publish", publish)
    video_id = _video_of(database, dead_run)
    done = admin("rerun", video_id, "--reason", "x")
    assert done.status == 0
    assert "next sweep" in done.out
    assert run_row(database, dead_run).state == "ready"
    (owed,) = database.owner_rows("SELECT published_at FROM outbox")
    assert owed.published_at is None


def test_dead_letters_are_listed_and_replayed_once(
    admin: Admin, database: TestDatabase, bus: Bus, dead_run: UUID
) -> None:
    """One of a run makes the run ready; one that names none is sent again as it was."""
    of_run, unreadable = _letter(database, run_row(database, dead_run)), _letter(database)
    listed = admin("dead-letters", "--json").json["dead_letters"]
    assert {letter["id"] for letter in listed} == {of_run, unreadable}
    outcomes = [
        admin("dead-letters", "--replay", letter, "--by", "minji", "--json").json["outcome"]
        for letter in (of_run, unreadable, of_run, unreadable)
    ]
    assert outcomes == ["rerun", "published", "repeated", "repeated"]
    assert run_row(database, dead_run).state == "ready"
    again = bus.pull("heimdex-gpu-work", wait_s=10.0)
    assert again is not None
    assert again.data == b"not json"
    listed = admin("dead-letters", "--json").json["dead_letters"]
    assert {letter["replayed_by"] for letter in listed} == {"minji"}


def test_a_replay_rings_for_a_run_that_is_not_over(
    admin: Admin, database: TestDatabase, user_id: UUID, bus: Bus
) -> None:
    """A doorbell that nobody answered is rung again; the run itself stays as it is."""
    run_id = insert_run(database, user_id)
    letter = _letter(database, run_row(database, run_id), reason="delivery_failed")
    assert admin("dead-letters", "--replay", letter, "--json").json["outcome"] == "rung"
    assert bus.pull("heimdex-media-work", wait_s=10.0) is not None
    assert run_row(database, run_id).fencing_token == 0


def test_the_scanner_finds_what_is_left_and_then_nothing(
    admin: Admin,
    database: TestDatabase,
    dead_run: UUID,
    user_id: UUID,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It sees every tenant's rows and all objects, tells places and numbers, and no content."""
    store = FileStore(tmp_path)
    monkeypatch.setattr(ObjectStore, "connect", lambda settings: store)
    video_id = _video_of(database, dead_run)
    buckets = ("heimdex-test-uploads", "heimdex-test-artifacts")
    names = [f"videos/{user_id}/{video_id}.mp4", f"sidecars/{user_id}/{video_id}/x.json"]
    for bucket, name in zip(buckets, names, strict=True):
        store.put(bucket, name, b"x", "text/plain")
    database.owner_rows(
        "INSERT INTO outbox (user_id, id, topic, payload) VALUES (:u, :id, 't', :payload)",
        u=user_id,
        id=uuid4(),
        payload=str(dead_run),
    )
    for subject in (video_id, str(user_id)):
        shown = admin("residue", subject, "--json")
        found = {trace["place"]: trace["count"] for trace in shown.json["residue"]}
        assert shown.status == 5
        assert found.items() >= {"videos.id": 1, "runs.id": 1, "jobs.run_id": 2}.items()
        assert {"outbox.payload", *buckets} < {*found}
    assert SECRET not in admin("residue", video_id).out
    database.owner_rows("DELETE FROM users")
    assert admin("residue", video_id).status == 5
    for bucket, name in zip(buckets, names, strict=True):
        store.delete(bucket, name, effect="test.delete")
    shown = admin("residue", video_id)
    assert (shown.status, shown.out) == (0, f"nothing is left of {video_id}\n")


def test_the_scanner_sees_every_table(database: TestDatabase) -> None:
    """A new table that it could not look into is found here; its role can log in nowhere."""
    hidden = database.owner_rows(
        """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'\\:\\:regnamespace AND c.relkind IN ('r', 'p')
          AND c.relrowsecurity
          AND NOT (has_table_privilege('heimdex_auditor', c.oid, 'SELECT') AND EXISTS (
              SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'audit'))
        """
    )
    assert hidden == []
    (role,) = database.owner_rows(
        "SELECT rolcanlogin, (SELECT count(*) FROM pg_auth_members WHERE roleid = r.oid) "
        "FROM pg_roles r WHERE rolname = 'heimdex_auditor'"
    )
    assert tuple(role) == (False, 0)


@pytest.mark.parametrize("role", ["heimdex_api", "heimdex_ingest", "heimdex_worker"])
def test_only_operators_may_ask_across_tenants(database: TestDatabase, role: str) -> None:
    """Of the roles that processes log in as, no other may call the functions."""
    allowed = database.owner_rows(
        "SELECT proname FROM pg_proc WHERE proname LIKE 'operator\\_%' "
        "AND has_function_privilege(:role, oid, 'EXECUTE')",
        role=role,
    )
    assert allowed == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("explain", str(uuid4())), 3),
        (("rerun", str(uuid4()), "--reason", "x"), 3),
        (("dead-letters", "--replay", "none"), 3),
    ],
)
def test_what_is_not_there_ends_with_three(
    admin: Admin, arguments: tuple[str, ...], status: int
) -> None:
    """The error is on standard error, and with --json an object on standard output too."""
    shown = admin(*arguments)
    assert (shown.status, shown.out) == (status, "")
    assert shown.err.startswith("Error: ")
    assert admin(*arguments, "--json").json["error"]["code"] == "not_found"


def test_what_is_not_possible_ends_with_four(
    admin: Admin, database: TestDatabase, dead_run: UUID
) -> None:
    """An unknown stage is answered with those that are known; a letter of nowhere is refused."""
    video_id = _video_of(database, dead_run)
    shown = admin("rerun", video_id, "--reason", "x", "--from-stage", "none")
    assert shown.status == 4
    assert "known: probe, decode" in shown.err
    assert admin("dead-letters", "--replay", _letter(database, subscription="")).status == 4
    assert video_row(database, UUID(video_id)).state == "failed"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("explain", "no-id"),
        ("rerun", str(uuid4())),
        ("rerun", str(uuid4()), "--reason", " "),
        ("list", "--older-than", "soon"),
        ("list", "--state", "lost"),
        ("list", "--limit", "0"),
    ],
)
def test_wrong_usage_ends_with_two(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is connected, with a line that says what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_without_a_database_it_ends_with_one(admin: Admin) -> None:
    """Nothing hangs, and nothing is shown as if it were the truth."""
    shown = admin("list", database_url="postgresql+pg8000://x@127.0.0.1:1/none")
    assert (shown.status, shown.out) == (1, "")


def test_no_command_shows_content(
    admin: Admin, database: TestDatabase, dead_run: UUID, user_id: UUID
) -> None:
    """Neither does any print a title, nor could its role read one, or a scene, or a name."""
    video_id = _video_of(database, dead_run)
    for command in (("list",), ("explain", video_id), ("dead-letters",)):
        assert SECRET not in admin(*command).out
        assert SECRET not in admin(*command, "--json").out
    engine = sqlalchemy.create_engine(
        database.url("heimdex_operator"), poolclass=sqlalchemy.NullPool
    )
    for what in (
        "title FROM videos",
        "transcript FROM scenes",
        "name FROM people",
        "email FROM users",
        "object_name FROM upload_objects",
        "response FROM idempotency_keys",
    ):
        with engine.connect() as connection:
            connection.execute(
                text("SELECT set_config('app.user_id', :u, true)"), {"u": str(user_id)}
            )
            with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
                connection.execute(text(f"SELECT {what}"))
