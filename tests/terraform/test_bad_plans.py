"""That the check of grants can fail: plans with one thing wrong each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.grants import Allowed, AllowList, grants, main, problems

_PROJECT = "a-project"
_MEDIA = f"serviceAccount:heimdex-media@{_PROJECT}.iam.gserviceaccount.com"
_SIGNER = f"heimdex-sign-up@{_PROJECT}.iam.gserviceaccount.com"

ALLOWED = AllowList(
    grants=(
        Allowed(
            on="storage_bucket {project}-uploads",
            role="roles/storage.objectViewer",
            members=("heimdex-media",),
            only="",
            optional=False,
        ),
        Allowed(
            on="project {project}",
            role="roles/cloudsql.client",
            members=("heimdex-media",),
            only='resource.name == "projects/{project}/instances/heimdex"',
            optional=False,
        ),
        Allowed(
            on="cloud_run_v2_service heimdex-api",
            role="roles/run.invoker",
            members=("allUsers",),
            only="",
            optional=False,
        ),
    ),
    roles={"heimdex.eraser": frozenset({"storage.objects.delete"})},
)


def _resource(kind: str, **values: Any) -> dict[str, Any]:
    return {"mode": "managed", "type": kind, "address": f"{kind}.this", "values": values}


def _good() -> list[dict[str, Any]]:
    return [
        _resource(
            "google_storage_bucket_iam_binding",
            bucket=f"{_PROJECT}-uploads",
            role="roles/storage.objectViewer",
            members=[_MEDIA],
        ),
        _resource(
            "google_project_iam_member",
            project=_PROJECT,
            role="roles/cloudsql.client",
            member=_MEDIA,
            condition=[{"expression": f'resource.name == "projects/{_PROJECT}/instances/heimdex"'}],
        ),
        _resource(
            "google_cloud_run_v2_service_iam_policy",
            name="heimdex-api",
            policy_data=_policy("allUsers"),
        ),
        _resource(
            "google_project_iam_custom_role",
            role_id="heimdex.eraser",
            permissions=["storage.objects.delete"],
        ),
    ]


def _policy(*members: str) -> str:
    return json.dumps({"bindings": [{"role": "roles/run.invoker", "members": list(members)}]})


def _plan(*found: dict[str, Any]) -> dict[str, Any]:
    """A plan whose resources are in a module of a module, as ours are."""
    inner = {"resources": list(found)}
    return {
        "variables": {"project_id": {"value": _PROJECT}},
        "planned_values": {"root_module": {"child_modules": [{"child_modules": [inner]}]}},
    }


def test_good_plan_passes() -> None:
    """What the others spoil has nothing wrong."""
    assert problems(_plan(*_good()), ALLOWED) == []
    assert [grant.member for grant in grants(_plan(*_good()))] == [
        "allUsers",
        "heimdex-media",
        "heimdex-media",
    ]


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (
            _resource(
                "google_project_iam_member",
                project=_PROJECT,
                role="roles/editor",
                member=_MEDIA,
            ),
            "a basic role",
        ),
        (
            _resource(
                "google_project_iam_binding",
                project=_PROJECT,
                role="roles/owner",
                members=["user:somebody@example.com"],
            ),
            "a basic role",
        ),
        (
            _resource(
                "google_project_iam_member",
                project=_PROJECT,
                role="roles/iam.serviceAccountTokenCreator",
                member=_MEDIA,
            ),
            "being anybody",
        ),
        (
            _resource(
                "google_storage_bucket_iam_member",
                bucket=f"{_PROJECT}-uploads",
                role="roles/storage.objectViewer",
                member="allUsers",
            ),
            "open to everybody",
        ),
        (
            _resource(
                "google_cloud_run_v2_service_iam_policy",
                name="heimdex-start-jobs",
                policy_data=_policy("allUsers"),
            ),
            "open to everybody",
        ),
        (
            _resource(
                "google_cloud_run_v2_service_iam_binding",
                name="heimdex-api",
                role="roles/run.admin",
                members=["allUsers"],
            ),
            "open to everybody",
        ),
        (
            _resource(
                "google_pubsub_topic_iam_member",
                topic="heimdex-media",
                role="roles/pubsub.publisher",
                member="allAuthenticatedUsers",
            ),
            "open to everybody",
        ),
        (_resource("google_service_account_key", service_account_id=_SIGNER), "never"),
        (_resource("google_storage_bucket_acl", bucket="any"), "never"),
        (
            _resource(
                "google_service_account_iam_member",
                service_account_id=f"projects/{_PROJECT}/serviceAccounts/{_SIGNER}",
                role="roles/iam.serviceAccountTokenCreator",
                member=_MEDIA,
            ),
            "not on the list: heimdex-media: roles/iam.serviceAccountTokenCreator on "
            "service_account heimdex-sign-up@{project}",
        ),
        (
            _resource(
                "google_project_iam_member",
                project=_PROJECT,
                role="roles/cloudsql.client",
                member=_MEDIA,
                condition=[],
            ),
            "not on the list",
        ),
        (
            _resource("google_storage_bucket_iam_member", bucket="other", member=_MEDIA),
            "unknown in the plan",
        ),
        (
            _resource("google_pubsub_topic_iam_member", role="roles/pubsub.publisher"),
            "unknown in the plan",
        ),
        (
            _resource(
                "google_project_iam_custom_role",
                role_id="heimdex.eraser",
                permissions=["storage.objects.delete", "storage.objects.get"],
            ),
            "role heimdex.eraser",
        ),
        (
            _resource("google_project_iam_custom_role", role_id="heimdex.new", permissions=["a.b"]),
            "role heimdex.new",
        ),
    ],
)
def test_one_bad_resource_is_found(extra: dict[str, Any], problem: str) -> None:
    """Whatever is added that should not be there is told."""
    found = problems(_plan(*_good(), extra), ALLOWED)
    assert any(text.startswith(problem) or problem in text for text in found), found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[0]["values"].update(members=[_MEDIA, "user:somebody@example.com"]),
        lambda good: good[0]["values"].update(members=[_MEDIA.replace("media", "gpu")]),
        lambda good: good[0]["values"].update(bucket=f"{_PROJECT}-artifacts"),
        lambda good: good[1]["values"].update(condition=[]),
        lambda good: good[1]["values"]["condition"][0].update(expression="true"),
        lambda good: good[2]["values"].update(policy_data=_policy("allUsers", _MEDIA)),
        lambda good: good[2]["values"].pop("policy_data"),
        lambda good: good.pop(0),
        lambda good: good.pop(3),
    ],
)
def test_changed_grant_is_found(spoil: Callable[[list[dict[str, Any]]], None]) -> None:
    """A grant that widens, moves or disappears no longer agrees with the list."""
    good = _good()
    spoil(good)
    assert problems(_plan(*good), ALLOWED)


def test_no_list_allows_what_is_never_right() -> None:
    """Naming a basic role, or everybody, on the list does not help."""
    bad = _resource(
        "google_project_iam_member", project=_PROJECT, role="roles/editor", member="allUsers"
    )
    entry = Allowed(
        on="project {project}",
        role="roles/editor",
        members=("*",),
        only="",
        optional=False,
    )
    lenient = AllowList(grants=(*ALLOWED.grants, entry), roles=ALLOWED.roles)
    found = problems(_plan(*_good(), bad), lenient)
    assert sorted(text.partition(":")[0] for text in found) == ["a basic role", "open to everybody"]


def test_entry_without_reason_is_refused(tmp_path: Path) -> None:
    """The list is a list of reasons."""
    path = tmp_path / "grants.toml"
    path.write_text(
        'role = []\n[[grant]]\non = "project a"\nrole = "roles/x"\nmembers = ["a"]\nwhy = ""\n'
    )
    with pytest.raises(ValueError, match="no reason"):
        AllowList.read(path)


def test_command_fails_on_a_bad_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`terraform show -json` of a plan can be judged without the tests."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(_plan(*_good())))
    assert main([str(path)]) == 1
    assert "listed, and not granted" in capsys.readouterr().out
