"""What a deployment gives each unit: `python -m local.deployed_units PLAN.json`.

Written down from Terraform's plan of `envs/dev` with the offline profile, so that the dry run
(`local.dry_run`) can start every unit with what Terraform sets and nothing more, on a machine that
has no Terraform. A test compares the file with the plan, where one can be made.

    terraform -chdir=terraform/envs/dev plan -var profile=offline -out plan
    terraform -chdir=terraform/envs/dev show -json plan > plan.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

FILE: Final = Path(__file__).with_name("deployed_units.json")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One function or job."""

    #: A function's folder, or a job's name without its prefix.
    name: str
    kind: Literal["function", "job"]
    #: Of the Cloud Run service or job.
    resource: str
    environment: Mapping[str, str]
    #: Environment variables whose values Secret Manager has.
    secrets: tuple[str, ...] = ()
    #: Of a job, with its arguments.
    command: tuple[str, ...] = ()
    #: Of a function: its target.
    entry_point: str = ""

    def without(self, variable: str) -> Unit:
        """The unit as if nobody had thought of a variable.

        Raises:
            KeyError: it has no such variable.
        """
        if variable not in self.environment and variable not in self.secrets:
            raise KeyError(variable)
        return replace(
            self,
            environment={k: v for k, v in self.environment.items() if k != variable},
            secrets=tuple(each for each in self.secrets if each != variable),
        )


def load(path: Path = FILE) -> dict[str, Unit]:
    """The units by name, as they were written down."""
    units = json.loads(path.read_text(encoding="utf-8"))
    return {
        each["name"]: Unit(
            **{**each, "secrets": tuple(each["secrets"]), "command": tuple(each["command"])}
        )
        for each in units
    }


def of_plan(plan: Mapping[str, Any]) -> dict[str, Unit]:
    """The units by name, as `terraform show -json` has them."""
    units = {}
    for resource in _resources(plan["planned_values"]["root_module"]):
        values = resource["values"]
        if resource["type"] == "google_cloudfunctions2_function":
            units[resource["index"]] = _function(resource["index"], values)
        elif resource["type"] == "google_cloud_run_v2_job":
            units[resource["index"]] = _job(resource["index"], values)
    return dict(sorted(units.items()))


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _function(name: str, values: Mapping[str, Any]) -> Unit:
    (service,) = values["service_config"]
    return Unit(
        name=name,
        kind="function",
        resource=values["name"],
        environment=dict(sorted(service["environment_variables"].items())),
        secrets=tuple(each["key"] for each in service.get("secret_environment_variables") or ()),
        entry_point=values["build_config"][0]["entry_point"],
    )


def _job(name: str, values: Mapping[str, Any]) -> Unit:
    (container,) = values["template"][0]["template"][0]["containers"]
    environment = {each["name"]: each["value"] for each in container.get("env") or ()}
    return Unit(
        name=name,
        kind="job",
        resource=values["name"],
        environment=dict(sorted(environment.items())),
        command=(*(container.get("command") or ()), *(container.get("args") or ())),
    )


def text_of(units: Mapping[str, Unit]) -> str:
    """The units as they are written down."""
    listed = [asdict(unit) for unit in units.values()]
    return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file anew; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.deployed_units", description=__doc__)
    parser.add_argument("plan", type=Path, metavar="PLAN.json")
    plan = json.loads(parser.parse_args().plan.read_text(encoding="utf-8"))
    FILE.write_text(text_of(of_plan(plan)), encoding="utf-8")
    print(f"wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
