"""Processes as deployed get what Terraform and Cloud Run set, and where the stand-ins are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from local.deployed_units import Unit
from local.unit_logs import read
from local.units import AsDeployed

_FUNCTION = Unit(
    name="upload_finalized",
    kind="function",
    resource="heimdex-upload-finalized",
    environment={
        "HEIMDEX_PROJECT": "heimdex-dev",
        "HEIMDEX_GPU_JOB_CPUS": "8",
        "HEIMDEX_DATABASE_USER": "heimdex-upload@p.iam",
    },
    secrets=("HEIMDEX_TOKEN_KEY",),
    entry_point="upload_finalized",
)
_JOB = Unit(
    name="media",
    kind="job",
    resource="heimdex-media",
    environment={"HEIMDEX_PROJECT": "heimdex-dev"},
    command=("python", "-m", "gpu_jobs", "--lane", "media"),
)
_LOCAL = {
    "PATH": "/bin",
    "PYTHONPATH": "/here",
    "HEIMDEX_PROJECT": "heimdex-local",
    "HEIMDEX_UPLOADS_BUCKET": "local-uploads",
    "HEIMDEX_TOKEN_KEY": "a key",
    "HEIMDEX_STORAGE_ENDPOINT": "http://127.0.0.1:1",
    "HEIMDEX_RETRY_BACKOFF_S": "2",
    "HEIMDEX_DATABASE_URL": "postgresql+pg8000://heimdex_ingest@/heimdex?unix_sock=%2Ftmp%2Fs",
}


@pytest.fixture
def deployed() -> AsDeployed:
    """Both of them."""
    units = {unit.name: unit for unit in (_FUNCTION, _JOB)}
    return AsDeployed(units, Path("/bundles"), {"upload_finalized": Path("/env/bin/python")})


def test_only_what_terraform_sets_is_set(deployed: AsDeployed) -> None:
    """With the local value where there is one; a setting that it forgets is missing here too."""
    found = deployed.environment("upload_finalized", _LOCAL)
    assert found["HEIMDEX_PROJECT"] == "heimdex-local"
    assert found["HEIMDEX_GPU_JOB_CPUS"] == "8"
    assert found["HEIMDEX_TOKEN_KEY"] == "a key"
    assert "HEIMDEX_UPLOADS_BUCKET" not in found


def test_stand_ins_are_reached_by_endpoints(deployed: AsDeployed) -> None:
    """And the database as the unit's own login, which is no role of ours."""
    found = deployed.environment("upload_finalized", _LOCAL)
    assert found["HEIMDEX_STORAGE_ENDPOINT"] == "http://127.0.0.1:1"
    assert "heimdex-upload%40p.iam@" in found["HEIMDEX_DATABASE_URL"]
    assert "unix_sock" in found["HEIMDEX_DATABASE_URL"]


def test_a_function_runs_out_of_its_bundle(deployed: AsDeployed) -> None:
    """By Cloud Run's variables; nothing of this repository is on its path."""
    found = deployed.environment("upload_finalized", _LOCAL)
    assert "PYTHONPATH" not in found
    assert found["K_SERVICE"] == "heimdex-upload-finalized"
    assert found["FUNCTION_TARGET"] == "upload_finalized"
    assert found["FUNCTION_SIGNATURE_TYPE"] == "cloudevent"
    spec = deployed.function("upload_finalized")
    assert (spec.bundle, spec.python) == (Path("/bundles/upload_finalized"), "/env/bin/python")


def test_a_job_runs_by_its_command(deployed: AsDeployed) -> None:
    """With this Python for the image's; and knows that it is a job."""
    assert deployed.command("media") == (sys.executable, "-m", "gpu_jobs", "--lane", "media")
    assert deployed.environment("media", _LOCAL)["CLOUD_RUN_JOB"] == "heimdex-media"


def test_a_failure_is_kept(deployed: AsDeployed) -> None:
    """The others go on, so that one run tells of all."""
    deployed.failed("upload_finalized", RuntimeError("it did not start"))
    assert deployed.failures == {"upload_finalized": "it did not start"}


# --- logs ----------------------------------------------------------------------------------------


def test_a_log_tells_what_went_wrong_first(tmp_path: Path) -> None:
    """The event, its code and its reason; events that are only for now do not count."""
    log = tmp_path / "api.log"
    events = [
        {"action": "http.answered", "severity": "INFO"},
        {"action": "push.failed", "severity": "WARNING"},
        {"action": "dead_letter.recorded", "severity": "ERROR"},
        {"action": "worker.refused", "severity": "ERROR", "code": "config_invalid", "detail": "X"},
        {"action": "other", "severity": "ERROR"},
    ]
    log.write_text("starting\n" + "".join(json.dumps(each) + "\n" for each in events))
    found = read([log])
    assert found.fault == "worker.refused: config_invalid X"
    assert found.actions[:2] == ("http.answered", "push.failed")


def test_a_traceback_is_a_fault(tmp_path: Path) -> None:
    """Its last line says which; without anything wrong there is no fault."""
    log = tmp_path / "api.log"
    log.write_text("Traceback (most recent call last):\n  File\nImportError: no module x\n")
    assert read([log]).fault == "ImportError: no module x"
    log.write_text('{"action": "a", "severity": "INFO"}\nnot json\n[]\n')
    assert read([log]).fault == ""
