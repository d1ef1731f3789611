"""`make tf-check` on machines with more or less installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform import plans

_SCRIPT = Path(".ci/tf-check")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the script looks at, in a place of its own."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(plans.REPOSITORY / _SCRIPT, tmp_path / _SCRIPT)
    shutil.copytree(
        plans.TERRAFORM, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform")
    )
    return tmp_path


def _run(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(root / _SCRIPT)],
        env={"PATH": os.environ["PATH"], "HOME": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_installed_is_no_failure(copy: Path) -> None:
    """Without terraform it says so, and succeeds."""
    tools = copy / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or "")
    done = _run(copy, PATH=str(tools))
    assert done.returncode == 0
    assert "there is no terraform" in done.stdout


def test_formatting_is_checked(copy: Path) -> None:
    """A file that `terraform fmt` would change fails it."""
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform")
    (copy / "terraform" / "envs" / "dev" / "ugly.tf").write_text('locals {\n a = "b"\n}\n')
    done = _run(copy)
    assert done.returncode != 0
    assert "ugly.tf" in done.stdout


@pytest.mark.deep
def test_every_environment_is_validated(copy: Path) -> None:
    """With providers at hand each root is initialised and validated; the plan needs an account."""
    if reason := plans.missing():
        pytest.skip(reason)
    with plans.served(copy / "terraform") as served:
        done = _run(copy, **served)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("The configuration is valid") == len(plans.ENVIRONMENTS)
        assert "no STATE_BUCKET" in done.stdout

        (copy / "terraform" / "envs" / "prod" / "bad.tf").write_text(
            "locals {\n  a = var.no_such_variable\n}\n"
        )
        assert _run(copy, **served).returncode != 0
