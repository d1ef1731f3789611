"""What a soak runs on: the database, stand-ins and functions, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

import sqlalchemy

from common.bus import Bus
from common.config import Settings
from common.domain import LANES
from local.environment import OFFLINE, PROJECT, process_environment
from local.functions import REPOSITORY, FunctionProcess, FunctionSpec
from local.identity import IdentityServer
from local.pubsub.declare import SubscriptionPlan, declare
from local.scheduler import Scheduler
from tests.conftest import SCHEMA, TestDatabase, postgres_server
from tests.ledger import record_transitions
from tests.tiny_pipeline import ARTIFACTS, UPLOADS

_SWEEP_EVERY_S: Final = 2.0
#: Quick to find a dead worker, and more patient than a crash of the database takes.
_TIMES: Final = {
    "HEIMDEX_LEASE_S": "8",
    "HEIMDEX_RETRY_BACKOFF_S": "0.5",
    "HEIMDEX_RING_AGAIN_AFTER_S": "15",
}
#: A process has this long to end by itself.
_END_S: Final = 30.0
_FUNCTIONS: Final = {"upload_finalized": "cloudevent", "start_jobs": "http"}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where things are."""

    database: TestDatabase
    storage_url: str
    #: Of processes, but for their role in the database.
    environment: Mapping[str, str]


@contextmanager
def surroundings(directory: Path) -> Iterator[Surroundings]:
    """Start everything but the workers; the sweep rings by itself."""
    with ExitStack() as stack:
        database = stack.enter_context(_database())
        identity = IdentityServer(directory / "identity", project=PROJECT)
        identity.start()
        stack.callback(identity.stop)
        functions = {
            name: FunctionProcess(
                FunctionSpec(name=name, signature=signature), directory / f"{name}.log"
            )
            for name, signature in _FUNCTIONS.items()
        }
        log = stack.enter_context((directory / "stand-ins.log").open("ab"))
        pubsub = stack.enter_context(_stand_in(log, "pubsub", directory / "pubsub"))
        event_url = functions["upload_finalized"].url
        storage = stack.enter_context(_stand_in(log, "storage", directory / "storage", event_url))
        environment = {
            **identity.environment(),
            **process_environment(
                storage_url=storage, pubsub_endpoint=pubsub, token_key="soak", models=OFFLINE
            ),
            **_TIMES,
            "HEIMDEX_UPLOADS_BUCKET": UPLOADS,
            "HEIMDEX_ARTIFACTS_BUCKET": ARTIFACTS,
            # Nobody is rung for: the workers are always there.
            "HEIMDEX_RUN_ENDPOINT": "127.0.0.1:9",
        }
        _declare(pubsub, functions["start_jobs"].url)
        for function in functions.values():
            stack.callback(function.stop)
            url = database.url("heimdex_ingest")
            function.start({**environment, "HEIMDEX_DATABASE_URL": url})
        for function in functions.values():
            function.wait_ready()
        stack.enter_context(_scheduler(pubsub))
        yield Surroundings(database=database, storage_url=storage, environment=environment)


@contextmanager
def process(
    log: IO[bytes], module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process that runs until its standard input ends."""
    running = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env=dict(os.environ if environment is None else environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        yield running
    finally:
        try:
            running.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()


@contextmanager
def _stand_in(log: IO[bytes], *arguments: object) -> Iterator[str]:
    with process(log, "tests.soak.stand_in", *map(str, arguments)) as running:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"{arguments[0]} did not start; see {log.name}")
        yield address


@contextmanager
def _database() -> Iterator[TestDatabase]:
    with postgres_server() as server:
        name = f"soak_{uuid4().hex}"
        server.create_database(name)
        engine = sqlalchemy.create_engine(server.url(name), poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(SCHEMA.read_text())
        database = TestDatabase(postgres=server, name=name, owner=engine)
        record_transitions(database)
        try:
            yield database
        finally:
            engine.dispose()


def _declare(pubsub: str, start_jobs_url: str) -> None:
    """The topology of an environment without the doorbells."""
    dead, sweep = "heimdex-dead-letter", "heimdex-sweep"
    lanes = [f"heimdex-{lane}" for lane in LANES]
    work = [
        SubscriptionPlan(
            name=f"{topic}-work",
            topic=topic,
            ack_deadline_s=30,
            dead_letter_topic=dead,
            max_delivery_attempts=10,
            minimum_backoff_s=1.0,
            maximum_backoff_s=60.0,
        )
        for topic in lanes
    ]
    pushed = SubscriptionPlan(name=f"{sweep}-push", topic=sweep, push_endpoint=start_jobs_url)
    held = SubscriptionPlan(name=f"{dead}-hold", topic=dead)
    declare(pubsub, PROJECT, topics=[*lanes, sweep, dead], subscriptions=[*work, pushed, held])


@contextmanager
def _scheduler(pubsub: str) -> Iterator[None]:
    settings = Settings(
        project=PROJECT, uploads_bucket=UPLOADS, artifacts_bucket=ARTIFACTS, pubsub_endpoint=pubsub
    )
    with Bus.connect(settings) as bus:
        scheduler = Scheduler(bus, interval_s=_SWEEP_EVERY_S)
        scheduler.start()
        try:
            yield
        finally:
            scheduler.stop()
