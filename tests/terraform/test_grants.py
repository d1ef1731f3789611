"""The grants of each environment, as the real terraform plans them."""

from __future__ import annotations

from typing import Any

from tests.terraform.grants import AllowList, grants, problems, resources

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
