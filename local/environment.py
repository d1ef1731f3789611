"""The environment of the local cloud's processes: the settings that differ from a deployment."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local.functions import REPOSITORY

PROJECT = "heimdex-local"
REGION = "asia-northeast3"
UPLOADS_BUCKET = "heimdex-local-uploads"
ARTIFACTS_BUCKET = "heimdex-local-artifacts"
_SERVICE_ACCOUNTS = f"{PROJECT}.iam.gserviceaccount.com"

#: Patience for a laptop with someone waiting, not for a busy region.
_LOCAL_TIMES = {
    "HEIMDEX_LEASE_S": "20",
    "HEIMDEX_RETRY_BACKOFF_S": "2",
    "HEIMDEX_RING_AGAIN_AFTER_S": "20",
    # Few searches, and somebody who looks at each.
    "HEIMDEX_LEG_TIMING_EVERY": "1",
}


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which models the processes work with."""

    profile: Literal["offline", "cpu", "gpu"] = "offline"
    #: Where `make models` put them; the offline profile needs none.
    directory: Path | None = None


OFFLINE = ModelChoice()


def process_environment(
    *, storage_url: str, pubsub_endpoint: str, token_key: str, models: ModelChoice
) -> dict[str, str]:
    """What every function and job is given, apart from its database role and identity."""
    return {
        **_inherited(),
        **_LOCAL_TIMES,
        "HEIMDEX_PROJECT": PROJECT,
        "HEIMDEX_REGION": REGION,
        "HEIMDEX_PROFILE": models.profile,
        "HEIMDEX_MODELS_DIR": str(models.directory.resolve()) if models.directory else "",
        "HEIMDEX_UPLOADS_BUCKET": UPLOADS_BUCKET,
        "HEIMDEX_ARTIFACTS_BUCKET": ARTIFACTS_BUCKET,
        "HEIMDEX_STORAGE_ENDPOINT": storage_url,
        "HEIMDEX_PUBSUB_ENDPOINT": pubsub_endpoint,
        "HEIMDEX_UPLOAD_SIGNER": f"heimdex-sign-up@{_SERVICE_ACCOUNTS}",
        "HEIMDEX_DOWNLOAD_SIGNER": f"heimdex-sign-down@{_SERVICE_ACCOUNTS}",
        "HEIMDEX_TOKEN_KEY": token_key,
    }


def kept_secret(path: Path) -> str:
    """A random secret that stays the same for a state directory."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


#: Settings that whoever starts the cloud may give: of the models, and where spans go.
_GIVEN_SETTINGS = (
    "HEIMDEX_CHOSEN_MODELS",
    "HEIMDEX_FACE_LICENSED",
    "HEIMDEX_FEATURE_FACE_DETECTION",
    "HEIMDEX_QUANTISED_ENCODERS",
    "HEIMDEX_TRACE_ENDPOINT",
)


def _inherited() -> dict[str, str]:
    """What a process needs of ours: never proxies, credentials or emulator variables."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", *_GIVEN_SETTINGS)
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return environment | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
