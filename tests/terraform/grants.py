"""Every grant of a plan, and whether it should be: `python -m tests.terraform.grants PLAN.json`.

What may be granted is listed in grants.toml, each with its reason. What may never be is written
here, so that no list can allow it. PLAN.json is what `terraform show -json` says of a plan.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

LIST: Final = Path(__file__).with_name("grants.toml")

#: Roles over a whole project that nobody gets, whatever the list says.
BASIC: Final = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
#: Roles that let their holder be anybody of a project. On one account they can be right.
IMPERSONATING: Final = frozenset(
    {
        "roles/iam.serviceAccountTokenCreator",
        "roles/iam.serviceAccountKeyAdmin",
        "roles/iam.workloadIdentityUser",
    }
)
EVERYBODY: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
#: The only places where everybody may do anything, and what.
PUBLIC: Final = frozenset(
    {
        ("cloud_run_v2_service heimdex-api", "roles/run.invoker"),
        ("cloud_run_v2_service heimdex-search", "roles/run.invoker"),
    }
)
#: Types of resources that grant in a way that no list here describes.
REFUSED_TYPES: Final = re.compile(
    r"google_(service_account_key|storage_(bucket|object|default_object)_acl"
    r"|storage_.*access_control|project_default_service_accounts|.*_iam_audit_config"
    r"|storage_hmac_key|apikeys_key)"
)

_GRANT_TYPE: Final = re.compile(r"google_(.+)_iam_(member|binding|policy)")
#: What tells which resource a grant is on, by the argument that names it.
_NAMING: Final = (
    "service_account_id",
    "bucket",
    "topic",
    "subscription",
    "secret_id",
    "repository",
    "name",
    "project",
)
_WIDE: Final = frozenset({"project", "folder", "organization", "billing_account"})
_UNIT: Final = re.compile(
    r"serviceAccount:(heimdex-[a-z-]+)@\{project\}\.iam\.gserviceaccount\.com"
)


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    """One member's role on one resource, with the project's own names taken out."""

    #: "KIND NAME", e.g. `storage_bucket {project}-uploads`.
    on: str
    role: str
    #: Name of one of our service accounts, or the whole member.
    member: str
    #: The expression of its condition, or "".
    only: str = ""

    def __str__(self) -> str:
        only = f", only {self.only}" if self.only else ""
        return f"{self.member}: {self.role} on {self.on}{only}"


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """An entry of the list."""

    on: str
    role: str
    #: Patterns.
    members: tuple[str, ...]
    only: str
    #: True where variables decide whether it is there.
    optional: bool

    def covers(self, grant: Grant) -> bool:
        """Whether the grant is this one."""
        return ((grant.on, grant.role, grant.only) == (self.on, self.role, self.only)) and any(
            fnmatchcase(grant.member, pattern) for pattern in self.members
        )


@dataclass(frozen=True, kw_only=True)
class AllowList:
    """All that may be granted."""

    grants: tuple[Allowed, ...]
    #: Custom role → its permissions.
    roles: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls, path: Path = LIST) -> AllowList:
        """Read the list; an entry without a reason is an error."""
        document = tomllib.loads(path.read_text())
        for entry in [*document["grant"], *document["role"]]:
            if not entry.get("why"):
                raise ValueError(f"no reason for {entry}")
        return cls(
            grants=tuple(
                Allowed(
                    on=entry["on"],
                    role=entry["role"],
                    members=tuple(entry["members"]),
                    only=entry.get("only", ""),
                    optional=entry.get("optional", False),
                )
                for entry in document["grant"]
            ),
            roles={entry["name"]: frozenset(entry["permissions"]) for entry in document["role"]},
        )


def resources(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every managed resource of a plan as it will be, in all modules."""

    def below(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield from (r for r in module.get("resources", ()) if r.get("mode") == "managed")
        for child in module.get("child_modules", ()):
            yield from below(child)

    yield from below(plan["planned_values"]["root_module"])


def grants(plan: Mapping[str, Any]) -> list[Grant]:
    """Every grant of a plan, sorted.

    Raises:
        ValueError: a grant cannot be read before it is made.
    """
    neutral = _Neutral(plan)
    found = [
        grant
        for resource in resources(plan)
        if (match := _GRANT_TYPE.fullmatch(resource["type"]))
        for grant in _read(resource, match[1], neutral)
    ]
    return sorted(found)


def problems(plan: Mapping[str, Any], allowed: AllowList) -> list[str]:
    """All that is wrong with a plan's grants, in words; empty when nothing is."""
    try:
        found = grants(plan)
    except ValueError as error:
        return [str(error)]
    return [
        *never(plan),
        *(
            f"not on the list: {grant}"
            for grant in found
            if not any(entry.covers(grant) for entry in allowed.grants)
        ),
        *_stale(found, allowed),
        *_roles(plan, allowed),
    ]


def never(plan: Mapping[str, Any]) -> list[str]:
    """What is wrong with a plan's grants whatever the list says, in words."""
    return [
        *(f"{r['address']}: never" for r in resources(plan) if REFUSED_TYPES.fullmatch(r["type"])),
        *(problem for grant in grants(plan) for problem in _never(grant)),
    ]


def _never(grant: Grant) -> Iterator[str]:
    wide = grant.on.partition(" ")[0] in _WIDE
    if grant.role in BASIC:
        yield f"a basic role: {grant}"
    if wide and grant.role in IMPERSONATING:
        yield f"being anybody: {grant}"
    if grant.member in EVERYBODY and (grant.on, grant.role) not in PUBLIC:
        yield f"open to everybody: {grant}"


def _stale(found: Sequence[Grant], allowed: AllowList) -> Iterator[str]:
    """What the list allows and nobody has any more: the next one to ask for it would get it."""
    for entry in allowed.grants:
        for member in entry.members:
            granted = any(
                entry.covers(grant) and fnmatchcase(grant.member, member) for grant in found
            )
            if not granted and not entry.optional:
                yield f"listed, and not granted: {member}: {entry.role} on {entry.on}"


def _roles(plan: Mapping[str, Any], allowed: AllowList) -> Iterator[str]:
    defined = {
        resource["values"]["role_id"]: frozenset(resource["values"]["permissions"])
        for resource in resources(plan)
        if resource["type"] == "google_project_iam_custom_role"
    }
    for name in sorted(defined.keys() | allowed.roles.keys()):
        if defined.get(name) != allowed.roles.get(name):
            is_defined, is_listed = _list(defined.get(name)), _list(allowed.roles.get(name))
            yield f"role {name}: {is_defined}, listed: {is_listed}"


def _list(permissions: frozenset[str] | None) -> str:
    return "nothing" if permissions is None else ", ".join(sorted(permissions))


class _Neutral:
    """Takes the project's own names out of texts, so that one list fits every environment."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        variables = plan.get("variables", {})
        self._project = str(variables.get("project_id", {}).get("value", ""))

    def __call__(self, value: str) -> str:
        text = value.replace(self._project, "{project}") if self._project else value
        text = re.sub(r"service-\d+@", "service-{number}@", text)
        text = re.sub(r"gcf-v2-sources-\d+-", "gcf-v2-sources-{number}-", text)
        match = _UNIT.fullmatch(text)
        return match[1] if match else text


def _read(resource: Mapping[str, Any], kind: str, neutral: _Neutral) -> Iterator[Grant]:
    values = resource["values"]
    name = next((values[key] for key in _NAMING if values.get(key)), None)
    if not isinstance(name, str):
        raise ValueError(f"{resource['address']}: its resource is unknown in the plan")
    on = f"{kind} {neutral(name.rpartition('/')[2])}"
    for role, members, condition in _bindings(resource):
        if not isinstance(role, str) or not members or None in members:
            raise ValueError(f"{resource['address']}: role or members are unknown in the plan")
        for member in members:
            yield Grant(on=on, role=neutral(role), member=neutral(member), only=neutral(condition))


def _bindings(resource: Mapping[str, Any]) -> Iterator[tuple[Any, list[Any], str]]:
    values = resource["values"]
    if resource["type"].endswith("_iam_policy"):
        if not isinstance(values.get("policy_data"), str):
            raise ValueError(f"{resource['address']}: the policy is unknown in the plan")
        for binding in json.loads(values["policy_data"]).get("bindings", []):
            expression = (binding.get("condition") or {}).get("expression", "")
            yield binding["role"], binding["members"], expression
        return
    conditions = values.get("condition") or []
    expression = conditions[0]["expression"] if conditions else ""
    yield values.get("role"), values.get("members") or [values.get("member")], expression


def main(arguments: Sequence[str]) -> int:
    """Judge a plan file; returns the exit status."""
    plan = json.loads(Path(arguments[0]).read_text())
    found = problems(plan, AllowList.read())
    for problem in found:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(f"{len(grants(plan))} grants\n" if not found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
