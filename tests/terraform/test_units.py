"""What each unit is told in an environment is what the code asks for."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from common.artifacts import artifact_key, sidecar_key
from common.config import Settings
from common.database import _MAX_OVERFLOW, _POOL_SIZE
from common.domain import RunRef
from common.ledger.exports import ExportLease
from local.cloud import _ROLES as ROLES
from tests.terraform import plans
from tests.terraform.grants import grants, resources

_GPU_TASK_LIMIT_S = 3_000
_POOL = _POOL_SIZE + _MAX_OVERFLOW
#: Executions of lanes at once, their heartbeats, and what Cloud SQL keeps for itself.
_FOR_JOBS = 40


def environments(plan: Any) -> dict[str, dict[str, str]]:
    """Unit → its environment variables; those from a secret have the secret's id."""
    found = {}
    for resource in resources(plan):
        values = resource["values"]
        if resource["type"] == "google_cloudfunctions2_function":
            config = values["service_config"][0]
            secrets = {s["key"]: s["secret"] for s in config["secret_environment_variables"]}
            found[values["name"]] = config["environment_variables"] | secrets
        elif resource["type"] == "google_cloud_run_v2_job":
            [container] = values["template"][0]["template"][0]["containers"]
            found[values["name"]] = {env["name"]: env["value"] for env in container["env"]}
    return found


def test_settings_can_be_read(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable is a setting that exists, and together they are enough to start."""
    known = {f"HEIMDEX_{name.upper()}" for name in Settings.model_fields}
    units = environments(plan)
    assert len(units) >= 10
    for unit, environment in units.items():
        assert {name for name in environment if name.startswith("HEIMDEX_")} <= known, unit
        with monkeypatch.context() as context:
            for name, value in environment.items():
                context.setenv(name, value)
            settings = Settings()  # type: ignore[call-arg]  # values come from the environment
        assert settings.project == plan["variables"]["project_id"]["value"]


def test_units_log_in_as_their_role(plan: Any) -> None:
    """The migrate job gives each function's login the role that a laptop's cloud gives it."""
    units = environments(plan)
    logins = json.loads(units["heimdex-migrate"]["HEIMDEX_DATABASE_LOGINS"])
    expected = {f"heimdex-{name.replace('_', '-')}": role for name, role in ROLES.items()}
    expected |= {"heimdex-media": "heimdex_worker", "heimdex-gpu": "heimdex_worker"}
    expected |= {"heimdex-operator": "heimdex_operator"}
    found = {
        unit: logins[environment["HEIMDEX_DATABASE_USER"]]
        for unit, environment in units.items()
        if environment.get("HEIMDEX_DATABASE_USER") in logins
    }
    assert found == expected


def test_only_the_api_is_told_of_signers(plan: Any) -> None:
    """Nobody else signs, and nobody else is told as whom."""
    signing = {unit for unit, env in environments(plan).items() if "HEIMDEX_UPLOAD_SIGNER" in env}
    assert signing == {"heimdex-api"}


def test_only_the_mirror_of_models_asks_the_hub(plan: Any) -> None:
    """The image switches the hub off for everyone, and the job that fetches from it, on again."""
    assert "HF_HUB_OFFLINE=1" in (plans.REPOSITORY / "gpu_jobs" / "Dockerfile").read_text()
    units = environments(plan)
    assert {u: e["HF_HUB_OFFLINE"] for u, e in units.items() if "HF_HUB_OFFLINE" in e} == {
        "heimdex-models": "0"
    }


def test_functions_start_from_their_folder(plan: Any) -> None:
    """A function's entry point, name and source agree with its folder under functions/."""
    functions = _of(plan, "google_cloudfunctions2_function")
    assert {f["build_config"][0]["entry_point"] for f in functions} == set(ROLES)
    for function in functions:
        build = function["build_config"][0]
        assert function["name"] == f"heimdex-{build['entry_point'].replace('_', '-')}"
        source = build["source"][0]["storage_source"][0]["object"]
        assert source.startswith(f"functions/{build['entry_point']}/")


def test_gpu_tasks_end_before_cloud_run_ends_them(plan: Any) -> None:
    """A worker stops claiming well before its task's timeout, which is at most 50 minutes."""
    [job] = [j for j in _of(plan, "google_cloud_run_v2_job") if j["name"] == "heimdex-gpu"]
    task = job["template"][0]["template"][0]
    timeout_s = int(task["timeout"].removesuffix("s"))
    assert timeout_s <= _GPU_TASK_LIMIT_S
    assert Settings.model_fields["stop_claiming_after_s"].default <= timeout_s - 600
    assert task["node_selector"][0]["accelerator"] == "nvidia-l4"
    assert task["gpu_zonal_redundancy_disabled"] is True


def test_grants_on_a_part_of_a_bucket_reach_what_is_written_there(plan: Any) -> None:
    """Workers may touch artifacts and sidecars, the export function archives alone."""
    one = uuid4()
    run = RunRef(user_id=one, run_id=one, video_id=one, generation=1, lane="gpu")
    results = {artifact_key(run, "commit", 1), sidecar_key(one, one, one)}
    lease = ExportLease(user_id=one, export_id=one, fencing_token=1)
    archives = {lease.object_name}
    expected = {"heimdex-gpu": results, "heimdex-media": results, "heimdex-build-export": archives}
    found = {
        grant.member: _below(grant.only)
        for grant in grants(plan)
        if grant.on == "storage_bucket {project}-artifacts" and grant.role.endswith("objectUser")
    }
    assert found.keys() == expected.keys()
    for member, prefixes in found.items():
        reached = {name for name in results | archives if name.startswith(prefixes)}
        assert reached == expected[member], member


def _below(condition: str) -> tuple[str, ...]:
    """The prefixes that a condition on objects names."""
    return tuple(re.findall(r'/objects/([^"]+)"', condition))


def test_users_data_can_be_erased(plan: Any) -> None:
    """Nothing keeps what a user deleted: no soft delete and no versions, and both are stated."""
    buckets = {b["labels"]["holds"]: b for b in _of(plan, "google_storage_bucket")}
    for name in ("uploads", "artifacts"):
        assert buckets[name]["soft_delete_policy"][0]["retention_duration_seconds"] == 0
        assert buckets[name]["versioning"][0]["enabled"] is False
    for bucket in buckets.values():
        assert bucket["uniform_bucket_level_access"] is True
        assert bucket["public_access_prevention"] == "enforced"


def test_data_is_protected_from_destroying(plan: Any) -> None:
    """Neither the database nor a bucket with something in it goes by accident."""
    [instance] = _of(plan, "google_sql_database_instance")
    assert instance["deletion_protection"] is True
    assert instance["settings"][0]["deletion_protection_enabled"] is True
    assert not any(bucket["force_destroy"] for bucket in _of(plan, "google_storage_bucket"))


def test_database_has_connections_for_all(plan: Any) -> None:
    """With every function at its most instances, each with all it may hold, jobs still get in."""
    [instance] = _of(plan, "google_sql_database_instance")
    flags = {flag["name"]: flag["value"] for flag in instance["settings"][0]["database_flags"]}
    for_functions = sum(
        config["max_instance_count"] * min(config["max_instance_request_concurrency"], _POOL)
        for function in _of(plan, "google_cloudfunctions2_function")
        for config in function["service_config"]
    )
    assert int(flags["max_connections"]) >= for_functions + _FOR_JOBS


def _of(plan: Any, kind: str) -> list[dict[str, Any]]:
    return [resource["values"] for resource in resources(plan) if resource["type"] == kind]
