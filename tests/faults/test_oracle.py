"""The oracle can fail: each invariant is broken on purpose, and it says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from common.messages import RunDied, encode
from tests.faults import content
from tests.faults.ended import Bystander, Ended
from tests.faults.oracle import INVARIANTS, verdict
from tests.faults.plan import Expect, Plan
from tests.faults.story import Story
from tests.faults.wiring import ARTIFACTS
from tests.faults.world import World

pytestmark = [
    pytest.mark.xdist_group("faults"),
    # pg8000 leaves the socket open when a connection fails half way.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Plant = Callable[[Ended], Ended | None]


@pytest.fixture(scope="module")
def ended(world: World, bystander: Bystander) -> Iterator[Ended]:
    """A run without faults, on which one violation after the other is planted."""
    story = Story(world, Plan())
    story.run()
    assert story.video_id is not None
    found = Ended(
        world=world,
        user_id=story.user_id,
        video_id=story.video_id,
        expect=Expect(repeats=0, claims=0),
        bystander=bystander,
        seconds=1.0,
    )
    assert verdict(found) == []
    yield found
    world.forget(story.user_id)


def _sql(statement: str) -> Plant:
    def plant(ended: Ended) -> None:
        ended.rows(statement)

    return plant


def _orphan(ended: Ended) -> None:
    name = f"sidecars/{ended.user_id}/{ended.video_id}/{uuid4()}.json"
    ended.world.store.write(
        ARTIFACTS, name, b"{}", content_type="application/json", effect="test.plant"
    )


def _torn_artifact(ended: Ended) -> None:
    (row,) = ended.rows(
        "SELECT artifact_key FROM jobs WHERE user_id = :user_id AND stage = 'vision_tags'"
    )
    ended.world.store.write(
        ARTIFACTS, row.artifact_key, b"torn", content_type="x/y", effect="test.plant"
    )


def _waiting_message(ended: Ended) -> None:
    ended.world.bus.publish("heimdex-gpu", b"x", {}, effect="test.plant")


def _orphan_archive(ended: Ended) -> None:
    name = f"exports/{ended.user_id}/{uuid4()}/1.zip"
    ended.world.store.write(
        ARTIFACTS, name, b"", content_type="application/zip", effect="test.plant"
    )


def _no_account(ended: Ended) -> None:
    (account,) = ended.world.accounts_of(ended.user_id)
    account.unlink()


def _dead_letter(ended: Ended) -> None:
    died = RunDied(user_id=ended.user_id, run_id=uuid4(), lane="gpu", error_code="x")
    ended.world.bus.publish("heimdex-dead-letter", encode(died).encode(), {}, effect="test.plant")


def _slow(ended: Ended) -> Ended:
    return replace(ended, seconds=1_000.0)


def _stuck(ended: Ended) -> Ended:
    return replace(ended, stuck="unsettled")


def _only_marked_deleted(ended: Ended) -> Ended:
    ended.rows("UPDATE videos SET deleted_at = now() WHERE user_id = :user_id")
    return replace(ended, expect=Expect(state="deleted", repeats=0))


_PLANTS: tuple[tuple[str, Plant], ...] = (
    ("I1", _sql("UPDATE videos SET state = 'processing' WHERE user_id = :user_id")),
    ("I1", _sql("UPDATE runs SET state = 'ready' WHERE user_id = :user_id AND lane = 'gpu'")),
    ("I2", _sql("UPDATE scenes SET end_ms = end_ms + 1 WHERE user_id = :user_id")),
    ("I2", _sql("UPDATE jobs SET version = 2 WHERE user_id = :user_id AND stage = 'commit'")),
    ("I3", _orphan),
    ("I3", _torn_artifact),
    ("I3", _orphan_archive),
    (
        "I3",
        _sql(
            "INSERT INTO exports (user_id, id, state, object_name) "
            "VALUES (:user_id, gen_random_uuid(), 'ready', 'exports/nowhere.zip')"
        ),
    ),
    ("I3", _sql("UPDATE outbox SET published_at = NULL WHERE user_id = :user_id")),
    ("I5", _sql("UPDATE runs SET attempt = 6 WHERE user_id = :user_id")),
    ("I5", _sql("UPDATE jobs SET attempt = 2 WHERE user_id = :user_id")),
    ("I6", _waiting_message),
    ("I6", _dead_letter),
    (
        "I6",
        _sql(
            "INSERT INTO dead_letters (id, reason, subscription, delivery_attempts, payload) "
            "VALUES ('never sent', 'message_invalid', '', 0, '')"
        ),
    ),
    ("I7", _sql("UPDATE videos SET state = 'uploading' WHERE user_id = :user_id")),
    ("I8", _sql("UPDATE runs SET attempt = attempt + 1 WHERE user_id = :user_id")),
    ("I8", _sql("UPDATE runs SET fencing_token = 0 WHERE user_id = :user_id")),
    ("I9", _no_account),
    ("I9", _only_marked_deleted),
    ("I10", _slow),
    ("I10", _stuck),
)


@pytest.mark.parametrize(("invariant", "plant"), _PLANTS)
def test_a_planted_violation_is_noticed(ended: Ended, invariant: str, plant: Plant) -> None:
    """The oracle says more about that invariant than it did before."""
    before = _counts(ended)
    changed = plant(ended) or ended
    assert _counts(changed)[invariant] > before[invariant]


def test_a_touched_bystander_is_noticed(ended: Ended, world: World, bystander: Bystander) -> None:
    """A change of any row of another tenant is found, whichever table it is in."""
    title = "UPDATE videos SET title = :title WHERE user_id = :id"
    (row,) = world.rows("SELECT title FROM videos WHERE user_id = :id", id=bystander.user_id)
    world.rows(title, title="stolen", id=bystander.user_id)
    try:
        assert "I4 rows or objects of another tenant changed" in verdict(ended)
    finally:
        world.rows(title, title=row.title, id=bystander.user_id)


@pytest.mark.parametrize("table", ["frame_vectors", "text_codes", "scene_terms"])
def test_a_lost_row_is_another_index(
    ended: Ended, world: World, bystander: Bystander, table: str
) -> None:
    """The hash of an index covers every table that search reads."""
    whole = content.fingerprint(world, ended.user_id, bystander.video_id)
    before = content.fingerprint(world, ended.user_id, ended.video_id)
    ended.rows(f"DELETE FROM {table} WHERE user_id = :user_id")
    after = content.fingerprint(world, ended.user_id, ended.video_id)
    assert len({whole, before, after}) == 3


def _counts(ended: Ended) -> Counter[str]:
    return Counter(said.split()[0] for said in verdict(ended))


def test_every_invariant_is_planted_against() -> None:
    """No invariant is left without a test that it can fail."""
    assert {invariant for invariant, _ in _PLANTS} | {"I4"} == set(INVARIANTS)
