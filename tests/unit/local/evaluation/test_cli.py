"""The command line of the evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local.evaluation.cli import main
from local.evaluation.options import weights_argument


def test_weights_that_are_not_named_are_zero() -> None:
    """`text:1` is text alone."""
    assert weights_argument("text:1") == {"text": 1.0, "vision": 0.0, "tags": 0.0}


@pytest.mark.parametrize("value", ["", "text", "text:x", "sound:0.5", "text:2", "text:nan"])
def test_weights_that_mean_nothing_are_refused(value: str) -> None:
    """A misspelt weight must not be ignored."""
    with pytest.raises(argparse.ArgumentTypeError):
        weights_argument(value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against", "missing.json"], "missing.json"),
        (["--gate", "missing.json"], "missing.json"),
        (["--gate", "missing.json", "--split", "dev"], "held-out"),
        (["--queries", "mine.tsv"], "--url"),
        (["--url", "http://localhost:1", "--token", "t", "--queries", "mine.tsv"], "mine.tsv"),
        (["--url", "http://localhost:1"], "--token"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A usage error exits with 2 and says what is missing; no cloud is started for it."""
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 2
    assert message in capsys.readouterr().out
    assert not (tmp_path / "state").exists()
