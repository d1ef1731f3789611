"""cloudbuild.yaml: every step is a target of the Makefile, and what can run offline is run.

Not run anywhere: the steps as Cloud Build runs them, in its images, and whatever needs an account.
Steps that cannot be run here are listed in `NOT_RUN`, each with why.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from common import registry

#: One after the other: they build into the same folder.
pytestmark = pytest.mark.xdist_group("release")

_ROOT = Path(__file__).parents[2]
_RUN_BY_THE_SUITE = "tests and checks are what this suite is part of; it cannot run itself"
#: Steps whose target is not run here.
NOT_RUN = {
    "lint-and-types": _RUN_BY_THE_SUITE,
    "tests": _RUN_BY_THE_SUITE,
    "images": "docker has no daemon here; tests/deploy/test_release.py runs it with a stand-in",
    "scan": "asks Artifact Registry; run with a stand-in",
    "plan": "asks for the state bucket; run with a stand-in, and plans by tests/terraform",
    "migrate": "asks Cloud Run; run with a stand-in, and the job itself by the dry run",
    "apply": "asks Google Cloud; run with a stand-in",
    "mirror-models": "asks Cloud Run; run with a stand-in",
    "settle": "asks Cloud Run; run with a stand-in",
}
#: Steps that are run as they are written, with _APPLY=false.
RUN = {"package", "sbom", "check-pins", "upload-bundles", "smoke"}


@pytest.fixture(scope="module")
def build() -> Any:
    """The file."""
    return yaml.safe_load((_ROOT / "cloudbuild.yaml").read_text())


def _targets() -> dict[str, str]:
    """Target → its recipe."""
    found: dict[str, str] = {}
    name = ""
    for line in (_ROOT / "Makefile").read_text().splitlines():
        if match := re.match(r"^([a-z][a-z-]*):", line):
            name = match[1]
            found[name] = ""
        elif line.startswith("\t") and name:
            found[name] += line
    return found


def _substituted(build: Any, argument: str) -> str:
    values = {**build["substitutions"], "PROJECT_ID": "heimdex-dev", "SHORT_SHA": "0123456"}
    for _ in range(3):
        argument = re.sub(r"\$\{(\w+)\}", lambda match: str(values[match[1]]), argument)
    return argument


def test_every_step_calls_a_target_that_is_there(build: Any) -> None:
    """`make TARGET VARIABLE=…`, each variable read by the target or what it calls."""
    targets = _targets()
    read_anywhere = (_ROOT / "Makefile").read_text() + (_ROOT / "local/release.py").read_text()
    for step in build["steps"]:
        assert step["entrypoint"] == "make", step["id"]
        target, *variables = step["args"]
        assert target in targets, target
        for variable in variables:
            assert re.search(rf"\b{variable.partition('=')[0]}\b", read_anywhere), variable


def test_every_substitution_is_known(build: Any) -> None:
    """Those of the triggers have defaults here, and none is left over."""
    text = (_ROOT / "cloudbuild.yaml").read_text()
    used = set(re.findall(r"\$\{(_\w+)\}", text))
    assert used == set(build["substitutions"])
    triggers = _ROOT / "terraform" / "modules" / "delivery" / "triggers.tf"
    if triggers.exists():
        told = set(re.findall(r"^\s+(_[A-Z_]+)\s+=", triggers.read_text(), re.MULTILINE))
        assert told <= set(build["substitutions"])


def test_the_order_is_that_of_a_release(build: Any) -> None:
    """Checked before it is built, migrated before it is deployed, smoked after."""
    order = [step["id"] for step in build["steps"]]
    for earlier, later in (
        ("lint-and-types", "package"),
        ("tests", "package"),
        ("check-pins", "images"),
        ("images", "scan"),
        ("scan", "plan"),
        ("package", "upload-bundles"),
        ("upload-bundles", "plan"),
        ("plan", "migrate"),
        ("migrate", "apply"),
        ("apply", "mirror-models"),
        ("apply", "smoke"),
        ("smoke", "settle"),
    ):
        assert order.index(earlier) < order.index(later), (earlier, later)
    # Each waits for the one before it.
    assert not [step for step in build["steps"] if "waitFor" in step]


def test_nothing_is_changed_unless_it_is_asked_for(build: Any) -> None:
    """Whatever changes an environment is told _APPLY, which is false by default."""
    assert build["substitutions"]["_APPLY"] == "false"
    changing = {"images", "scan", "upload-bundles", "migrate", "apply", "mirror-models", "settle"}
    for step in build["steps"]:
        if step["id"] in changing | {"smoke"}:
            assert "APPLY=${_APPLY}" in step["args"], step["id"]


def test_only_the_smoke_test_may_fail(build: Any) -> None:
    """And the step after it fails for it."""
    assert [step["id"] for step in build["steps"] if step.get("allowFailure")] == ["smoke"]
    assert build["steps"][-1]["id"] == "settle"


def test_every_step_is_run_here_or_listed(build: Any) -> None:
    """Nothing is forgotten."""
    steps = {step["id"] for step in build["steps"]}
    assert set(NOT_RUN) | RUN == steps
    assert not set(NOT_RUN) & RUN


@pytest.mark.parametrize("step_id", sorted(RUN))
def test_what_can_run_offline_runs(build: Any, step_id: str) -> None:
    """As the step says, with what the triggers of other branches say."""
    if not (_ROOT / ".venv" / ".installed-tests").exists():
        pytest.skip("make would install requirements first: run make test")
    (step,) = [step for step in build["steps"] if step["id"] == step_id]
    arguments = [_substituted(build, argument) for argument in step["args"]]
    done = subprocess.run(
        ["make", "--old-file=.venv/.installed-demo", *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if step_id == "check-pins":
        # As long as somebody has not pinned the gpu profile, it cannot be released; that is meant.
        pinned = all(model.is_pinned for model in registry.load().profile("gpu").values())
        assert (done.returncode == 0) == pinned
        assert pinned or "not pinned" in done.stdout
        return
    assert done.returncode == 0, done.stdout + done.stderr
    if step_id in ("upload-bundles", "smoke"):
        assert "skipped" in done.stdout
