"""The invariants, checked when a world has come to rest; written without the code they judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from common.artifacts import encode
from common.index_version import scene_id
from common.ledger.states import RUN_TRANSITIONS, VIDEO_TRANSITIONS
from tests.schedules.stand_ins import HELD_DEAD
from tests.schedules.world import POLICY, SIZE_BYTES, Upload, World
from tests.tiny_pipeline import INDEX_VERSION, Half, Joined, Size, TinyModels

_REJECTED = {"size": "size_mismatch", "hash": "hash_mismatch", "type": "type_mismatch"}
_TENANT_TABLES = (
    "videos", "upload_objects", "runs", "jobs", "outbox", "scenes", "frame_vectors", "frame_codes",
)  # fmt: skip


def check(world: World, tampered: set[str]) -> None:
    """Check them all.

    Args:
        world: at rest.
        tampered: names of objects that were damaged behind everybody's back.

    Raises:
        AssertionError: with the invariant's number.
    """
    for upload in world.uploads:
        if world.is_erased(upload):
            _nothing_is_left(world, upload)
        else:
            _one_end(world, upload)
            _one_committed_set(world, upload, tampered)
    _no_orphans(world)
    _no_foreign_rows(world)
    _attempts_are_capped(world)
    _every_message_is_settled(world)
    _history_is_legal(world)


def _one_end(world: World, upload: Upload) -> None:
    """I1: an upload has ended in one state, and for a reason that was there."""
    video = _video(world, upload)
    runs = world.owner("SELECT * FROM runs WHERE video_id = :id", id=upload.video_id)
    allowed = set(_allowed_ends(upload, runs))
    assert (video.state, video.error_code) in allowed, (
        f"I1 {upload.label} ({upload.kind}): {video.state}/{video.error_code}, not one of {allowed}"
    )


def _allowed_ends(upload: Upload, runs: Iterable[Any]) -> Iterable[tuple[str, str | None]]:
    late = upload.stored_at is None or upload.stored_at > upload.declared_at
    if late:
        yield "failed", "upload_expired"
    if upload.stored_at is None:
        return
    if upload.kind in _REJECTED:
        yield "failed", _REJECTED[upload.kind]
        return
    yield ("failed", "truncated") if upload.kind == "poison" else ("indexed", None)
    for run in runs:
        if run.state == "dead":
            assert run.attempt == POLICY.max_attempts, f"I5 {upload.label}: dead at {run.attempt}"
            yield "failed", run.error_code


def _one_committed_set(world: World, upload: Upload, tampered: set[str]) -> None:
    """I2: what is searchable is what a run without faults would have made, once."""
    video = _video(world, upload)
    scenes = world.owner("SELECT * FROM scenes WHERE video_id = :id", id=upload.video_id)
    if video.state != "indexed":
        # An older generation may have been indexed before a newer one failed.
        assert not scenes or upload.replaced, f"I2 {upload.label}: scenes of a failed video"
        return
    expected = scene_id(upload.video_id, video.generation, INDEX_VERSION, 0)
    assert [(s.id, s.end_ms) for s in scenes] == [(expected, SIZE_BYTES)], f"I2 {upload.label}"
    content = upload.content(upload.name)
    sidecar = f"sidecars/{upload.user_id}/{upload.video_id}/scene.json"
    assert world.store.read("artifacts", sidecar) == content, f"I2 {upload.label}: sidecar"
    _artifacts_are_right(world, upload, video.generation, tampered)


def _artifacts_are_right(world: World, upload: Upload, generation: int, tampered: set[str]) -> None:
    content = upload.content(upload.name)
    middle = len(content) // 2
    values = {
        "size": Size(size_bytes=len(content), subtitles=upload.subtitles),
        "first": Half(content=content[:middle]),
        "second": Half(content=content[middle:]),
        "join": Joined(content=content, note=TinyModels.note),
    }
    rows = world.owner(
        "SELECT j.* FROM jobs j JOIN runs r ON r.user_id = j.user_id AND r.id = j.run_id "
        "WHERE r.video_id = :id AND r.generation = :generation",
        id=upload.video_id,
        generation=generation,
    )
    assert sorted(row.stage for row in rows) == sorted([*values, "index"]), f"I2 {upload.label}"
    for row in rows:
        where = f"I2 {upload.label}: {row.stage}"
        assert (row.state, row.progress) == ("done", 1.0), where
        if row.stage in values:
            sha256 = hashlib.sha256(encode(values[row.stage])).hexdigest()
            assert row.artifact_sha256 == sha256, where
        if row.artifact_key not in tampered:
            stored = world.store.read("artifacts", row.artifact_key)
            assert hashlib.sha256(stored).hexdigest() == row.artifact_sha256, where


def _no_orphans(world: World) -> None:
    """I3: every object belongs to a video that is there."""
    alive = {str(u.video_id) for u in world.uploads if not world.is_erased(u)}
    for bucket in ("uploads", "artifacts"):
        for name in world.store.names(bucket):
            assert name.split("/")[2].partition(".")[0] in alive, f"I3 {bucket}/{name}"


def _no_foreign_rows(world: World) -> None:
    """I4: whatever a tenant's transaction reads, it is the tenant's."""
    for user_id in world.users:
        with world.pools.worker.tenant(user_id) as tx:
            for table in _TENANT_TABLES:
                foreign = tx.execute(
                    text(f"SELECT count(*) FROM {table} WHERE user_id <> :user_id"),
                    {"user_id": user_id},
                ).scalar_one()
                assert foreign == 0, f"I4 {table}"


def _attempts_are_capped(world: World) -> None:
    """I5."""
    over = world.owner("SELECT 1 FROM runs WHERE attempt > :most", most=POLICY.max_attempts)
    assert not over, "I5"


def _every_message_is_settled(world: World) -> None:
    """I6: no doorbell is left to ring, and exactly the runs that died are told of."""
    # By the history: of a deleted video not even the run is left.
    died = "SELECT id FROM transitions WHERE kind = 'runs' AND new_state = 'dead'"
    dead = {row.id for row in world.owner(died)}
    told: set[UUID] = set()
    while (delivery := world.bus.take(HELD_DEAD)) is not None:
        message = json.loads(delivery.message.data)
        if "error_code" in message:
            told.add(UUID(message["run_id"]))
    assert told == dead, f"I6: dead {dead}, told {told}"
    for lane in ("media", "gpu"):
        assert world.bus.backlog(f"heimdex-{lane}-doorbell") == 0, f"I6 {lane}"


def _history_is_legal(world: World) -> None:
    """I7 and I8: every change of state is in the table, and a claim has a token of its own."""
    commits: dict[UUID, int] = {}
    for row in world.owner("SELECT * FROM transitions ORDER BY n"):
        table: Any = RUN_TRANSITIONS if row.kind == "runs" else VIDEO_TRANSITIONS
        step = f"{row.kind}: {row.old_state} -> {row.new_state}"
        assert row.old_state == row.new_state or row.new_state in table[row.old_state], f"I7 {step}"
        assert row.new_token >= row.old_token, f"I8 {step}"
        if row.kind == "runs" and (row.old_state, row.new_state) == ("ready", "running"):
            assert row.new_token > row.old_token, f"I8 {step}"
        if row.kind == "videos" and row.new_state == "indexed" != row.old_state:
            commits[row.id] = commits.get(row.id, 0) + 1
    for upload in world.uploads:
        made = commits.get(upload.video_id, 0)
        assert made <= 1 + upload.replaced, f"I2 {upload.label}: committed {made} times"


def _nothing_is_left(world: World, upload: Upload) -> None:
    """I9: a deleted video has no scenes, no vectors, no objects and nobody who works on it."""
    scenes = world.owner("SELECT 1 FROM scenes WHERE video_id = :id", id=upload.video_id)
    assert not scenes, f"I9 {upload.label}: scenes"
    for table in ("frame_vectors", "frame_codes"):
        left = world.owner(f"SELECT 1 FROM {table} WHERE scene_id NOT IN (SELECT id FROM scenes)")
        assert not left, f"I9 {table}"
    held = [
        name
        for bucket in ("uploads", "artifacts")
        for name in world.store.names(bucket)
        if str(upload.video_id) in name
    ]
    assert not held, f"I9 {upload.label}: {held}"


def _video(world: World, upload: Upload) -> Any:
    (video,) = world.owner("SELECT * FROM videos WHERE id = :id", id=upload.video_id)
    return video
