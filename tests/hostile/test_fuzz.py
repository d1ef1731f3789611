"""Mutants of good files: whatever happens is one of the things that may happen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.hostile import seeds
from tests.hostile.case import ACCEPTED
from tests.hostile.mutate import mutant

pytestmark = [
    pytest.mark.xdist_group("fuzz"),
    # A busy machine, not a hanging test: each call has its own bound.
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the child is confined by Linux"),
]

PROJECT: Final = Path(__file__).resolve().parents[2]


def _fuzz(folder: Path, *arguments: str, timeout_s: float) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.fuzz", f"--keep={folder}", *arguments],
        cwd=PROJECT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def _check(folder: Path, count: int, found: tuple[int, dict[str, Any]]) -> None:
    status, summary = found
    assert (summary["unexpected"], summary["over_time"], status) == (0, 0, 0), summary["kept"]
    assert summary["mutants"] == count
    # What is kept is exactly what is worth a look.
    assert len(list(folder.glob("*.json"))) == len(summary["kept"])
    # Not all is refused at the door, or little would have been tried.
    assert count * 0.2 < summary["outcomes"][ACCEPTED] < count * 0.9
    assert len(summary["outcomes"]) >= 5


def test_500_mutants_end_in_known_ways(tmp_path: Path) -> None:
    """Every outcome is in the closed list, in bounded time and memory, with times in order."""
    _check(tmp_path, 500, _fuzz(tmp_path, "--count=500", "--seed=1", timeout_s=800))


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_4000_mutants_end_in_known_ways(tmp_path: Path) -> None:
    """The same for other mutants, in two processes."""
    found = _fuzz(tmp_path, "--count=4000", "--seed=2", "--jobs=2", timeout_s=3500)
    _check(tmp_path, 4000, found)


def test_a_run_that_is_stopped_tells_what_it_has(tmp_path: Path) -> None:
    """Hours of mutants are not lost to Ctrl-C."""
    command = [sys.executable, "-m", "tests.hostile.fuzz", "--count=1000000", f"--keep={tmp_path}"]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "mutants" in process.stderr.readline()
        process.terminate()
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert 0 < json.loads(said.splitlines()[-1])["mutants"] < 1_000_000


@pytest.mark.parametrize("name", ["h264.mp4", "cues.srt"])
def test_a_mutant_is_always_the_same(name: str) -> None:
    """Seed and number make the file, so a failing one can be made again."""
    one, again, other = (
        mutant(seeds.content(name), Random(key), is_text=name.endswith("srt"))
        for key in ("1/7", "1/7", "1/8")
    )
    assert one == again
    assert other != one != seeds.content(name)


def test_the_seeds_are_good_files(tmp_path: Path) -> None:
    """Mutations start from files that are accepted; otherwise nothing behind the door is tried."""
    found = _fuzz(tmp_path, f"--count={len(seeds.SEEDS)}", "--unchanged", "--jobs=2", timeout_s=800)
    assert found[1]["outcomes"] == {ACCEPTED: len(seeds.SEEDS)}
    assert len(seeds.SEEDS) >= 8
