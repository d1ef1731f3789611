"""The deployer can make what an environment grants, and cannot make itself its owner."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from tests.terraform import plans

_DELIVERY = plans.TERRAFORM / "modules" / "delivery"
_GRANTS = plans.REPOSITORY / "tests" / "terraform" / "grants.toml"


def _roles(variable: str) -> set[str]:
    text = (_DELIVERY / "variables.tf").read_text(encoding="utf-8")
    block = text.partition(f'variable "{variable}"')[2].partition("default = [")[2]
    return set(re.findall(r'"([^"]+)"', block.partition("]")[0]))


def _granted_on_the_project() -> set[str]:
    rows: list[dict[str, Any]] = tomllib.loads(_GRANTS.read_text(encoding="utf-8"))["grant"]
    return {
        row["role"].removeprefix("projects/{project}/roles/")
        for row in rows
        if row["on"] == "project {project}"
    }


def test_the_deployer_may_pass_on_what_the_environment_grants_on_its_project() -> None:
    """Else an apply by Cloud Build is refused half-way."""
    assert _granted_on_the_project() <= _roles("delegable_roles")


def test_neither_identity_has_a_basic_role() -> None:
    """No owner, editor or viewer, and nobody may mint tokens of every account."""
    text = (_DELIVERY / "identities.tf").read_text(encoding="utf-8")
    held = set(re.findall(r'"(roles/[\w.]+)"', text))
    assert not held & {
        "roles/editor",
        "roles/iam.serviceAccountTokenCreator",
        "roles/owner",
        "roles/viewer",
    }


def test_the_planner_changes_nothing() -> None:
    """Whoever can push a branch runs as it, so each of its roles reads; but for its own log."""
    text = (_DELIVERY / "identities.tf").read_text(encoding="utf-8")
    block = text.partition("planner_roles")[2].partition("])")[0]
    roles = re.findall(r'"roles/([\w.]+)"', block)
    assert roles
    for role in roles:
        reads = role.lower().endswith(("viewer", "reader", "reviewer"))
        assert reads or role in ("browser", "logging.logWriter"), role
