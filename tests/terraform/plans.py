"""Plans of the environments as JSON, from the real terraform.

Without a cloud account, terraform runs against stand-ins of its providers, where those
are at hand. With one, `terraform show -json PLAN > DIR/dev.json` and `HEIMDEX_PLANS=DIR` show the
plan of a real project to the same tests.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
TERRAFORM = REPOSITORY / "terraform"
ENVIRONMENTS = ("dev", "prod")

_EXPORT = "export "
_LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'


def missing() -> str:
    """What is missing to make a plan offline; empty when nothing is."""
    if shutil.which("terraform") is None:
        return "there is no terraform"
    if not _tfcheck().is_file():
        return "there is nothing to serve the providers offline"
    return ""


def given(environment: str) -> dict[str, Any] | None:
    """The plan that somebody made with an account, if any."""
    directory = os.environ.get("HEIMDEX_PLANS")
    if not directory:
        return None
    plan: dict[str, Any] = json.loads((Path(directory) / f"{environment}.json").read_text())
    return plan


def make(environment: str, scratch: Path, variables: Mapping[str, str] | None = None) -> Any:
    """Plan an environment in a throwaway copy of the configuration.

    Args:
        environment: a folder of terraform/envs.
        scratch: an empty directory.
        variables: in addition to the environment's own.

    Returns:
        What `terraform show -json` says.
    """
    shutil.copytree(TERRAFORM, scratch / "terraform", ignore=shutil.ignore_patterns(".terraform"))
    return plan(scratch / "terraform" / "envs" / environment, variables)


def plan(root: Path, variables: Mapping[str, str] | None = None) -> Any:
    """Plan a root module where it is, with a local state; returns as `make`."""
    (root / "backend_override.tf").write_text(_LOCAL_BACKEND)
    with served(root) as providers:
        run = _Terraform(root, providers)
        run("init", "-input=false")
        given_variables = [f"-var={name}={value}" for name, value in (variables or {}).items()]
        run("plan", "-input=false", "-refresh=false", "-out=plan", *given_variables)
        return json.loads(run("show", "-json", "plan"))


class _Terraform:
    """Terraform in one directory, with its providers in place.

    Args:
        root: a root module.
        served: environment variables that name the providers.
    """

    def __init__(self, root: Path, served: Mapping[str, str]) -> None:
        self._root = root
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        self._environment = {**kept, **served, "TF_IN_AUTOMATION": "1"}

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self._root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"terraform {arguments[0]}:\n{done.stdout}{done.stderr}"
        return done.stdout


@contextmanager
def served(root: Path) -> Iterator[dict[str, str]]:
    """The stand-ins of the providers, for as long as they are used."""
    command = [str(_tfcheck()), "--serve", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith(_EXPORT), line
            name, _, value = line.removeprefix(_EXPORT).partition("=")
            yield {name: "".join(shlex.split(value))}
        finally:
            process.terminate()


def _tfcheck() -> Path:
    beside = REPOSITORY.parent / "shared" / "tfcheck" / "tfcheck"
    return Path(os.environ.get("TFCHECK", beside))
