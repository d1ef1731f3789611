"""Names of a user's people on their way to the stages that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

from common.database import Database
from gpu_jobs.main import _names
from gpu_jobs.stage import Pipeline
from tests.conftest import TestDatabase
from tests.ledger import Upload
from tests.tiny_pipeline import STAGES, Half, Joined, Rig


def enrol(database: TestDatabase, user_id: UUID, name: str, age_s: int) -> None:
    """A person of a user."""
    database.owner_rows(
        "INSERT INTO people (user_id, id, name, created_at) "
        "VALUES (:user_id, :id, :name, now() - make_interval(secs => :age_s))",
        user_id=user_id,
        id=uuid4(),
        name=name,
        age_s=age_s,
    )


def test_a_worker_sees_the_names_of_one_user(
    database: TestDatabase, worker_database: Database, user_id: UUID
) -> None:
    """The newest first, no more than a hint can hold, and nobody else's."""
    other_id = uuid4()
    database.owner_rows(
        "INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=other_id, uid="other"
    )
    enrol(database, user_id, "민지", 20)
    enrol(database, user_id, "Jun", 10)
    enrol(database, other_id, "Eve", 5)
    assert _names(worker_database, user_id) == ("Jun", "민지")
    for place in range(120):
        enrol(database, user_id, f"friend {place}", 100 + place)
    assert len(_names(worker_database, user_id)) == 100


def test_a_stage_that_asks_gets_the_names_of_the_videos_user(
    rig: Rig, new_upload: Callable[[], Upload], user_id: UUID
) -> None:
    """The runner gives them by the argument's name."""
    new_upload()
    seen: list[tuple[str, ...]] = []

    def join(*, first: Half, second: Half, names: tuple[str, ...]) -> Joined:
        seen.append(names)
        return Joined(content=first.content + second.content)

    rig.pipeline = Pipeline(replace(row, run=join) if row.name == "join" else row for row in STAGES)
    rig.work()
    assert seen == [(f"friend of {user_id}",)]
