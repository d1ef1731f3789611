"""Random schedules: whatever order things happen in, nothing is lost and nothing is done twice.

A failure names its seed and shows the trace; HEIMDEX_SEED=… runs that seed alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.conftest import TestDatabase
from tests.schedules import actors, oracle
from tests.schedules.schedule import Schedule
from tests.schedules.world import Pools, World, pools

#: HEIMDEX_SEED asks for one of them alone.
_ALONE = os.environ.get("HEIMDEX_SEED")
_FEW = range(int(_ALONE), int(_ALONE) + 1) if _ALONE else range(50)
_MANY = range(50, 1_000)


@pytest.fixture
def prepared(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pools]:
    """Pools, with every durable effect a point where actors stop."""
    monkeypatch.setattr("common.effects._point", actors.stop_at)
    monkeypatch.setattr("gpu_jobs.worker._PAUSE_S", 0.0)
    # Thousands of warnings about what was injected; the trace says it shorter.
    monkeypatch.setattr(logging.getLogger("heimdex"), "disabled", True)
    with pools(database) as made:
        yield made


def play(prepared: Pools, directory: Path, seed: int) -> Schedule:
    """Run one seed and check the invariants."""
    prepared.empty()
    random = Random(seed)
    world = World(prepared, directory / f"{seed}-{len(list(directory.iterdir()))}", random)
    schedule = Schedule(world=world, random=random)
    try:
        schedule.run()
        oracle.check(world, schedule.tampered)
    except BaseException as error:
        replay = f"HEIMDEX_SEED={seed} python -m pytest tests/schedules -k every"
        error.add_note("\n".join(schedule.trace))
        error.add_note(f"seed {seed}; replay: {replay}")
        raise
    world.close()
    return schedule


def _chunks(seeds: range, size: int) -> list[range]:
    return [seeds[i : i + size] for i in range(0, len(seeds), size)]


@pytest.mark.parametrize("seeds", _chunks(_FEW, 10), ids=str)
def test_every_schedule_ends_well(prepared: Pools, tmp_path: Path, seeds: range) -> None:
    """After faults, deaths, zombies, deletions and lost messages, the invariants hold."""
    for seed in seeds:
        play(prepared, tmp_path, seed)


@pytest.mark.deep
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seeds", _chunks(_MANY, 25), ids=str)
def test_many_schedules_end_well(prepared: Pools, tmp_path: Path, seeds: range) -> None:
    """The same, for as many seeds as a night has room for."""
    for seed in seeds:
        play(prepared, tmp_path, seed)


@pytest.mark.parametrize("seed", [3, 17])
def test_a_seed_replays(prepared: Pools, tmp_path: Path, seed: int) -> None:
    """Two runs of a seed do the same things in the same order."""
    first, second = (play(prepared, tmp_path, seed) for _ in range(2))
    assert first.trace == second.trace
    assert first.hash == second.hash
