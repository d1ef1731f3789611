"""The way from `make admin` to the operator's command line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from local.address import CloudAddress, write_address
from local.admin import keep_environment, main, operator_environment


def test_without_a_running_cloud_the_answer_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 1, before anything is run."""
    assert main(["--state", str(tmp_path), "list"]) == 1
    assert "make up" in capsys.readouterr().err


def test_the_environment_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    """It leads to the database; what an operator has no need of is not in it."""
    keep_environment(tmp_path, {"HEIMDEX_PROJECT": "p", "HEIMDEX_TOKEN_KEY": "secret"})
    assert operator_environment(tmp_path) == {"HEIMDEX_PROJECT": "p"}
    assert stat.S_IMODE((tmp_path / "operator.json").stat().st_mode) == 0o600


def test_the_command_is_run_with_its_arguments(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In that environment; its exit status is ours."""
    cloud = tmp_path / "cloud"
    keep_environment(cloud, {"PATH": os.environ["PATH"]})
    address = dict.fromkeys(
        ("api_url", "identity_url", "storage_url", "pubsub_endpoint", "run_endpoint"), ""
    )
    write_address(cloud, CloudAddress(**address, database_url="", process_id=os.getpid()))
    assert main(["--state", str(tmp_path), "explain", "no-id"]) == 2
    assert "is no id" in capfd.readouterr().err
