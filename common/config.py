"""Settings: read once, in each main, from `HEIMDEX_*` environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.domain import Lane
from common.errors import ConfigError

#: Variables that make Google's libraries skip checks. Heimdex never uses them, even locally.
EMULATOR_VARIABLES = (
    "FIREBASE_AUTH_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
    "PUBSUB_EMULATOR_HOST",
    "HEIMDEX_CRASH",
)


class Settings(BaseSettings):
    """Everything a process needs to know. Endpoints left empty mean Google's own."""

    model_config = SettingsConfigDict(env_prefix="HEIMDEX_", extra="ignore", frozen=True)

    project: str = Field(min_length=1)
    region: str = "asia-northeast3"
    #: Where the gpu lane's job is, if not in `region`: few regions of Cloud Run have GPUs.
    gpu_region: str = ""
    profile: Literal["offline", "cpu", "gpu"] = "offline"

    uploads_bucket: str = Field(min_length=3)
    artifacts_bucket: str = Field(min_length=3)

    #: Directory of the models of the cpu and gpu profiles, as `make models` fills it.
    models_dir: str = ""
    #: Bucket that `python -m gpu_jobs.models.mirror` filled; what is missing comes from there.
    models_bucket: str = ""
    #: Keys of registry models that take the place of their role's default.
    chosen_models: tuple[str, ...] = ()
    #: Faces are looked for; off because it takes people's consent, and a model that is cleared.
    feature_face_detection: bool = False
    #: The operator holds a licence for a face recogniser that is not cleared for commercial use.
    face_licensed: bool = False
    #: Search with the int8 text towers; refused unless their loss was measured on pinned weights.
    quantised_encoders: bool = False

    #: SQLAlchemy URL; or, on Google Cloud, the instance, database and IAM user.
    database_url: str = ""
    cloud_sql_instance: str = ""
    database_name: str = "heimdex"
    database_user: str = ""
    #: Role to act as once logged in. Only the migrate job has one: who makes roles has to be the
    #: role that may, since PostgreSQL's CREATEROLE does not come with membership.
    database_role: str = ""
    #: Login → runtime role, for the migrate job to see to; JSON.
    database_logins: dict[str, str] = {}
    #: A process that is frozen inside a transaction keeps its locks for no longer than this.
    idle_in_transaction_s: float = Field(default=30.0, gt=0)

    #: Explicit endpoints of stand-ins, e.g. http://127.0.0.1:9001 or 127.0.0.1:9002 for gRPC.
    storage_endpoint: str = ""
    pubsub_endpoint: str = ""
    run_endpoint: str = ""
    #: Where spans are sent by OTLP over HTTP; empty: nowhere. In the cloud
    #: https://telemetry.googleapis.com/v1/traces.
    trace_endpoint: str = ""
    #: Share of the traces that begin here which are recorded; whoever began one before decides.
    trace_ratio: float = Field(default=1.0, ge=0, le=1)
    #: One search in so many asks each leg alone, to time it; 0: none.
    leg_timing_every: int = Field(default=10, ge=0)

    #: Service accounts that are never attached to anything and only sign URLs.
    upload_signer: str = ""
    download_signer: str = ""
    #: Signs page tokens; the same value for all instances of a function.
    token_key: SecretStr = SecretStr("")

    cors_origins: tuple[str, ...] = ()
    upload_expires_in_s: int = Field(default=600, ge=10, le=604_800)
    #: An upload may still be running when its URL has expired; this long after, it never arrived.
    upload_grace_s: float = Field(default=3_600.0, ge=0)
    preview_expires_in_s: int = Field(default=300, ge=10, le=3_600)
    max_upload_bytes: int = Field(default=1_000_000_000, gt=0)
    max_duration_ms: int = Field(default=600_000, gt=0)

    #: How long a claim holds without a heartbeat; heartbeats come every third of it.
    lease_s: float = Field(default=60.0, gt=0)
    max_attempts: int = Field(default=5, ge=1)
    #: First pause after a transient failure; doubles with each attempt.
    retry_backoff_s: float = Field(default=10.0, ge=0)
    #: A worker exits when nothing came for this long.
    idle_exit_s: float = Field(default=10.0, ge=0)
    #: A worker claims nothing new after this long (Cloud Run ends GPU tasks at their timeout).
    stop_claiming_after_s: float = Field(default=2_400.0, gt=0)
    #: The sweep rings again for a run that has been ready this long without a claim.
    ring_again_after_s: float = Field(default=60.0, ge=0)

    #: Prices that the cost of a video is estimated with, in US dollars: an L4 without zonal
    #: redundancy, a vCPU and a GiB of memory for a second, billed by instance. Source:
    #: cloud.google.com/run/pricing, regions of tier 1, before free tier and discounts. Regions of
    #: tier 2 (asia-northeast3, asia-southeast1) are dearer.
    price_gpu_second_usd: float = Field(default=0.000_186_7, ge=0)
    price_cpu_second_usd: float = Field(default=0.000_018, ge=0)
    price_gib_second_usd: float = Field(default=0.000_002, ge=0)
    #: What an instance of each job has; with a GPU Cloud Run gives no less than 4 vCPU and 16 GiB.
    media_job_cpus: float = Field(default=2.0, gt=0)
    media_job_memory_gib: float = Field(default=4.0, gt=0)
    gpu_job_gpus: int = Field(default=1, ge=0)
    gpu_job_cpus: float = Field(default=4.0, gt=0)
    gpu_job_memory_gib: float = Field(default=16.0, gt=0)

    def job_region(self, lane: Lane) -> str:
        """Where the lane's job is."""
        return (self.gpu_region if lane == "gpu" else "") or self.region

    def topic(self, lane: Lane) -> str:
        """Short name of the lane's topic."""
        return f"heimdex-{lane}"

    def work_subscription(self, lane: Lane) -> str:
        """Short name of the subscription that workers of the lane pull from."""
        return f"heimdex-{lane}-work"


def load() -> Settings:
    """Read the settings and refuse a dangerous environment.

    Raises:
        ConfigError: a value is missing or wrong, or an emulator variable is set on Cloud Run.
    """
    guard(os.environ)
    try:
        return Settings()  # type: ignore[call-arg]  # values come from the environment
    except ValidationError as error:
        names = ", ".join("HEIMDEX_" + str(e["loc"][0]).upper() for e in error.errors())
        raise ConfigError(f"missing or wrong: {names}") from error


def guard(environ: Mapping[str, str]) -> None:
    """Refuse to run on Cloud Run with a variable that switches checks off.

    `FIREBASE_AUTH_EMULATOR_HOST`, for one, makes firebase-admin accept unsigned tokens.

    Raises:
        ConfigError: with the variable's name.
    """
    if not (environ.get("K_SERVICE") or environ.get("CLOUD_RUN_JOB")):
        return
    for name in EMULATOR_VARIABLES:
        if environ.get(name):
            raise ConfigError(f"{name} must not be set on Cloud Run")
