"""Claims, leases and fencing tokens on a real Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, text

from common import log
from common.database import Database
from common.domain import Lease
from common.errors import InputError, LeaseLostError, TransientError
from common.ledger.claims import Claims
from common.ledger.endings import Endings, Indexed
from common.ledger.stages import FinishedStage, StagePlan, Stages
from tests.conftest import TestDatabase
from tests.ledger import (
    POLICY,
    assert_legal_transitions,
    end_pause,
    expire_lease,
    insert_run,
    record_transitions,
    run_row,
    video_row,
)

PLAN = (
    StagePlan(stage="one", ordinal=0, version=1),
    StagePlan(stage="two", ordinal=1, version=1),
)
INDEXED = Indexed(index_version="v1", scene_count=3, duration_ms=60_000)


@pytest.fixture
def claims(worker_database: Database) -> Claims:
    """The claims, as a worker makes them."""
    return Claims(worker_database, POLICY)


@pytest.fixture
def endings(worker_database: Database) -> Endings:
    """The endings, as a worker makes them."""
    return Endings(worker_database, POLICY)


@pytest.fixture
def stages(worker_database: Database) -> Stages:
    """The checkpoints, as a worker makes them."""
    return Stages(worker_database)


def claimed(claims: Claims, user_id: UUID, run_id: UUID) -> Lease:
    """Claim what must be claimable."""
    lease = claims.claim(user_id, run_id, "media", "worker")
    assert lease is not None
    return lease


def finished(stage: str) -> FinishedStage:
    """A stage that is done."""
    return FinishedStage(
        stage=stage,
        version=1,
        artifact_key=f"artifacts/{stage}",
        artifact_sha256="0" * 64,
        artifact_bytes=1,
        note="a note",
    )


def test_a_claim_takes_the_run(database: TestDatabase, claims: Claims, user_id: UUID) -> None:
    """A claim counts an attempt, raises the token, and shows the video as being processed."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    assert (lease.attempt, lease.fencing_token, lease.run.generation) == (1, 1, 7)
    assert run_row(database, run_id).state == "running"
    assert video_row(database, lease.run.video_id).state == "processing"


def test_one_of_many_workers_gets_the_run(
    database: TestDatabase, claims: Claims, user_id: UUID
) -> None:
    """Workers that claim in the same moment never share a run."""
    for _ in range(5):
        run_id = insert_run(database, user_id)
        with ThreadPoolExecutor(8) as pool:
            leases = list(
                pool.map(lambda _: claims.claim(user_id, run_id, "media", "w"), range(8))  # noqa: B023
            )
        assert sum(lease is not None for lease in leases) == 1
        assert run_row(database, run_id).attempt == 1


def test_what_cannot_be_claimed(database: TestDatabase, claims: Claims, user_id: UUID) -> None:
    """Another lane's run, another tenant's, an unknown one, a held one and a paused one."""
    run_id = insert_run(database, user_id)
    assert claims.claim(user_id, run_id, "gpu", "w") is None
    assert claims.claim(uuid4(), run_id, "media", "w") is None
    assert claims.claim(user_id, uuid4(), "media", "w") is None
    database.owner_rows("UPDATE runs SET not_before = now() + interval '1 min'")
    assert claims.claim(user_id, run_id, "media", "w") is None
    assert not claims.is_claimable(user_id, run_id, "media")
    end_pause(database, run_id)
    assert claims.is_claimable(user_id, run_id, "media")
    claimed(claims, user_id, run_id)
    assert claims.claim(user_id, run_id, "media", "w") is None
    assert not claims.is_claimable(user_id, run_id, "media")


def test_a_zombie_can_write_nothing(
    database: TestDatabase, claims: Claims, stages: Stages, endings: Endings, user_id: UUID
) -> None:
    """Once another worker has the run, every write of the first one is refused."""
    run_id = insert_run(database, user_id)
    zombie = claimed(claims, user_id, run_id)
    stages.plan(zombie, PLAN)
    expire_lease(database, run_id)
    heir = claimed(claims, user_id, run_id)
    assert heir.fencing_token > zombie.fencing_token
    before = database.owner_rows("SELECT * FROM runs"), database.owner_rows("SELECT * FROM jobs")
    written: list[str] = []

    def apply(tx: Connection) -> Indexed:
        written.append("rows")
        return INDEXED

    writes = (
        lambda: claims.heartbeat(zombie),
        lambda: claims.release(zombie),
        lambda: stages.plan(zombie, PLAN),
        lambda: stages.start(zombie, ["one"]),
        lambda: stages.progress(zombie, ["one"], 0.5),
        lambda: stages.finish(zombie, [finished("one")]),
        lambda: endings.fail(zombie, TransientError()),
        lambda: endings.fail(zombie, InputError("not_video")),
        lambda: endings.complete(zombie, next_lane="gpu", apply=apply),
        lambda: endings.send_back(zombie, "media"),
    )
    for write in writes:
        with pytest.raises(LeaseLostError):
            write()
    after = database.owner_rows("SELECT * FROM runs"), database.owner_rows("SELECT * FROM jobs")
    assert after == before
    assert written == []
    assert endings.complete(heir, next_lane="gpu") != ()


def test_an_expired_lease_that_nobody_took_still_holds(
    database: TestDatabase, claims: Claims, user_id: UUID
) -> None:
    """A worker that was paused may go on if no other took over."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    expire_lease(database, run_id)
    claims.heartbeat(lease)
    assert claims.claim(user_id, run_id, "media", "other") is None


def test_checkpoints_survive_a_release(
    database: TestDatabase, claims: Claims, stages: Stages, user_id: UUID
) -> None:
    """The next worker sees what is done; the attempt stays counted; a message is owed."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    stages.plan(lease, PLAN)
    stages.start(lease, ["one"])
    stages.finish(lease, [finished("one")])
    stages.start(lease, ["two"])
    assert len(claims.release(lease)) == 1
    again = claimed(claims, user_id, run_id)
    records = stages.plan(again, PLAN)
    assert (records["one"].state, records["one"].artifact_key) == ("done", "artifacts/one")
    assert records["two"].state == "pending"
    assert again.attempt == 2


def test_a_new_version_of_a_stage_starts_over(
    database: TestDatabase, claims: Claims, stages: Stages, user_id: UUID
) -> None:
    """A checkpoint of another version is not taken for this one's."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    stages.plan(lease, PLAN)
    stages.finish(lease, [finished("one"), finished("two")])
    records = stages.plan(lease, [PLAN[0], replace(PLAN[1], version=2)])
    assert [records[name].state for name in ("one", "two")] == ["done", "pending"]


def test_progress_is_kept_within_bounds_and_forward(
    database: TestDatabase, claims: Claims, stages: Stages, user_id: UUID
) -> None:
    """A stage that reports nonsense cannot make the ledger refuse, nor go back."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    stages.plan(lease, PLAN)
    stages.start(lease, ["one"])
    for fraction in (0.5, 0.2, -1.0):
        stages.progress(lease, ["one"], fraction)
    (row,) = database.owner_rows("SELECT progress FROM jobs WHERE stage = 'one'")
    assert row[0] == 0.5
    stages.progress(lease, ["one"], 7.0)
    (row,) = database.owner_rows("SELECT progress FROM jobs WHERE stage = 'one'")
    assert row[0] == 1.0


def test_finishing_notes_what_was_stored(
    database: TestDatabase, claims: Claims, stages: Stages, user_id: UUID
) -> None:
    """The stage's row has the artifact's key and hash, its note and how long it took."""
    lease = claimed(claims, user_id, insert_run(database, user_id))
    stages.plan(lease, PLAN)
    stages.start(lease, ["one"])
    stages.finish(lease, [finished("one")])
    (row,) = database.owner_rows("SELECT * FROM jobs WHERE stage = 'one'")
    found: Any = row
    assert (found.state, found.progress, found.note) == ("done", 1.0, "a note")
    assert found.artifact_sha256 == "0" * 64
    assert 0 <= found.duration_ms < 60_000


def test_a_transient_failure_waits_and_comes_again(
    database: TestDatabase, claims: Claims, endings: Endings, user_id: UUID
) -> None:
    """The pause doubles with each attempt, with jitter, and nobody can claim within it."""
    run_id = insert_run(database, user_id)
    for attempt in range(1, 4):
        lease = claimed(claims, user_id, run_id)
        endings.fail(lease, TransientError(detail="later"))
        (row,) = database.owner_rows(
            "SELECT extract(epoch FROM not_before - now()) AS pause_s FROM runs"
        )
        pause_s = float(row[0])
        assert 0.5 * 10 * 2 ** (attempt - 1) - 1 < pause_s < 1.5 * 10 * 2 ** (attempt - 1)
        assert claims.claim(user_id, run_id, "media", "w") is None
        end_pause(database, run_id)
    assert video_row(database, lease.run.video_id).state == "processing"


def test_a_permanent_failure_ends_the_video(
    database: TestDatabase, claims: Claims, stages: Stages, endings: Endings, user_id: UUID
) -> None:
    """The code is on the stage, the run and the video, and nothing is retried."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    stages.plan(lease, PLAN)
    stages.start(lease, ["one"])
    assert endings.fail(lease, InputError("truncated", "box at 10")) == ()
    run, video = run_row(database, run_id), video_row(database, lease.run.video_id)
    assert (run.state, run.error_code, run.error_detail) == ("failed", "truncated", "box at 10")
    assert (video.state, video.error_code) == ("failed", "truncated")
    (row,) = database.owner_rows("SELECT state, error_code FROM jobs WHERE stage = 'one'")
    assert tuple(row) == ("failed", "truncated")
    assert claims.claim(user_id, run_id, "media", "w") is None


def test_a_run_that_kills_its_workers_dies(
    database: TestDatabase, claims: Claims, user_id: UUID
) -> None:
    """Exactly the allowed number of claims, then dead, with a message for the dead letters."""
    run_id = insert_run(database, user_id)
    for attempt in range(1, POLICY.max_attempts + 1):
        lease = claimed(claims, user_id, run_id)
        assert lease.attempt == attempt
        expire_lease(database, run_id)
    assert claims.is_claimable(user_id, run_id, "media")
    assert claims.claim(user_id, run_id, "media", "w") is None
    run, video = run_row(database, run_id), video_row(database, lease.run.video_id)
    assert (run.state, run.error_code, run.attempt) == ("dead", "attempts_exhausted", 5)
    assert (video.state, video.error_code) == ("failed", "attempts_exhausted")
    (row,) = database.owner_rows("SELECT topic FROM outbox")
    assert row[0] == "heimdex-dead-letter"
    assert not claims.is_claimable(user_id, run_id, "media")


@pytest.mark.parametrize(
    ("code", "final"),
    [("decode_crashed", "decode_crashed"), ("dependency_unavailable", "attempts_exhausted")],
)
def test_the_last_transient_failure_is_final(
    database: TestDatabase, claims: Claims, endings: Endings, user_id: UUID, code: str, final: str
) -> None:
    """With no attempt left the run dies at once, with a code that does not promise another."""
    run_id = insert_run(database, user_id)
    database.owner_rows("UPDATE runs SET attempt = 4")
    lease = claimed(claims, user_id, run_id)
    assert len(endings.fail(lease, TransientError(code, "why"))) == 1
    assert run_row(database, run_id).state == "dead"
    assert video_row(database, lease.run.video_id).error_code == final


def test_completing_makes_the_next_lane_ready(
    database: TestDatabase, claims: Claims, endings: Endings, user_id: UUID
) -> None:
    """One transaction ends the run, readies the next lane's, and owes its message."""
    lease = claimed(claims, user_id, insert_run(database, user_id))
    (message_id,) = endings.complete(lease, next_lane="gpu")
    rows = database.owner_rows("SELECT lane, state, generation FROM runs ORDER BY lane")
    assert [tuple(row) for row in rows] == [("gpu", "ready", 7), ("media", "done", 7)]
    (row,) = database.owner_rows("SELECT id, topic FROM outbox")
    assert tuple(row) == (message_id, "heimdex-gpu")
    with pytest.raises(LeaseLostError):
        endings.complete(lease, next_lane="gpu")


def test_completing_the_last_lane_indexes_the_video(
    database: TestDatabase, claims: Claims, endings: Endings, user_id: UUID
) -> None:
    """The rows for search and the video's state are one transaction."""
    lease = claimed(claims, user_id, insert_run(database, user_id))

    def apply(tx: Connection) -> Indexed:
        tx.execute(text("UPDATE videos SET title = 'applied'"))
        return INDEXED

    assert endings.complete(lease, apply=apply) == ()
    video = video_row(database, lease.run.video_id)
    assert (video.state, video.title, video.scene_count) == ("indexed", "applied", 3)
    assert (video.index_version, video.duration_ms) == ("v1", 60_000)
    assert video.indexed_at is not None


def test_a_failing_apply_leaves_the_run_as_it_was(
    database: TestDatabase, claims: Claims, endings: Endings, user_id: UUID
) -> None:
    """Nothing of a completion that fails half way is seen."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)

    def apply(tx: Connection) -> Indexed:
        tx.execute(text("UPDATE videos SET title = 'applied'"))
        raise TransientError

    with pytest.raises(TransientError):
        endings.complete(lease, apply=apply)
    assert run_row(database, run_id).state == "running"
    assert video_row(database, lease.run.video_id).title == "A video"


def test_a_deleted_video_is_not_written(
    database: TestDatabase, claims: Claims, stages: Stages, endings: Endings, user_id: UUID
) -> None:
    """The tombstone wins over a worker in the middle; the next claim cancels the run."""
    run_id = insert_run(database, user_id)
    lease = claimed(claims, user_id, run_id)
    database.owner_rows("UPDATE videos SET deleted_at = now()")
    for write in (
        lambda: claims.heartbeat(lease),
        lambda: stages.plan(lease, PLAN),
        lambda: endings.complete(lease, apply=lambda _: INDEXED),
    ):
        with pytest.raises(LeaseLostError):
            write()
    expire_lease(database, run_id)
    assert claims.claim(user_id, run_id, "media", "w") is None
    assert run_row(database, run_id).state == "cancelled"
    assert video_row(database, lease.run.video_id).state == "processing"


def test_a_lane_can_be_sent_back_for_repair(
    database: TestDatabase, claims: Claims, endings: Endings, user_id: UUID
) -> None:
    """The later lane waits, unclaimable and unrung, until the earlier one is done again."""
    media_id = insert_run(database, user_id)
    endings.complete(claimed(claims, user_id, media_id), next_lane="gpu")
    (row,) = database.owner_rows("SELECT id FROM runs WHERE lane = 'gpu'")
    gpu_id = row[0]
    gpu = claims.claim(user_id, gpu_id, "gpu", "w")
    assert gpu is not None
    assert len(endings.send_back(gpu, "media")) == 1
    assert claims.claim(user_id, gpu_id, "gpu", "w") is None
    repaired = claimed(claims, user_id, media_id)
    assert repaired.attempt == 2
    assert len(endings.complete(repaired, next_lane="gpu")) == 1
    again = claims.claim(user_id, gpu_id, "gpu", "w")
    assert again is not None
    assert again.attempt == 2


class _Schedule(RuleBasedStateMachine):
    """Many workers, any order of claims, writes, crashes and pauses, against a simple model."""

    database: TestDatabase
    pool: Database
    user_id: UUID

    def __init__(self) -> None:
        super().__init__()
        self.claims = Claims(self.pool, POLICY)
        self.endings = Endings(self.pool, POLICY)
        self.stages = Stages(self.pool)
        self.run_id = insert_run(self.database, self.user_id)
        self.leases: list[Lease] = []
        self.valid: Lease | None = None
        self.open = True

    def _write(self, lease: Lease, write: Any) -> bool:
        """Do it; it must succeed for the one valid lease and be refused to all others."""
        if lease is self.valid:
            write()
            return True
        with pytest.raises(LeaseLostError):
            write()
        return False

    @rule()
    def claim(self) -> None:
        lease = self.claims.claim(self.user_id, self.run_id, "media", "w")
        if lease is None:
            return
        row = run_row(self.database, self.run_id)
        assert self.open
        assert all(lease.fencing_token > earlier.fencing_token for earlier in self.leases)
        assert (row.fencing_token, row.attempt) == (lease.fencing_token, lease.attempt)
        self.leases.append(lease)
        self.valid = lease

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self._write(lease, lambda: self.claims.heartbeat(lease))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self._write(lease, lambda: self.stages.plan(lease, PLAN))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        if self._write(lease, lambda: self.claims.release(lease)):
            self.valid = None

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def stumble(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        if self._write(lease, lambda: self.endings.fail(lease, TransientError())):
            self.valid = None
            end_pause(self.database, self.run_id)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), good=st.booleans())
    def end(self, data: st.DataObject, good: bool) -> None:
        lease = data.draw(st.sampled_from(self.leases))

        def finish() -> None:
            if good:
                self.endings.complete(lease, next_lane="gpu")
            else:
                self.endings.fail(lease, InputError("truncated"))

        if self._write(lease, finish):
            self.valid, self.open = None, False

    @rule()
    def crash(self) -> None:
        """The holder is gone or asleep: its lease expires; it may still try to write later."""
        expire_lease(self.database, self.run_id)

    @invariant()
    def attempts_are_capped(self) -> None:
        row = run_row(self.database, self.run_id)
        assert row.attempt == len(self.leases) <= POLICY.max_attempts
        if row.state == "dead":
            self.valid, self.open = None, False
        assert (row.state == "running") == (self.valid is not None)

    def teardown(self) -> None:
        assert_legal_transitions(self.database)


def test_any_schedule_of_workers_keeps_the_run_whole(
    database: TestDatabase, worker_database: Database, user_id: UUID
) -> None:
    """At most one valid lease, strictly increasing tokens, capped attempts, legal states."""
    record_transitions(database)
    attributes = {"database": database, "pool": worker_database, "user_id": user_id}
    machine = type("Schedule", (_Schedule,), attributes)
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )


# --- what is logged of it ----------------------------------------------------------------------


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Events, as (action, fields)."""
    seen: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(log, "event", lambda action, /, **fields: seen.append((action, fields)))
    return seen


def test_a_lease_that_expired_is_logged_once(
    database: TestDatabase,
    claims: Claims,
    user_id: UUID,
    logged: list[tuple[str, dict[str, Any]]],
) -> None:
    """By the claim that takes the run over, or buries it; never by the first, nor by a retry."""
    run_id = insert_run(database, user_id)
    for attempt in range(1, POLICY.max_attempts + 1):
        assert claims.claim(user_id, run_id, "media", "w") is not None
        assert claims.claim(user_id, run_id, "media", "rival") is None
        assert len(logged) == attempt - 1
        expire_lease(database, run_id)
    assert claims.claim(user_id, run_id, "media", "w") is None
    assert [action for action, _ in logged] == ["run.lease_expired"] * POLICY.max_attempts
    video_id = run_row(database, run_id).video_id
    assert logged[0][1]["video_id"] == video_id
    assert (logged[0][1]["run_id"], logged[0][1]["lane"]) == (run_id, "media")


def test_a_run_that_was_given_back_is_no_expiry(
    database: TestDatabase,
    claims: Claims,
    user_id: UUID,
    logged: list[tuple[str, dict[str, Any]]],
) -> None:
    """Its worker ended in order."""
    run_id = insert_run(database, user_id)
    lease = claims.claim(user_id, run_id, "media", "w")
    assert lease is not None
    claims.release(lease)
    assert claims.claim(user_id, run_id, "media", "w") is not None
    assert logged == []


def test_becoming_searchable_is_logged_with_the_wait_the_first_time(
    database: TestDatabase,
    claims: Claims,
    endings: Endings,
    user_id: UUID,
    logged: list[tuple[str, dict[str, Any]]],
) -> None:
    """From the last object's arrival; of a video that is indexed once more only its length."""
    run_id = insert_run(database, user_id, lane="gpu")
    database.owner_rows("UPDATE upload_objects SET finalized_at = now() - interval '90 s'")
    for _ in range(2):
        lease = claims.claim(user_id, run_id, "gpu", "w")
        assert lease is not None
        endings.complete(lease, apply=lambda _: INDEXED)
        database.owner_rows("UPDATE runs SET state = 'ready', attempt = 0")
    (first, again) = [fields for action, fields in logged if action == "video.searchable"]
    waited_s = first.pop("time_to_searchable_s")
    assert 89 < waited_s < 600
    assert first == again == {"video_minutes": 1.0, "scene_count": 3}
