"""A file that kills its worker every time ends, and takes nobody with it."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from common.database import Database
from common.domain import LANES, Lane
from common.ledger.outbox import Outbox
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from gpu_jobs.stage import Pipeline
from tests import tiny_pipeline
from tests.conftest import TestDatabase
from tests.ledger import (
    Upload,
    assert_legal_transitions,
    record_transitions,
    stand_upload,
    take_stored,
    video_row,
)
from tests.tiny_pipeline import PIPELINE, POLICY, STAGES, Rig

_POISON = b"poison"
_NEIGHBOURS = 3
#: By lane, a stage whose function gets the bytes of the upload.
_DEADLY = {"media": "size", "gpu": "join"}


def _deadly_pipeline(lane: Lane) -> Pipeline:
    """The tiny pipeline, but one stage kills its process when it meets the poison."""
    stage = PIPELINE.stage(_DEADLY[lane])

    @functools.wraps(stage.run)
    def run(*args: Any, **inputs: Any) -> Any:
        content = args[0].path.read_bytes() if args else inputs["first"].content
        if content.startswith(_POISON):
            os.kill(os.getpid(), signal.SIGKILL)
        return stage.run(*args, **inputs)

    # The media lane calls its functions by name, the other by what stands in the table.
    setattr(tiny_pipeline, stage.run.__name__, run)
    return Pipeline(replace(row, run=run) if row is stage else row for row in STAGES)


def _execute(database: TestDatabase, directory: Path, deadly: Lane, lane: Lane) -> None:
    """In a process of its own: one execution of a lane's job."""
    db = database.as_role("heimdex_worker")
    Rig(db=db, directory=directory, pipeline=_deadly_pipeline(deadly)).worker(lane).run()
    db.close()


def _exit_code(*arguments: Any) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=_execute, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.fixture
def poisoned(
    rig: Rig, database: TestDatabase, ingest_database: Database, user_id: UUID
) -> tuple[Upload, list[Upload]]:
    """The poison, in the middle of its neighbours; all have arrived."""
    uploads = [stand_upload(rig.store, database, user_id) for _ in range(_NEIGHBOURS + 1)]
    poison = uploads.pop(_NEIGHBOURS // 2)
    info = rig.store.put("uploads", poison.video_name, _POISON.ljust(100, b"."), "video/mp4")
    database.owner_rows(
        "UPDATE upload_objects SET crc32c = :crc32c WHERE video_id = :id",
        crc32c=info.crc32c,
        id=poison.video_id,
    )
    for upload in (uploads[0], poison, *uploads[1:]):
        arrival = take_stored(rig.store, Uploads(ingest_database, grace_s=60.0), upload)
        Outbox(ingest_database, rig.bus).publish(user_id, arrival.message_ids)
    return poison, uploads


def _let_a_lease_pass_and_sweep(rig: Rig, database: TestDatabase, ingest: Database) -> None:
    database.owner_rows(
        "UPDATE runs SET lease_until = now() - interval '1 s', rung_at = now() - interval '5 s' "
        "WHERE state = 'running'"
    )
    sweep, outbox = Sweep(ingest), Outbox(ingest, rig.bus)
    for row in sweep.due_runs(60.0):
        outbox.publish(row.user_id, sweep.ring(row, 60.0))
    for row in sweep.unpublished_messages(0.0):
        outbox.publish(row.user_id, [row.id])


@pytest.mark.parametrize("deadly", LANES)
def test_what_always_kills_its_worker_ends_after_five_claims(
    rig: Rig,
    database: TestDatabase,
    ingest_database: Database,
    poisoned: tuple[Upload, list[Upload]],
    tmp_path: Path,
    deadly: Lane,
) -> None:
    """Five workers die of it, then it is failed with a code; its neighbours are indexed at once."""
    record_transitions(database)
    poison, neighbours = poisoned
    killed = 0
    for _ in range(2 * POLICY.max_attempts):
        for lane in LANES:
            killed += _exit_code(database, tmp_path, deadly, lane) == -signal.SIGKILL
        _let_a_lease_pass_and_sweep(rig, database, ingest_database)
    assert killed == POLICY.max_attempts
    claims = database.owner_rows(
        "SELECT 1 FROM transitions JOIN runs USING (id) WHERE new_token > old_token "
        "AND video_id = :id AND lane = :lane",
        id=poison.video_id,
        lane=deadly,
    )
    assert len(claims) == POLICY.max_attempts
    video = video_row(database, poison.video_id)
    assert (video.state, video.error_code) == ("failed", "attempts_exhausted")
    runs = database.owner_rows(
        "SELECT lane, state FROM runs WHERE video_id = :id ORDER BY lane DESC", id=poison.video_id
    )
    assert runs[-1].lane == deadly
    assert runs[-1].state == "dead"
    for neighbour in neighbours:
        assert video_row(database, neighbour.video_id).state == "indexed"
        attempts = database.owner_rows(
            "SELECT attempt FROM runs WHERE video_id = :id", id=neighbour.video_id
        )
        assert [row.attempt for row in attempts] == [1, 1]
    (letter,) = map(json.loads, rig.bus.messages("heimdex-dead-letter-hold"))
    assert letter["error_code"] == "attempts_exhausted"
    assert rig.bus.messages(f"heimdex-{deadly}-work") == []
    assert_legal_transitions(database)
