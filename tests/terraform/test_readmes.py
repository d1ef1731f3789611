"""The modules' documents agree with the modules, and their examples work."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.terraform import plans

_MODULES = sorted(path.parent for path in (plans.TERRAFORM / "modules").glob("*/README.md"))
_DECLARED = re.compile(r'^(variable|output) "([a-z0-9_]+)" \{', re.MULTILINE)
_ROW = re.compile(r"^\| `([a-z0-9_]+)` \|", re.MULTILINE)
_EXAMPLE = re.compile(r"^```hcl\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_module_has_a_readme() -> None:
    """Whoever uses a module reads what it takes and gives."""
    modules = {path.parent for path in (plans.TERRAFORM / "modules").glob("*/main.tf")}
    assert modules <= set(_MODULES)


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.name)
def test_readme_names_inputs_and_outputs(module: Path) -> None:
    """Each variable and output has a row, in the alphabet's order, and no other has one."""
    text = (module / "README.md").read_text()
    inputs, _, outputs = text.partition("## Outputs")
    for kind, rows in (("variable", inputs), ("output", outputs)):
        declared = [
            name
            for path in sorted(module.glob("*.tf"))
            for found, name in _DECLARED.findall(path.read_text())
            if found == kind
        ]
        assert declared == sorted(declared), "not in the alphabet's order"
        assert sorted(set(_ROW.findall(rows)) & set(declared)) == declared
        assert set(_ROW.findall(rows)) <= set(declared)


@pytest.mark.parametrize("module", _MODULES, ids=lambda path: path.name)
def test_variables_are_typed_and_described(module: Path) -> None:
    """Nobody has to guess what a variable is."""
    for path in module.glob("*.tf"):
        for block in re.split(r"^(?=variable )", path.read_text(), flags=re.MULTILINE)[1:]:
            body = block.partition("\n}\n")[0]
            assert re.search(r"^  description +=", body, re.MULTILINE), block.splitlines()[0]
            assert re.search(r"^  type +=", body, re.MULTILINE), block.splitlines()[0]


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
    provider = 'provider "google" {\n  project = "heimdex-example"\n}\n'
    (root / "main.tf").write_text("\n".join([provider, *examples]))
    planned = plans.plan(root)
    modules = planned["planned_values"]["root_module"]["child_modules"]
    assert {module["address"] for module in modules} == {
        f"module.{module.name}" for module in _MODULES
    }
