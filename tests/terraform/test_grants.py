"""The grants of each environment, as the real terraform plans them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.terraform import plans
from tests.terraform.grants import AllowList, grants, never, problems, resources

_SIGNERS = ("heimdex-sign-up@", "heimdex-sign-down@")


def test_every_grant_is_argued_for(plan: Any) -> None:
    """A plan grants what the list says, no more and no less."""
    assert problems(plan, AllowList.read()) == []
    assert len(grants(plan)) > 50


def test_units_run_as_themselves(plan: Any) -> None:
    """Each function and job has a service account of its own, and none runs as a signer."""
    accounts = _attached(plan)
    assert len(accounts) > 10
    assert len(set(accounts.values())) == len(accounts)
    assert all(account.startswith("heimdex-") for account in accounts.values())
    assert not [account for account in accounts.values() if account.startswith(_SIGNERS)]


def test_nobody_logs_in_with_a_password(plan: Any) -> None:
    """Every login of the database is an IAM identity of a unit."""
    users = [r["values"] for r in resources(plan) if r["type"] == "google_sql_user"]
    assert users
    assert {user["type"] for user in users} == {"CLOUD_IAM_SERVICE_ACCOUNT"}
    attached = {
        account.removesuffix(".gserviceaccount.com") for account in _attached(plan).values()
    }
    assert {user["name"] for user in users} <= attached


def test_no_secret_has_a_value_in_the_plan(plan: Any) -> None:
    """Values of secrets come from people or builds, never from the configuration."""
    types = {resource["type"] for resource in resources(plan)}
    assert "google_secret_manager_secret" in types
    assert "google_secret_manager_secret_version" not in types
    assert not {t for t in types if t.startswith(("random_", "tls_"))}


@pytest.mark.deep
def test_who_deploys_is_no_owner(tmp_path: Path) -> None:
    """Nothing that the bootstrap grants is a basic role, or the right to be anybody."""
    if reason := plans.missing():
        pytest.skip(reason)
    shutil.copytree(plans.TERRAFORM, tmp_path / "terraform")
    variables = {"project_id": "a-project", "environment": "dev"}
    planned = plans.plan(tmp_path / "terraform" / "bootstrap", variables)
    assert never(planned) == []
    assert len(grants(planned)) > 20


@pytest.mark.deep
@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('project = var.project_id\n  role = "roles/editor"', "a basic role"),
        (
            'project = var.project_id\n  role = "roles/iam.serviceAccountTokenCreator"',
            "being anybody",
        ),
        ('project = var.project_id\n  role = "roles/storage.objectViewer"', "not on the list"),
    ],
)
def test_a_real_plan_with_a_bad_grant_fails(tmp_path: Path, lines: str, problem: str) -> None:
    """What somebody adds to an environment is found in terraform's own plan."""
    if reason := plans.missing():
        pytest.skip(reason)
    shutil.copytree(plans.TERRAFORM, tmp_path / "terraform")
    root = tmp_path / "terraform" / "envs" / "dev"
    member = '"serviceAccount:${module.heimdex.service_accounts.media}"'
    (root / "bad.tf").write_text(
        f'resource "google_project_iam_member" "bad" {{\n  {lines}\n  member = {member}\n}}\n'
    )
    found = problems(plans.plan(root), AllowList.read())
    assert any(text.startswith(problem) for text in found), found


def _attached(plan: Any) -> dict[str, str]:
    """Name of a function or job → account it runs as."""
    found = {}
    for resource in resources(plan):
        values = resource["values"]
        if resource["type"] == "google_cloudfunctions2_function":
            found[resource["address"]] = values["service_config"][0]["service_account_email"]
        elif resource["type"] == "google_cloud_run_v2_job":
            found[resource["address"]] = values["template"][0]["template"][0]["service_account"]
    return found
