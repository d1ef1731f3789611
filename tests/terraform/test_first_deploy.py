"""The first deploy, followed to its end: everything runs but what talks to Google or Docker.

The blocks of docs/runbooks/first-deploy.md run one after the other in one shell, in a copy of the
repository, as a person would run them. `terraform` is the real one, with the providers that
`tfcheck` serves; `make` and its targets are real. `gcloud`, `docker`, `curl` and `git` only write
down what they were asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.docs.commands import RUNBOOKS, blocks
from tests.terraform import plans

pytestmark = pytest.mark.deep

_DIGEST = "sha256:" + "5" * 64
_KEPT = ("HOME", "LANG", "TMPDIR")
#: Asks before it changes anything, and would keep its state in a bucket.
_TERRAFORM = """#!/bin/bash
words=()
for word in "$@"; do
  case "$word" in
    -backend-config=*) continue ;;
    apply | destroy) words+=("$word" -auto-approve -input=false) ;;
    *) words+=("$word") ;;
  esac
done
exec {terraform} "${{words[@]}}"
"""
#: The smoke test needs something that answers.
_MAKE = """#!/bin/bash
echo "make $*" >> {calls}
case "$1" in smoke) exit 0 ;; esac
exec {make} -o {venv}/.installed-demo -o {venv}/bin/python "$@" VENV={venv} PYTHON={python}
"""
_STUB = """#!/bin/bash
echo "{name} $*" >> {calls}
case "$*" in
  *"--data-file=-"*) cat > /dev/null ;;
  *"rev-parse"*) echo abc1234 ;;
  *"docker inspect"* | *"inspect --format"*) echo "registry/jobs@{digest}" ;;
  *"signUp"*) echo '{{"idToken": "a-token"}}' ;;
  *"print-access-token"* | *"api-keys"*) echo a-key ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What was left when the commands had run."""

    #: Commands for Google, Docker and make, in order.
    calls: list[str]
    #: Output `heimdex` before everything was taken down.
    output: Any
    #: Resources by address, before everything was taken down.
    resources: dict[str, Any]
    #: What was left afterwards.
    left: list[str]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Follow the page."""
    if reason := plans.missing():
        pytest.skip(reason)
    copy = _copy(tmp_path_factory.mktemp("deploy") / "heimdex")
    root = copy / "terraform" / "envs" / "dev"
    (root / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    with (root / "terraform.tfvars").open("a", encoding="utf-8") as variables:
        variables.write('profile          = "offline"\n')  # aligned, for terraform fmt
    calls = copy.parent / "calls"
    programs = _programs(copy.parent / "bin", calls)
    with plans.served(root) as providers:
        environment = _environment(programs) | providers
        *steps, down = [
            block.text for block in blocks(RUNBOOKS / "first-deploy.md") if block.kind == "cloud"
        ]
        _run("\n".join(steps), copy, environment)
        output = json.loads(
            _run(f"terraform -chdir={root} output -json heimdex", copy, environment)
        )
        shown = json.loads(_run(f"terraform -chdir={root} show -json", copy, environment))
        _run(down, copy, environment)
        left = _run(f"terraform -chdir={root} state list", copy, environment).splitlines()
    return Deployed(
        calls=calls.read_text(encoding="utf-8").splitlines(),
        output=output,
        resources={
            each["address"]: each["values"] for each in _all(shown["values"]["root_module"])
        },
        left=left,
    )


def _all(module: Any) -> list[Any]:
    found = list(module.get("resources", ()))
    for child in module.get("child_modules", ()):
        found += _all(child)
    return found


def _copy(target: Path) -> Path:
    left_out = shutil.ignore_patterns(
        ".git", ".venv*", ".heimdex", "build", ".terraform", "__pycache__", ".*_cache"
    )
    shutil.copytree(plans.REPOSITORY, target, ignore=left_out)
    return target


def _programs(folder: Path, calls: Path) -> Path:
    folder.mkdir()
    names = {"terraform": shutil.which("terraform"), "make": shutil.which("make")}
    facts = names | {"calls": calls, "venv": sys.prefix, "python": sys.executable}
    texts = {"terraform": _TERRAFORM.format(**facts), "make": _MAKE.format(**facts)}
    for name in ("curl", "docker", "gcloud", "git"):
        texts[name] = _STUB.format(name=name, calls=calls, digest=_DIGEST)
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def _environment(programs: Path) -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TF_IN_AUTOMATION": "1",
        "PROJECT": "heimdex-dev",
        "REGION": "asia-northeast3",
        "GPU_REGION": "asia-southeast1",
        "JOBS_REGION": "asia-northeast3",
        "ENV": "dev",
        "BRANCH": "dev",
        "PROFILE": "offline",
        "EMAIL": "minji@example.com",
        "PASSWORD": "a password",
        "REMOTE": "https://example.com/heimdex.git",
    }


def _run(script: str, directory: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.timeout(900)
def test_it_can_be_followed_to_its_end(deployed: Deployed) -> None:
    """Every command succeeds, with every variable set, in the order of the page."""
    assert deployed.calls
    assert deployed.left == [], "something was left when everything was taken down"


def test_functions_and_jobs_are_those_of_the_release(deployed: Deployed) -> None:
    """What runs is what was built: sources by their hash, the image by its digest."""
    functions = {
        values["name"]: values["build_config"][0]["source"][0]["storage_source"][0]["object"]
        for address, values in deployed.resources.items()
        if "google_cloudfunctions2_function" in address
    }
    assert len(functions) == 6
    uploaded = [
        call for call in deployed.calls if call.startswith("gcloud storage cp --no-clobber")
    ]
    for source in functions.values():
        assert any(call.endswith(f"gs://heimdex-dev-sources/{source}") for call in uploaded)
    images = {
        values["template"][0]["template"][0]["containers"][0]["image"]
        for address, values in deployed.resources.items()
        if "google_cloud_run_v2_job" in address and "iam" not in address
    }
    assert images == {f"registry/jobs@{_DIGEST}"}


def test_the_image_goes_where_the_jobs_look_for_it(deployed: Deployed) -> None:
    """What is pushed is named by the registry that Terraform made."""
    registry = deployed.output["registries"]["jobs"]
    assert f"docker push {registry}/jobs:abc1234" in deployed.calls


def test_the_front_door_is_asked(deployed: Deployed) -> None:
    """The smoke test goes to the address of page and API."""
    url = deployed.output["front_door"]["url"]
    assert url.startswith("https://")
    assert f"make smoke URL={url}" in deployed.calls
    assert f"make smoke URL={url} SMOKE=--index" in deployed.calls


def test_the_schema_comes_after_its_owner(deployed: Deployed) -> None:
    """The migrate job is let own the database before it runs, and runs before anybody is let in."""
    calls = deployed.calls
    (owner,) = [
        n for n, call in enumerate(calls) if call.startswith("gcloud sql users assign-roles")
    ]
    (ran,) = [n for n, call in enumerate(calls) if "jobs execute heimdex-migrate" in call]
    (smoked, _) = [n for n, call in enumerate(calls) if call.startswith("make smoke")]
    assert owner < ran < smoked
