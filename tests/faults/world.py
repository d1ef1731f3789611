"""The world that stands for all runs: a real Postgres, the stand-ins, and the zygote."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil
import sqlalchemy
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from common import log
from common.bus import Bus
from common.domain import LANES
from common.messages import DEAD_LETTER_TOPIC
from common.storage import ObjectStore
from common.videos.erasing import sha256_of
from common.web.auth import user_id_of
from local.executions import JobSpec
from local.jobs import JobsServer
from local.postgres import RUNTIME_ROLES
from local.pubsub import PubSubServer, SubscriptionPlan, declare
from local.storage import StorageServer
from local.storage.faults import Faults as StorageFaults
from local.topology import declare_topology
from tests.conftest import SCHEMA, postgres_server
from tests.faults import audit
from tests.faults.doors import LAUNCHER, Answer, Doors
from tests.faults.processes import Zygote
from tests.faults.proxy import Proxy
from tests.faults.wiring import ARTIFACTS, PROJECT, SIGNER, UPLOADS, Endpoints, Wiring

_DATABASE: Final = "faults"
#: The harness's own: what was published to the dead-letter topic, whatever became of it.
DEAD_LETTERS: Final = "heimdex-dead-letter-hold"
_SUBSCRIPTIONS: Final = (
    *(f"heimdex-{lane}-{kind}" for lane in LANES for kind in ("work", "doorbell")),
    "heimdex-sweep-push",
    "heimdex-dead-letter-push",
    "heimdex-export-push",
    DEAD_LETTERS,
)
#: Postgres is never kept down for nearly as long.
_PATIENCE_S: Final = 30.0
#: Ledger times that move when time passes.
_TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "runs": ("lease_until", "not_before", "rung_at"),
    "outbox": ("created_at",),
    "videos": ("created_at",),
    "erasures": ("created_at",),
    "upload_objects": ("expires_at",),
    "person_photos": ("created_at", "expires_at"),
    "face_erasures": ("created_at", "writable_until"),
    "exports": ("created_at", "lease_until", "rung_at", "expires_at"),
}
#: Those of what is kept for days.
_LONG_TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "videos": ("created_at", "expires_at", "expiry_announced_at"),
    "exports": ("created_at", "expires_at"),
    "dead_letters": ("received_at",),
}
#: Operators, and the owner of the tables.
_PEOPLES_ROLES: Final = ("heimdex_operator", "")


class World:
    """Everything that outlives a run; use it as a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._ahead_s = 0.0
        self._is_up = True
        self._starting = threading.Lock()
        #: Who answers at the doors now; a run puts itself here.
        self.answer: Answer = lambda *_: 204

    def __enter__(self) -> World:
        enter = self._stack.enter_context
        self.directory = Path(enter(tempfile.TemporaryDirectory(prefix="heimdex-faults-")))
        log.configure("faults", stream=enter((self.directory / "harness.log").open("w")))
        self.log = self.directory / "children.log"
        #: Firebase's, as files by their ids.
        self.accounts = self.directory / "accounts"
        self.accounts.mkdir()
        self.zygote = enter(Zygote(self.log))
        self.postgres = enter(postgres_server())
        self._make_database()
        self.doors = enter(Doors(lambda *asked: self.answer(*asked)))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_file = self.directory / "key.pem"
        self._key_file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        self.storage = enter(
            StorageServer(
                self.directory / "storage",
                public_key_for=lambda email: key.public_key() if email == SIGNER else None,
                event_targets={UPLOADS: self.doors.url("event")},
                buckets=(ARTIFACTS,),
            )
        )
        self.pubsub = enter(
            PubSubServer(self.directory / "pubsub", project=PROJECT, clock=self._clock)
        )
        self._declare()
        self.jobs = enter(self._jobs())
        self.proxy = enter(Proxy(self.directory / "wire", lambda: self.postgres._socket))
        self.wiring = enter(Wiring(self.endpoints()))
        self.store = ObjectStore.connect(self.wiring.settings("heimdex_worker"))
        self.bus = enter(Bus.connect(self.wiring.settings("heimdex_worker")))
        return self

    def __exit__(self, *_: object) -> None:
        self.start_postgres()
        self.owner.dispose()
        self._stack.close()

    def endpoints(self, *, proxied: bool = False, **changes: Any) -> Endpoints:
        """Where a process finds everything; `proxied` puts the cuttable wire before Postgres."""
        url = partial(self.postgres.url, _DATABASE)
        urls = {role: url(role) for role in (*RUNTIME_ROLES, *_PEOPLES_ROLES)}
        if proxied:
            urls |= {
                role: f"postgresql+pg8000://{role}@/{_DATABASE}?unix_sock={self.directory}/wire"
                for role in RUNTIME_ROLES
            }
        return Endpoints(
            database=urls,
            storage=self.storage.url,
            pubsub=self.pubsub.endpoint,
            run=self.jobs.endpoint,
            key_file=str(self._key_file),
            doors=self.doors.url(""),
            accounts=str(self.accounts),
            **changes,
        )

    def rows(self, sql: str, **values: object) -> list[sqlalchemy.Row[Any]]:
        """Run one statement as the superuser, whom row-level security does not bind.

        While Postgres is down on purpose, it waits.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self.owner.begin() as connection:
                    result = connection.execute(text(sql), values)
                    return list(result.all()) if result.returns_rows else []
            except DBAPIError:
                if self._is_up or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def pass_time(self, seconds: float) -> None:
        """Let that much time pass for the ledger and for Pub/Sub, at once."""
        self._ahead_s += seconds
        for table, columns in _TIMES.items():
            # A transaction each: workers that lock rows of two tables are not to wait for us.
            moved = ", ".join(f"{x} = {x} - make_interval(secs => :s)" for x in columns)
            self.rows(f"UPDATE {table} SET {moved}", s=seconds)
        self.pubsub.tick()

    def pass_days(self, user_id: UUID, days: float) -> None:
        """Let that much time pass for what is kept of one user, and for letters of nobody."""
        for table, columns in _LONG_TIMES.items():
            moved = ", ".join(f"{x} = {x} - make_interval(secs => :s)" for x in columns)
            self.rows(
                f"UPDATE {table} SET {moved} WHERE user_id = :id OR user_id IS NULL",
                s=days * 24 * 3600,
                id=user_id,
            )

    def stop_postgres(self) -> None:
        """Kill every process of Postgres."""
        self._is_up = False
        self.owner.dispose()
        server: Any = self.postgres._server
        postmaster = psutil.Process(server.get_pid())
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        while any(process.is_running() and not _is_dead(process) for process in family):
            time.sleep(0.002)
        # Whether its process is still known to the system, as a zombie, is not to matter.
        for lock in (server.pgdata / "postmaster.pid", Path(f"{self.postgres._socket}.lock")):
            lock.unlink(missing_ok=True)

    def start_postgres(self) -> None:
        """Start it again if it does not run; it recovers by itself."""
        server: Any = self.postgres._server
        with self._starting:
            server.ensure_postgres_running()
            self._is_up = True

    def accounts_of(self, user_id: UUID) -> list[Path]:
        """What Firebase knows of a user: one file, or none."""
        return [x for x in self.accounts.iterdir() if user_id_of(PROJECT, x.name) == user_id]

    def forget(self, user_id: UUID) -> None:
        """Remove a user with everything there is of it, and all messages and faults."""
        self.storage.faults = StorageFaults()
        self.proxy.reset()
        self.rows("DELETE FROM users WHERE id = :id", id=user_id)
        self.rows("DELETE FROM audit_events WHERE user_id = :id", id=user_id)
        self.rows("DELETE FROM erasure_receipts WHERE user_sha256 = :sha", sha=sha256_of(user_id))
        # Those of a run went with it; these could not be read.
        self.rows("DELETE FROM dead_letters")
        self.rows("TRUNCATE faults.changes")
        for account in self.accounts_of(user_id):
            account.unlink()
        for bucket in (UPLOADS, ARTIFACTS):
            for info in list(self.store.list(bucket, "")):
                if str(user_id) in info.name:
                    self.store.delete(bucket, info.name, effect="test.forget")
        for subscription in _SUBSCRIPTIONS:
            self.pubsub.purge(subscription)
        for calls, method in (
            (self.pubsub.faults.calls, "Publish"),
            (self.pubsub.faults.calls, "Pull"),
            (self.pubsub.faults.calls, "Acknowledge"),
            (self.jobs.faults, "RunJob"),
        ):
            while calls.draw(method):
                pass

    def _declare(self) -> None:
        declare_topology(
            self.pubsub.endpoint,
            project=PROJECT,
            start_jobs_url=self.doors.url("push"),
            dead_letter_url=self.doors.url("letter"),
            build_export_url=self.doors.url("export"),
        )
        held = SubscriptionPlan(name=DEAD_LETTERS, topic=DEAD_LETTER_TOPIC)
        declare(self.pubsub.endpoint, PROJECT, topics=(), subscriptions=[held])

    def _clock(self) -> float:
        return time.time() + self._ahead_s

    def _make_database(self) -> None:
        self.postgres.create_database(_DATABASE)
        self.owner = sqlalchemy.create_engine(
            self.postgres.url(_DATABASE), pool_pre_ping=True, pool_size=2
        )
        with self.owner.begin() as connection:
            connection.exec_driver_sql(SCHEMA.read_text())
            for statement in audit.STATEMENTS:
                connection.exec_driver_sql(statement)

    def _jobs(self) -> JobsServer:
        specs = {
            f"heimdex-{lane}": JobSpec(
                command=(
                    *(sys.executable, "-I", "-S", "-c", LAUNCHER),
                    *(str(self.doors.port), lane),
                ),
                env={"PATH": os.environ["PATH"]},
            )
            for lane in LANES
        }
        return JobsServer(specs, self.directory / "jobs", project=PROJECT, region="asia-northeast3")


def _is_dead(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
