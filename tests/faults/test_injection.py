"""The faults are what they say: wires really cut, clocks really wrong, Postgres really gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from common.database import Database
from common.errors import TransientError
from tests.conftest import settings
from tests.faults.processes import REPOSITORY
from tests.faults.world import World

pytestmark = [
    pytest.mark.xdist_group("faults"),
    # pg8000 leaves the socket open when a connection fails half way.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    """A pool on the wire that can be cut."""
    url = world.endpoints(proxied=True).database["heimdex_api"]
    found = Database.connect(settings(database_url=url))
    yield found
    found.close()
    world.proxy.reset()


@pytest.fixture
def user_id(world: World) -> Iterator[UUID]:
    """A user who is not there yet."""
    found = uuid4()
    yield found
    world.forget(found)


def _insert(database: Database, user_id: UUID, world: World, how: str) -> None:
    with database.tenant(user_id, effect="test.write") as tx:
        tx.execute(
            text("INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)"),
            {"id": user_id, "uid": str(user_id)},
        )
        if how == "cut":
            world.proxy.cut()
        elif how == "swallow":
            world.proxy.swallow_commit()


def _is_there(world: World, user_id: UUID) -> bool:
    return bool(world.rows("SELECT 1 FROM users WHERE id = :id", id=user_id))


@pytest.mark.parametrize(("how", "there"), [("cut", False), ("swallow", True)])
def test_a_cut_wire_fails_before_or_after_the_commit(
    world: World, database: Database, user_id: UUID, how: str, there: bool
) -> None:
    """Cut in the transaction nothing is written; cut instead of the answer all of it is."""
    with pytest.raises(TransientError):
        _insert(database, user_id, world, how)
    assert _is_there(world, user_id) == there


def test_refused_connections_come_back(world: World, database: Database, user_id: UUID) -> None:
    """As many connections as asked for are refused, and then no more."""
    world.proxy.refuse(1)
    with pytest.raises(TransientError):
        _insert(database, user_id, world, "")
    _insert(database, user_id, world, "")
    assert world.proxy.refused == 1
    assert _is_there(world, user_id)


def test_postgres_is_gone_and_comes_back_with_its_rows(
    world: World, database: Database, user_id: UUID
) -> None:
    """After SIGKILL nobody answers; after the restart what was committed is there."""
    _insert(database, user_id, world, "")
    world.stop_postgres()
    with pytest.raises(TransientError), database.tenant(user_id):
        pass
    world.start_postgres()
    assert _is_there(world, user_id)


def test_a_shifted_clock_is_wrong_everywhere() -> None:
    """Modules that imported the time or the datetime before see the other time, too."""
    code = (
        "import time\n"
        "from tests.faults import child\n"
        "from common import signing\n"
        "before = time.time()\n"
        "child._shift_clock(300.0)\n"
        "late = signing.datetime.now(signing.UTC).timestamp() - before\n"
        "print(300 <= time.time() - before < 310, 300 <= late < 310)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True True", done.stderr
