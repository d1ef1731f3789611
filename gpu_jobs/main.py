"""An execution of a lane's Cloud Run Job: wiring, signals and the exit code."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from common import log, tracing
from common.bus import Bus
from common.config import Settings, load
from common.database import Database
from common.domain import LANES, Lane, MediaLimits
from common.errors import ConfigError, TransientError
from common.index_version import index_version
from common.ledger.claims import Claims
from common.ledger.endings import Endings
from common.ledger.outbox import Outbox
from common.ledger.policy import LeasePolicy
from common.ledger.stages import Stages
from common.ledger.uploads import Uploads
from common.sql.version import SchemaOutdatedError
from common.storage import ObjectStore
from common.videos import people
from gpu_jobs import sandbox
from gpu_jobs.costs import Rates
from gpu_jobs.pipeline import PIPELINE
from gpu_jobs.runner import Runner, Tools
from gpu_jobs.worker import Ports, Schedule, Worker

#: Cloud Run kills ten seconds after SIGTERM. A stage that can be interrupted releases its run by
#: itself in this time; for one that cannot, this thread does it.
_GRACE_S: Final = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Work on one lane; returns the exit code: 0 unless the worker itself is broken."""
    options = _parser().parse_args(arguments)
    log.configure(f"heimdex-{options.lane}")
    try:
        settings = load()
        tracing.configure(settings, f"heimdex-{options.lane}")
        worker = connect(settings, options.lane, once=options.once)
    except (ConfigError, SchemaOutdatedError) as error:
        log.event("worker.refused", severity="ERROR", error=error)
        return 1
    return supervise(worker)


def supervise(worker: Worker) -> int:
    """Run a worker in a thread, and end it within the grace time when a signal comes.

    The main thread does nothing else, because Python runs signal handlers nowhere else, and not
    while a stage is inside a library.
    """
    # Whatever is written here wakes this thread: the number of a signal, or 0 at the end.
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write_fd)
    broken: list[BaseException] = []
    thread = threading.Thread(target=_work, args=(worker, write_fd, broken), daemon=True)
    thread.start()
    if os.read(read_fd, 1) != b"\0":
        log.event("worker.stopping")
        worker.stop()
        thread.join(_GRACE_S)
        if thread.is_alive():
            worker.abandon()
            # The thread cannot be ended, and must not keep the process.
            sys.stdout.flush()
            os._exit(0)
    thread.join()
    log.event("worker.ended")
    return 1 if broken else 0


def _work(worker: Worker, wake_fd: int, broken: list[BaseException]) -> None:
    try:
        worker.run()
    except Exception as error:  # noqa: BLE001 (the last stop before the exit code)
        log.event("worker.broken", severity="ERROR", error=error)
        broken.append(error)
    finally:
        os.write(wake_fd, b"\0")


def connect(settings: Settings, lane: Lane, *, once: bool) -> Worker:
    """Wire a worker to the services that the settings name.

    Raises:
        ConfigError: the settings do not name them all, or the profile is not available.
        SchemaOutdatedError: the database waits for a migration.
    """
    db = Database.connect(settings)
    _refuse_older_schema(db)
    bus = Bus.connect(settings)
    policy = LeasePolicy.of(settings)
    claims, endings = Claims(db, policy), Endings(db, policy)
    tools = Tools(
        stages=Stages(db),
        endings=endings,
        uploads=Uploads(db, grace_s=settings.upload_grace_s),
        store=ObjectStore.connect(settings),
        uploads_bucket=settings.uploads_bucket,
        artifacts_bucket=settings.artifacts_bucket,
        rates=Rates.of(settings),
        sandbox=sandbox.call,
        load_models=partial(_load_models, settings),
        names=partial(_names, db),
        limits=MediaLimits(max_duration_ms=settings.max_duration_ms),
        index_version=index_version(settings.profile, choose=settings.chosen_models),
    )
    ports = Ports(
        bus=bus,
        claims=claims,
        endings=endings,
        outbox=Outbox(db, bus),
        runner=Runner(PIPELINE, tools),
    )
    return Worker(
        lane=lane,
        subscription=settings.work_subscription(lane),
        owner=_owner(),
        ports=ports,
        schedule=Schedule(
            idle_exit_s=settings.idle_exit_s,
            stop_claiming_after_s=settings.stop_claiming_after_s,
            once=once,
        ),
    )


def _refuse_older_schema(db: Database) -> None:
    """Before a message is pulled that could only go back."""
    try:
        db.check_schema()
    except SchemaOutdatedError:
        db.close()
        raise
    except TransientError as error:
        # Not to be had now; the first transaction looks again.
        log.event("schema.unchecked", severity="WARNING", error=error)


def _load_models(settings: Settings) -> object:
    # Imported when first needed: the media lane never loads a model library.
    from gpu_jobs import models

    return models.load(settings)


def _names(db: Database, user_id: UUID) -> tuple[str, ...]:
    with db.tenant(user_id) as tx:
        return people.list_names(tx, user_id)


def _owner() -> str:
    execution = os.environ.get("CLOUD_RUN_EXECUTION") or platform.node()
    task = os.environ.get("CLOUD_RUN_TASK_INDEX") or str(os.getpid())
    return f"{execution}/{task}/{uuid4().hex[:8]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gpu_jobs", description=__doc__)
    parser.add_argument("--lane", choices=LANES, required=True, help="what to work on")
    parser.add_argument("--once", action="store_true", help="end after one run")
    return parser
