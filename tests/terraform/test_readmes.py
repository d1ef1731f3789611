"""The modules' documents agree with the modules, and their examples work."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.terraform import plans

_MODULES = sorted(path.parent for path in (plans.TERRAFORM / "modules").glob("*/README.md"))
_DECLARED = re.compile(r'^(variable|output) "([a-z0-9_]+)" \{', re.MULTILINE)
#: The first cell of a row that names one or more of them.
_ROW = re.compile(r"^\| (`[a-z0-9_]+`(?:, `[a-z0-9_]+`)*) \|", re.MULTILINE)
_EXAMPLE = re.compile(r"^```hcl\n(.*?)^```", re.MULTILINE | re.DOTALL)

_PROVIDERS = """
variable "project_id" {
  default = "heimdex-example"
}

variable "region" {
  default = "asia-northeast3"
}

provider "google" {
  project = var.project_id
}

provider "google-beta" {
  project = var.project_id
}
"""


def test_every_module_has_a_readme() -> None:
    """Whoever uses a module reads what it takes and gives."""
    modules = {path.parent for path in (plans.TERRAFORM / "modules").glob("*/main.tf")}
    assert modules <= set(_MODULES)


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.name)
def test_readme_names_inputs_and_outputs(module: Path) -> None:
    """Each variable and output has a row, in the alphabet's order, and nothing else has one."""
    text = (module / "README.md").read_text().partition("## Inputs")[2]
    inputs, _, outputs = text.partition("## Outputs")
    for kind, rows in (("variable", inputs), ("output", outputs)):
        declared = [
            name
            for path in sorted(module.glob("*.tf"))
            for found, name in _DECLARED.findall(path.read_text())
            if found == kind
        ]
        assert declared == sorted(declared), "not in the alphabet's order"
        named = [name.strip("` ") for row in _ROW.findall(rows) for name in row.split(",")]
        assert sorted(named) == declared


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.name)
def test_variables_are_typed_and_described(module: Path) -> None:
    """Nobody has to guess what a variable is."""
    for path in module.glob("*.tf"):
        for block in re.split(r"^(?=variable )", path.read_text(), flags=re.MULTILINE)[1:]:
            body = block.partition("\n}\n")[0]
            assert re.search(r"^  description +=", body, re.MULTILINE), block.splitlines()[0]
            assert re.search(r"^  type +=", body, re.MULTILINE), block.splitlines()[0]


@pytest.mark.deep
def test_examples_can_be_planned(tmp_path: Path) -> None:
    """What a README shows, terraform plans, all of it in one root."""
    if reason := plans.missing():
        pytest.skip(reason)
    shutil.copytree(plans.TERRAFORM, tmp_path / "terraform")
    root = tmp_path / "terraform" / "envs" / "examples"
    root.mkdir()
    examples = [
        example
        for module in _MODULES
        for example in _EXAMPLE.findall((module / "README.md").read_text())
    ]
    assert len(examples) >= 10
    # An example is written for where its module is used from: all roots are siblings here.
    text = "\n".join([_PROVIDERS, *examples]).replace('"../modules/', '"../../modules/')
    (root / "main.tf").write_text(text)
    planned = plans.plan(root)
    modules = planned["planned_values"]["root_module"]["child_modules"]
    assert {module["address"] for module in modules} == {
        f"module.{module.name}" for module in _MODULES
    }


def test_every_check_that_is_skipped_has_a_reason() -> None:
    """Whoever reads `checkov:skip` learns why, there."""
    skips = [
        line.partition("checkov:skip=")[2]
        for path in plans.TERRAFORM.rglob("*.tf")
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]
    assert skips
    for skip in skips:
        assert re.fullmatch(r"CKV2?_GCP_\d+: \S.{20,}", skip), skip
