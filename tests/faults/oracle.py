"""The ten invariants, looked at after every run.

Each gives the sentences in which the world breaks it; none are good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from common.artifacts import digest
from common.config import Settings
from common.domain import LANES
from common.ledger.policy import LeasePolicy
from common.ledger.states import RUN_TRANSITIONS, VIDEO_TRANSITIONS
from common.messages import RunDied
from common.videos.erasing import sha256_of
from functions.start_jobs.face_erasing import BIOMETRIC_STAGES
from tests.faults import content, stages
from tests.faults.archives import wrong_exports
from tests.faults.ended import Ended
from tests.faults.wiring import ARTIFACTS, UPLOADS
from tests.residue import traces_in_tables

#: Only a hang takes as long, even on a busy machine; the rounds of recovery are the finer bound.
TIME_BOUND_S: Final = 300.0


def i1_one_terminal_state(ended: Ended) -> Iterator[str]:
    """Every accepted upload ends in exactly one final state, the one it should."""
    videos = ended.rows(
        "SELECT id, state, error_code, deleted_at FROM videos WHERE user_id = :user_id"
    )
    if [video.id for video in videos] != ([] if ended.erased else [ended.video_id]):
        yield f"{len(videos)} videos instead of {0 if ended.erased else 1}"
    for video in videos:
        state = "deleted" if video.deleted_at else video.state
        if state != ended.expect.state:
            yield f"video is {state} ({video.error_code}), not {ended.expect.state}"
        if state == "failed" and video.error_code != ended.expect.code:
            yield f"video failed with {video.error_code}, not {ended.expect.code}"
    for run in ended.rows("SELECT lane, state FROM runs WHERE user_id = :user_id"):
        if run.state in ("ready", "running"):
            yield f"run of lane {run.lane} is {run.state} for ever"


def i2_one_committed_set(ended: Ended) -> Iterator[str]:
    """An indexed video has one set of rows, equal to that of a run without faults."""
    if ended.expect.state != "indexed":
        if left := ended.count("SELECT count(*) FROM scenes WHERE user_id = :user_id"):
            yield f"{left} scenes of a video that is not indexed"
        return
    found = content.fingerprint(ended.world, ended.user_id, ended.video_id)
    if found != ended.bystander.fingerprint:
        yield "rows or sidecars differ from a run without faults"
    runs = ended.rows(
        "SELECT lane, count(*) FROM runs WHERE user_id = :user_id AND state = 'done' GROUP BY 1"
    )
    if dict(map(tuple, runs)) != dict.fromkeys(LANES, 1):
        yield f"finished runs by lane: {runs}"
    found_versions = dict(ended.rows("SELECT stage, version FROM jobs WHERE user_id = :user_id"))
    if found_versions != {name: ended.expect.versions.get(name, 1) for name in stages.NAMES}:
        yield f"stages: {found_versions}"


def i3_no_orphans(ended: Ended) -> Iterator[str]:
    """Every object and every owed message belongs to something; checkpoints are whole."""
    live = ended.expect.state == "indexed"
    sidecars = {
        f"sidecars/{ended.user_id}/{ended.video_id}/{row.id}.json"
        for row in ended.rows("SELECT id FROM scenes WHERE user_id = :user_id")
    }
    archives = ended.archives()
    for name in ended.names(ARTIFACTS):
        # What a failed video left stays until it is deleted.
        kept = ended.expect.state == "failed" or name.startswith("artifacts/")
        own = f"/{ended.user_id}/{ended.video_id}/" in name and not ended.erased
        if name not in sidecars | archives and not (kept and own):
            yield f"orphan {name}"
    yield from wrong_exports(ended)
    if live and sidecars - ended.names(ARTIFACTS):
        yield "a scene has no sidecar"
    declared = {
        row.object_name
        for row in ended.rows(
            "SELECT object_name FROM upload_objects o JOIN videos v ON v.user_id = o.user_id "
            "AND v.id = o.video_id WHERE o.user_id = :user_id AND v.deleted_at IS NULL"
        )
    }
    if orphans := ended.names(UPLOADS) - declared:
        yield f"orphan uploads {orphans}"
    owed = "SELECT count(*) FROM outbox WHERE user_id = :user_id AND published_at IS NULL"
    if number := ended.count(owed):
        yield f"{number} messages are owed for ever"
    if live:
        yield from _damaged(ended)


def _damaged(ended: Ended) -> Iterator[str]:
    withdrawn = "SELECT count(*) FROM face_consents WHERE user_id = :user_id"
    # Consent is only ever given in a story to be withdrawn at its end.
    gone = BIOMETRIC_STAGES if ended.count(withdrawn) else ()
    for row in ended.rows(
        "SELECT stage, artifact_key, artifact_sha256 FROM jobs WHERE user_id = :user_id"
    ):
        if row.stage in gone:
            continue
        info = ended.world.store.stat(ARTIFACTS, row.artifact_key or "none")
        if info is None:
            yield f"artifact of {row.stage} is missing"
            continue
        data = ended.world.store.read(ARTIFACTS, row.artifact_key)
        if digest(data) != row.artifact_sha256:
            yield f"artifact of {row.stage} is damaged"


def i4_no_foreign_rows(ended: Ended) -> Iterator[str]:
    """The bystander's rows and index are as they were, and nobody sees the other's."""
    other = ended.bystander
    if content.tenant_state(ended.world, other.user_id) != other.state:
        yield "rows or objects of another tenant changed"
    if not ended.world.accounts_of(other.user_id):
        yield "another tenant's account was deleted"
    mixed = (
        "SELECT count(*) FROM scenes s JOIN videos v ON v.id = s.video_id "
        "WHERE v.user_id <> s.user_id"
    )
    if number := ended.count(mixed):
        yield f"{number} scenes belong to another tenant than their video"
    database = ended.world.wiring.api_database
    for user_id in (ended.user_id, other.user_id):
        with database.tenant(user_id) as tx:
            seen = tx.exec_driver_sql(
                "SELECT count(*) FROM scenes WHERE user_id <> app_user_id()"
            ).scalar_one()
        if seen:
            yield f"a tenant sees {seen} scenes of others"


def i5_attempts_capped(ended: Ended) -> Iterator[str]:
    """No run is claimed more often than allowed."""
    most = LeasePolicy.of(_default_settings()).max_attempts
    for run in ended.rows("SELECT lane, attempt FROM runs WHERE user_id = :user_id"):
        if run.attempt > most:
            yield f"run of lane {run.lane} was claimed {run.attempt} times"
    repeats = "SELECT coalesce(sum(greatest(attempt - 1, 0)), 0) FROM jobs WHERE user_id = :user_id"
    if (number := ended.count(repeats)) > ended.expect.repeats:
        yield f"{number} stages were run again, not {ended.expect.repeats}"
    claims = "SELECT coalesce(sum(greatest(attempt - 1, 0)), 0) FROM runs WHERE user_id = :user_id"
    wanted = ended.expect.claims
    if wanted is not None and (number := ended.count(claims)) != wanted:
        yield f"{number} claims beyond the first, not {wanted}"


def i6_messages_are_done(ended: Ended) -> Iterator[str]:
    """No message waits, and the dead letters are exactly the dead runs."""
    for lane in LANES:
        if left := ended.world.pubsub.backlog(f"heimdex-{lane}-work"):
            yield f"{left} messages of lane {lane} wait"
    dead = {
        row.id
        for row in ended.rows("SELECT id FROM runs WHERE user_id = :user_id AND state = 'dead'")
    }
    if len(dead) != ended.expect.dead:
        yield f"{len(dead)} dead runs, not {ended.expect.dead}"
    named: set[UUID] = set()
    buried: set[bytes] = set()
    letters = ended.dead_letters()
    for letter in letters.values():
        try:
            named.add(RunDied.model_validate_json(letter).run_id)
        except ValueError:
            buried.add(letter)
    if named != dead:
        yield f"dead letters name {len(named)} runs, dead are {len(dead)}"
    if len(buried) != ended.expect.buried:
        yield f"{len(buried)} unreadable dead letters, not {ended.expect.buried}"
    recorded = {row.id for row in ended.rows("SELECT id FROM dead_letters")}
    if recorded != (set() if ended.expect.letters_forgotten else set(letters)):
        yield f"{len(recorded)} of {len(letters)} dead letters are on record"


def i7_legal_transitions(ended: Ended) -> Iterator[str]:
    """Every change of state is one of the state machine's."""
    tables: Mapping[str, Mapping[Any, frozenset[Any]]] = {
        "runs": RUN_TRANSITIONS,
        "videos": VIDEO_TRANSITIONS,
    }
    for row in ended.rows("SELECT * FROM faults.changes WHERE user_id = :user_id ORDER BY n"):
        if row.old_state != row.new_state and row.new_state not in tables[row.kind][row.old_state]:
            yield f"{row.kind}: {row.old_state} -> {row.new_state}"


def i8_tokens_grow(ended: Ended) -> Iterator[str]:
    """Every claim has a token above all before it, and none ever goes back."""
    for row in ended.rows(
        "SELECT * FROM faults.changes WHERE user_id = :user_id AND kind = 'runs' ORDER BY n"
    ):
        if row.new_token < row.old_token:
            yield f"token {row.old_token} -> {row.new_token}"
        if row.new_attempt > row.old_attempt and row.new_token <= row.old_token:
            yield f"a claim kept token {row.old_token}"


def i9_deleted_is_gone(ended: Ended) -> Iterator[str]:
    """Of a deleted video or account only a receipt and audit events are left."""
    gone = ended.expect.state == "gone"
    if bool(ended.world.accounts_of(ended.user_id)) == gone:
        yield "the account of Firebase is still there" if gone else "an account was deleted"
    if not ended.erased:
        return
    changed = ended.rows("SELECT DISTINCT id FROM faults.changes WHERE user_id = :user_id")
    traces = {ended.video_id, *(row.id for row in changed)} | ({ended.user_id} if gone else set())
    for place, number in traces_in_tables(ended.world.rows, traces).items():
        yield f"{number} rows in {place}"
    if left := (ended.names(ARTIFACTS) | ended.names(UPLOADS)) - ended.archives():
        yield f"objects {sorted(left)}"
    receipts = ended.world.rows(
        "SELECT subject, finished_at FROM erasure_receipts WHERE user_sha256 = :sha",
        sha=sha256_of(ended.user_id),
    )
    subjects = [row.subject for row in receipts if row.finished_at is not None]
    if len(receipts) != 1 or subjects != ["account" if gone else "video"]:
        yield f"{len(receipts)} receipts, finished are {subjects}"


def i10_in_time(ended: Ended) -> Iterator[str]:
    """The run came to its end, and did so within the bound."""
    if ended.stuck:
        yield ended.stuck
    if ended.seconds > TIME_BOUND_S:
        yield f"took {ended.seconds:.0f} s"


INVARIANTS: Final[Mapping[str, Callable[[Ended], Iterator[str]]]] = {
    "I1": i1_one_terminal_state,
    "I2": i2_one_committed_set,
    "I3": i3_no_orphans,
    "I4": i4_no_foreign_rows,
    "I5": i5_attempts_capped,
    "I6": i6_messages_are_done,
    "I7": i7_legal_transitions,
    "I8": i8_tokens_grow,
    "I9": i9_deleted_is_gone,
    "I10": i10_in_time,
}


def verdict(ended: Ended) -> list[str]:
    """Every way in which the run broke an invariant, with the invariant's number."""
    return [f"{name} {said}" for name, look in INVARIANTS.items() for said in look(ended)]


def _default_settings() -> Settings:
    return Settings(project="p", uploads_bucket="uploads", artifacts_bucket="artifacts")
