"""The production code's services, wired to the stand-ins as each process's main does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import flask
from firebase_admin import auth as firebase_auth
from google.api_core.retry import Retry
from google.cloud.storage import Client
from google.oauth2.credentials import Credentials
from google.oauth2.service_account import Credentials as ServiceAccount
from pydantic import SecretStr

import common.storage
import gpu_jobs.main
import gpu_jobs.sandbox
import gpu_jobs.worker
from common.arrivals import Arrivals
from common.bus import Bus
from common.config import Settings
from common.database import Database
from common.domain import Lane
from common.encoders import QueryEncoders, minilm
from common.index_version import index_version
from common.jobs import JobRunner
from common.ledger.dead_letters import DeadLetters
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.uploads import Uploads
from common.quotas import tiers
from common.storage import ObjectStore, Signers
from common.web import auth
from common.web.app import create_app
from common.web.routes import Principal, RequestHeaders
from functions.api.routes import routes as api_routes
from functions.api.services import Api
from functions.build_export import main as build_export
from functions.build_export.archive import Builder
from functions.dead_letter import main as dead_letter
from functions.search.encoding import Encoders
from functions.search.finder import Finder
from functions.search.routes import routes as search_routes
from functions.search.services import SearchServices
from functions.start_jobs import main as start_jobs
from functions.upload_finalized import main as upload_finalized
from gpu_jobs.admin import command
from tests.fakes import call_in_process
from tests.faults import photo_stages, stages

PROJECT: Final = "heimdex-test"
UPLOADS, ARTIFACTS = "heimdex-test-uploads", "heimdex-test-artifacts"
SIGNER: Final = "signer@heimdex-test.iam.gserviceaccount.com"
#: A pull that finds nothing waits a fourth of this.
_PULL_S: Final = 1.6
_NO_SANDBOX: Final = SimpleNamespace(call=call_in_process)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where everything is."""

    #: SQLAlchemy URL by role.
    database: Mapping[str, str]
    storage: str
    pubsub: str
    run: str
    #: Private key of the account that signs URLs.
    key_file: str
    #: Where Google's side knocks; ends with a slash.
    doors: str
    #: Folder with a file for each account of Firebase.
    accounts: str
    lease_s: float = 60.0
    idle_in_transaction_s: float = 30.0
    #: Versions of stages that are not 1.
    versions: Mapping[str, int] = field(default_factory=dict)
    #: Decode in the real sandbox.
    sandbox: bool = False


def _impatient(**options: Any) -> Retry:
    """The storage library's retries, in a hundredth of the time."""
    return Retry(**options | {"initial": 0.02, "maximum": 0.2, "timeout": 1.0})


class Wiring:
    """Services of the production code, connected when first asked for."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self._patches = ExitStack()
        self._workers: dict[Lane, gpu_jobs.worker.Worker] = {}

    def __enter__(self) -> Wiring:
        enter = self._patches.enter_context
        identity = (Credentials("any-token"), PROJECT)
        enter(mock.patch("google.auth.default", return_value=identity))
        enter(mock.patch.object(auth, "_project", return_value=PROJECT))
        enter(mock.patch.object(auth, "app"))
        enter(mock.patch.object(firebase_auth, "delete_user", self._delete_account))
        enter(mock.patch.object(common.storage, "Retry", _impatient))
        enter(mock.patch.object(gpu_jobs.worker, "_PULL_S", _PULL_S))
        for module, name, service in (
            (start_jobs, "_services", "dispatched"),
            (dead_letter, "_dead_letters", "letters"),
            (build_export, "_builder", "builder"),
        ):
            enter(mock.patch.object(module, name, partial(getattr, self, service)))
        for module, role in ((command, "heimdex_operator"), (tiers, "")):
            enter(mock.patch.object(module, "load", partial(self.settings, role)))
        for kind in (Database, Bus, ObjectStore, JobRunner):
            enter(mock.patch.object(kind, "connect", self._remembered(kind.connect)))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def _remembered(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        """Close with the wiring whatever the production code connects."""

        def connect_and_remember(settings: Settings, **options: Any) -> Any:
            connected = connect(settings, **options)
            self._patches.callback(connected.close)
            return connected

        return connect_and_remember

    def settings(self, role: str) -> Settings:
        """The settings of a process that logs in as a role."""
        endpoints = self.endpoints
        return Settings(
            project=PROJECT,
            uploads_bucket=UPLOADS,
            artifacts_bucket=ARTIFACTS,
            token_key=SecretStr("a key"),
            database_url=endpoints.database[role],
            storage_endpoint=endpoints.storage,
            pubsub_endpoint=endpoints.pubsub,
            run_endpoint=endpoints.run,
            lease_s=endpoints.lease_s,
            idle_exit_s=0.0,
            idle_in_transaction_s=endpoints.idle_in_transaction_s,
            feature_face=True,
            feature_face_enrollment=True,
        )

    @cached_property
    def api_database(self) -> Database:
        return Database.connect(self.settings("heimdex_api"))

    @cached_property
    def api(self) -> flask.Flask:
        """The API and, in the same application, search."""
        settings = self.settings("heimdex_api")
        return create_app(
            "api",
            api_routes,
            Api(settings=settings, signer=self._signer()),
            settings=settings,
            authenticate=self._authenticate,
            database=self.api_database,
        )

    @cached_property
    def search(self) -> flask.Flask:
        """Search with models that know nothing, so that words alone count."""
        finder = Finder(
            self.api_database, Encoders(_no_models()), index_version=index_version("offline")
        )
        return create_app(
            "search",
            search_routes,
            SearchServices(finder=finder),
            settings=self.settings("heimdex_api"),
            authenticate=self._authenticate,
            database=self.api_database,
        )

    @cached_property
    def finalized(self) -> upload_finalized.Services:
        """What `upload_finalized` talks to."""
        settings = self.settings("heimdex_ingest")
        db = Database.connect(settings)
        return upload_finalized.Services(
            arrivals=Arrivals(
                Uploads(db, grace_s=settings.upload_grace_s),
                Photos(db, grace_s=settings.upload_grace_s),
                Outbox(db, Bus.connect(settings)),
            ),
            store=ObjectStore.connect(settings),
            bucket=settings.uploads_bucket,
        )

    @cached_property
    def dispatched(self) -> start_jobs.Services:
        """What `start_jobs` talks to."""
        return start_jobs.connect(self.settings("heimdex_ingest"))

    @cached_property
    def letters(self) -> DeadLetters:
        """What `dead_letter` writes to."""
        return DeadLetters(Database.connect(self.settings("heimdex_ingest")))

    @cached_property
    def builder(self) -> Builder:
        """What `build_export` builds with."""
        settings = self.settings("heimdex_api")
        return Builder(self.api_database, ObjectStore.connect(settings), ARTIFACTS)

    def worker(self, lane: Lane) -> gpu_jobs.worker.Worker:
        """What an execution of a lane's job runs, on the stub pipeline."""
        if lane not in self._workers:
            sandbox = gpu_jobs.sandbox if self.endpoints.sandbox else _NO_SANDBOX
            pipeline = stages.pipeline(self.endpoints.versions)
            with (
                mock.patch.object(gpu_jobs.main, "PIPELINE", pipeline),
                mock.patch.object(gpu_jobs.main, "PHOTO_PIPELINE", photo_stages.PIPELINE),
                mock.patch.object(gpu_jobs.main, "_load_models", _stub_models),
                mock.patch.object(gpu_jobs.main, "sandbox", sandbox),
            ):
                settings = self.settings("heimdex_worker")
                self._workers[lane] = gpu_jobs.main.connect(settings, lane, once=False)
        return self._workers[lane]

    def _delete_account(self, uid: str, **_: object) -> None:
        """`firebase_admin.auth.delete_user`."""
        try:
            Path(self.endpoints.accounts, uid).unlink()
        except FileNotFoundError as error:
            raise firebase_auth.UserNotFoundError(f"no account {uid}") from error

    def _authenticate(self, headers: RequestHeaders, *, check_revoked: bool) -> Principal:
        """Tokens are Firebase uids; what follows is the production code's."""
        (value,) = headers.getlist("Authorization")
        uid = value.removeprefix("Bearer ")
        return auth.principal(self.api_database, auth.FirebaseIdentity(uid=uid, email=None))

    def _signer(self) -> ObjectStore:
        account = ServiceAccount.from_service_account_info(
            {
                "client_email": SIGNER,
                "private_key": Path(self.endpoints.key_file).read_text(),
                "token_uri": "http://127.0.0.1:1/",
            }
        )
        return ObjectStore(
            Client(project=PROJECT, credentials=Credentials("any-token")),
            signers=Signers(upload=lambda: account, download=lambda: account),
            public_endpoint=self.endpoints.storage,
        )


def _stub_models(_: Settings) -> _StubModels:
    return _StubModels()


class _StubModels:
    """Nothing to load or to release."""

    def release(self) -> None:
        """Nothing is kept."""


class _Ignorant:
    """Models that abstain from everything."""

    name = minilm.NAME

    def abstains(self, text: str) -> bool:
        return True

    def encode(self, text: object) -> None:
        return None

    def understood(self, text: str) -> tuple[()]:
        return ()

    def calibrate(self, cosine: float) -> float:
        return cosine

    def read(self, text: str) -> tuple[()]:
        return ()


def _no_models() -> QueryEncoders:
    knows_nothing: Any = _Ignorant()
    return QueryEncoders(text=knows_nothing, image=knows_nothing, tags=knows_nothing)
