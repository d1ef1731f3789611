"""The cloud on a laptop: every Google service by its stand-in, every function as deployed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

import sqlalchemy
from google.cloud import storage
from google.oauth2.credentials import Credentials

from common.bus import Bus
from common.config import Settings
from common.quotas.tiers import change
from common.sql.migrate import upgrade
from local.address import CloudAddress, remove_address, running_cloud, write_address
from local.admin import keep_environment
from local.environment import (
    ARTIFACTS_BUCKET,
    OFFLINE,
    PROJECT,
    REGION,
    UPLOADS_BUCKET,
    ModelChoice,
    kept_secret,
    process_environment,
)
from local.executions import JobSpec
from local.front_door import FrontDoor
from local.functions import REPOSITORY, FunctionProcess
from local.identity import IdentityServer
from local.jobs import JobsServer
from local.postgres import Postgres
from local.pubsub import PubSubServer
from local.scheduler import Scheduler
from local.storage import StorageServer
from local.storage.faults import Faults as StorageFaults
from local.topology import declare_topology
from local.units import FromSource, Units

_DATABASE = "heimdex"
#: What accounts of the local cloud may: a laptop has its own limits.
LOCAL_TIER = "enterprise"
_SWEEP_INTERVAL_S = 15.0

#: Executions of a lane at once; more would only fight for the same cores.
_MAX_RUNNING: Mapping[str, int] = MappingProxyType({"media": 2, "gpu": 1})

#: Function → database role. A role sees and does only what the schema grants it.
_ROLES: Mapping[str, str] = MappingProxyType(
    {
        "api": "heimdex_api",
        "search": "heimdex_api",
        "upload_finalized": "heimdex_ingest",
        "start_jobs": "heimdex_ingest",
        "dead_letter": "heimdex_ingest",
        "build_export": "heimdex_api",
    }
)


class Service(Protocol):
    """Anything that starts and stops."""

    def start(self) -> None:
        """Return once it serves."""

    def stop(self) -> None:
        """End it; its state stays."""


ServiceT = TypeVar("ServiceT", bound=Service)


class Cloud:
    """Starts and stops everything; state lives under one directory that can be deleted.

    Args:
        directory: made if missing; the same directory brings accounts, videos and messages back.
        port: of the front door; 0 picks a free one.
        models: that functions and jobs work with.
        tier: of every account, as in the table `tiers`; "free" shows what the limits feel like.
        units: how functions and jobs are run; from the sources by default.
        on_step: told, in words, what is being started.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        models: ModelChoice = OFFLINE,
        tier: str = LOCAL_TIER,
        units: Units | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._directory = directory.resolve()
        self._port = port
        self._models = models
        self._tier = tier
        self._units = units or FromSource()
        self._on_step = on_step
        self._stack = ExitStack()
        self._address: CloudAddress | None = None
        self._buckets: StorageServer | None = None

    @property
    def address(self) -> CloudAddress:
        """Where it runs; only while started."""
        if self._address is None:
            raise RuntimeError("the local cloud is not started")
        return self._address

    @property
    def logs(self) -> Path:
        """A file per function and per execution of a job."""
        return self._directory / "logs"

    @property
    def storage_faults(self) -> StorageFaults:
        """What goes wrong on purpose in Cloud Storage; settable at run time."""
        if self._buckets is None:
            raise RuntimeError("the local cloud is not started")
        return self._buckets.faults

    def start(self) -> None:
        """Start all services and functions; returns when every one of them answers.

        Raises:
            RuntimeError: something did not start, or another cloud runs on the directory.
        """
        if (running := running_cloud(self._directory)) is not None:
            raise RuntimeError(
                f"a local cloud already runs on {self._directory} "
                f"(process {running.process_id}, {running.api_url})"
            )
        try:
            self._address = self._start()
        except BaseException:
            self.stop()
            raise
        write_address(self._directory, self._address)

    def stop(self) -> None:
        """Stop all, last started first; state stays."""
        remove_address(self._directory)
        self._stack.close()
        self._address = None

    def _start(self) -> CloudAddress:
        logs = self.logs
        logs.mkdir(parents=True, exist_ok=True)
        functions = self._functions(logs)

        self._on_step("database")
        postgres = self._run(Postgres(self._directory / "postgres"))
        _migrate(postgres)
        _give_tier(postgres, self._tier)

        self._on_step("the stand-ins of Google's services")
        identity = self._run(IdentityServer(self._directory / "identity", project=PROJECT))
        buckets = self._run(self._storage(identity, functions["upload_finalized"].url))
        self._buckets = buckets
        _make_buckets(buckets.url)
        pubsub = self._run(PubSubServer(self._directory / "pubsub", project=PROJECT))
        declare_topology(
            pubsub.endpoint,
            project=PROJECT,
            start_jobs_url=functions["start_jobs"].url,
            dead_letter_url=functions["dead_letter"].url,
            build_export_url=functions["build_export"].url,
        )
        environment = identity.environment() | process_environment(
            storage_url=buckets.url,
            pubsub_endpoint=pubsub.endpoint,
            token_key=kept_secret(self._directory / "token_key"),
            models=self._models,
        )
        jobs = self._run(
            JobsServer(
                self._job_specs(environment, postgres), log_dir=logs, project=PROJECT, region=REGION
            )
        )
        environment["HEIMDEX_RUN_ENDPOINT"] = jobs.endpoint
        operator_url = postgres.url(_DATABASE, "heimdex_operator")
        keep_environment(self._directory, {**environment, "HEIMDEX_DATABASE_URL": operator_url})

        self._on_step("functions")
        self._start_functions(functions, environment, postgres)
        front_door = self._run(
            FrontDoor(
                {"/v1/search": functions["search"].url, "/v1": functions["api"].url},
                port=self._port,
            )
        )
        self._start_scheduler(pubsub.endpoint)
        return CloudAddress(
            api_url=front_door.url,
            identity_url=identity.url,
            storage_url=buckets.url,
            pubsub_endpoint=pubsub.endpoint,
            run_endpoint=jobs.endpoint,
            database_url=postgres.url(_DATABASE),
            process_id=os.getpid(),
        )

    def _storage(self, identity: IdentityServer, upload_finalized_url: str) -> StorageServer:
        return StorageServer(
            self._directory / "storage",
            public_key_for=identity.public_key_for,
            event_targets={UPLOADS_BUCKET: upload_finalized_url},
            cors_origins=("*",),
        )

    def _functions(self, logs: Path) -> dict[str, FunctionProcess]:
        """Every function, with its address but not started: others are told the address first."""
        functions = {}
        for name in _ROLES:
            functions[name] = FunctionProcess(self._units.function(name), logs / f"{name}.log")
            # For what fails before they are started; then they are stopped before all else.
            self._stack.callback(functions[name].stop)
        return functions

    def _start_functions(
        self,
        functions: Mapping[str, FunctionProcess],
        environment: Mapping[str, str],
        postgres: Postgres,
    ) -> None:
        # All at once, then wait: each takes a second or two to import.
        for name, function in functions.items():
            self._stack.callback(function.stop)
            database_url = postgres.url(_DATABASE, _ROLES[name])
            values = {**environment, "HEIMDEX_DATABASE_URL": database_url}
            function.start(self._units.environment(name, values))
        for name, function in functions.items():
            try:
                function.wait_ready()
            except RuntimeError as error:
                self._units.failed(name, error)

    def _job_specs(self, environment: Mapping[str, str], postgres: Postgres) -> dict[str, JobSpec]:
        values = {**environment, "HEIMDEX_DATABASE_URL": postgres.url(_DATABASE, "heimdex_worker")}
        return {
            f"heimdex-{lane}": JobSpec(
                command=self._units.command(lane),
                env=self._units.environment(lane, values),
                max_running=max_running,
                directory=REPOSITORY,
            )
            for lane, max_running in _MAX_RUNNING.items()
        }

    def _start_scheduler(self, pubsub_endpoint: str) -> None:
        settings = Settings(
            project=PROJECT,
            uploads_bucket=UPLOADS_BUCKET,
            artifacts_bucket=ARTIFACTS_BUCKET,
            pubsub_endpoint=pubsub_endpoint,
        )
        bus = Bus.connect(settings)
        self._stack.callback(bus.close)
        self._run(Scheduler(bus, interval_s=_SWEEP_INTERVAL_S))

    def _run(self, service: ServiceT) -> ServiceT:
        """Start a service and remember to stop it."""
        self._stack.callback(service.stop)
        service.start()
        return service


@contextmanager
def started(
    directory: Path,
    *,
    models: ModelChoice = OFFLINE,
    tier: str = LOCAL_TIER,
    units: Units | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Iterator[Cloud]:
    """A local cloud for the length of a `with` block."""
    cloud = Cloud(directory, models=models, tier=tier, units=units, on_step=on_step)
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.stop()


def _migrate(postgres: Postgres) -> None:
    if not postgres.execute(f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'"):
        postgres.create_database(_DATABASE)
    owner = sqlalchemy.create_engine(postgres.url(_DATABASE), poolclass=sqlalchemy.NullPool)
    upgrade(owner)
    owner.dispose()


def _give_tier(postgres: Postgres, tier: str) -> None:
    """Every account, also one that is still to come, has this tier; the checks stay on."""
    owner = sqlalchemy.create_engine(postgres.url(_DATABASE), poolclass=sqlalchemy.NullPool)
    with owner.begin() as connection:
        (name,) = connection.execute(
            sqlalchemy.text("SELECT quote_literal(name) FROM tiers WHERE name = :tier"),
            {"tier": tier},
        ).one()
        connection.exec_driver_sql(f"ALTER TABLE users ALTER COLUMN tier SET DEFAULT {name}")
        for user_id in connection.execute(sqlalchemy.text("SELECT id FROM users")).scalars().all():
            change(connection, user_id, tier)
    owner.dispose()


def _make_buckets(url: str) -> None:
    # The stand-in takes any bearer token: who may do what is IAM's business, not storage's.
    client = storage.Client(
        project=PROJECT,
        credentials=Credentials(token="local"),
        client_options={"api_endpoint": url},
    )
    for name in (UPLOADS_BUCKET, ARTIFACTS_BUCKET):
        if not client.bucket(name).exists():
            client.create_bucket(name)
    client.close()
