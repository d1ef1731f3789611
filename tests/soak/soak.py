"""Many uploads under faults, until every one has ended."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError

from local.postgres import Postgres
from tests.conftest import TestDatabase
from tests.soak import ledger
from tests.soak.surroundings import Surroundings, process, surroundings
from tests.soak.uploader import Uploader

_USERS: Final = 20
_LOOK_EVERY_S: Final = 0.5
_SAY_EVERY_S: Final = 5.0
#: Nothing ended for this long: something is lost.
_STALLED_S: Final = 180.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much, and what goes wrong how often."""

    uploads: int
    workers_per_lane: int = 5
    #: Uploads under way at once.
    at_once: int = 120
    kill_every_s: float = 2.0
    crash_every_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it."""

    uploads: int
    indexed: int
    failed: int
    #: Not ended, or indexed without being searchable.
    lost: int
    #: Committed more than once.
    double: int
    kills: int
    restarts: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost and nothing was done twice."""
        return not self.lost and not self.double and self.indexed + self.failed == self.uploads


class Soak:
    """One run.

    Args:
        plan: of the run.
        directory: for logs and stand-ins.
        say: told about the progress.
    """

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._directory = directory
        self._say = say
        self._kills = 0
        self._restarts = 0
        self._stored = 0
        self._ended = 0
        self._over = threading.Event()
        #: What ended a thread that should not have ended.
        self._broken: BaseException | None = None

    def run(self) -> Result:
        """Start everything, upload, wait for every end, and count.

        Raises:
            AssertionError: the history in the ledger is not legal.
        """
        with surroundings(self._directory) as around:
            users = _users(around.database)
            started_at = time.monotonic()
            with ExitStack() as stack:
                self._start_fleet(stack, around)
                self._start(stack, lambda: self._upload(around, users))
                self._start(stack, lambda: self._crash(around.database.postgres))
                self._watch(around.database, started_at)
            return self._judge(around.database, time.monotonic() - started_at)

    def _start_fleet(self, stack: ExitStack, around: Surroundings) -> None:
        log = stack.enter_context((self._directory / "workers.log").open("ab"))
        url = around.database.url("heimdex_worker")
        fleet = stack.enter_context(
            process(
                log,
                "tests.soak.fleet",
                str(self._plan.workers_per_lane),
                str(self._plan.kill_every_s),
                environment={**around.environment, "HEIMDEX_DATABASE_URL": url},
            )
        )
        threading.Thread(target=self._count_kills, args=(fleet,), daemon=True).start()

    def _start(self, stack: ExitStack, body: Callable[[], None]) -> None:
        def run() -> None:
            try:
                body()
            except BaseException as error:
                self._broken = error
                raise

        thread = threading.Thread(target=run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._over.set)

    def _count_kills(self, fleet: subprocess.Popen[str]) -> None:
        assert fleet.stdout is not None
        for line in fleet.stdout:
            self._kills += line == "kill\n"

    def _crash(self, postgres: Postgres) -> None:
        while not self._over.wait(self._plan.crash_every_s):
            postgres.crash()
            self._restarts += 1

    def _upload(self, around: Surroundings, users: list[UUID]) -> None:
        db = around.database.as_role("heimdex_api")
        uploader = Uploader(db, around.storage_url, users, self._over)
        while self._stored < self._plan.uploads and not self._over.is_set():
            if self._stored - self._ended >= self._plan.at_once:
                self._over.wait(_LOOK_EVERY_S / 5)
                continue
            uploader.upload(self._stored)
            self._stored += 1
        uploader.close()
        db.close()

    def _watch(self, database: TestDatabase, started_at: float) -> None:
        """Until all have ended, or nothing moves."""
        moved_at = said_at = started_at
        while self._ended < self._plan.uploads:
            time.sleep(_LOOK_EVERY_S)
            if self._broken is not None:
                raise RuntimeError("the soak itself is broken") from self._broken
            try:
                counts = ledger.counts(database)
            except (DBAPIError, OSError):
                # It is being restarted. (pg8000 lets the socket's own errors through.)
                continue
            now = time.monotonic()
            if counts.ended > self._ended:
                self._ended, moved_at = counts.ended, now
            if now - said_at >= _SAY_EVERY_S:
                said_at = now
                self._tell(counts, now - started_at)
            if now - moved_at > _STALLED_S:
                self._say(f"nothing has ended for {_STALLED_S:.0f} s")
                return

    def _tell(self, counts: ledger.Counts, seconds: float) -> None:
        self._say(
            f"{seconds:6.0f} s  stored {self._stored:6}  indexed {counts.indexed:6}  "
            f"failed {counts.failed:5}  open {counts.declared - counts.ended:4}  "
            f"kills {self._kills:4}  restarts {self._restarts:3}  {counts.ended / seconds:5.1f}/s"
        )

    def _judge(self, database: TestDatabase, seconds: float) -> Result:
        self._say(json.dumps(ledger.tables(database), indent=2))
        illegal = ledger.illegal_steps(database)
        assert not illegal, illegal
        counts = ledger.counts(database)
        return Result(
            uploads=self._plan.uploads,
            indexed=counts.indexed,
            failed=counts.failed,
            lost=ledger.lost(database) + self._plan.uploads - counts.declared,
            double=ledger.double(database),
            kills=self._kills,
            restarts=self._restarts,
            seconds=round(seconds, 1),
        )


def _users(database: TestDatabase) -> list[UUID]:
    users = [uuid4() for _ in range(_USERS)]
    for user in users:
        database.owner_rows(
            "INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=user, uid=str(user)
        )
    return users
