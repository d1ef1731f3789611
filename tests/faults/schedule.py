"""Which runs there are, and how each is carried out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults import alone, effects, runs
from tests.faults.effects import Point
from tests.faults.ended import Bystander
from tests.faults.faults import Cell, cells
from tests.faults.results import Result
from tests.faults.world import World

_WHEN: Final = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """A cell with a seed."""

    cell: Cell
    seed: int

    def carry_out(self, world: World, bystander: Bystander) -> Result:
        """Run and judge it."""
        started_s = time.monotonic()
        _, broken = runs.run(world, self.cell.plan(self.seed), bystander)
        seconds = time.monotonic() - started_s
        return Result(
            kind="cell", name=self.cell.name, seed=self.seed, seconds=seconds, broken=broken
        )


@dataclass(frozen=True, kw_only=True)
class EffectRun:
    """A SIGKILL at a named effect."""

    point: Point
    when: str

    def carry_out(self, world: World, bystander: Bystander) -> Result:
        """Run and judge it."""
        started_s = time.monotonic()
        _, broken = runs.run(world, effects.killed_at(self.point, self.when), bystander)
        seconds = time.monotonic() - started_s
        name = f"{self.when}:{self.point.effect} of {self.point.actor} in {self.point.scenario}"
        return Result(kind="effect", name=name, seed=0, seconds=seconds, broken=broken)


@dataclass(frozen=True, kw_only=True)
class CommandRun:
    """A SIGKILL at a named effect of a command that runs by itself."""

    command: alone.Command
    point: str

    def carry_out(self, world: World, bystander: Bystander) -> Result:
        """Run and judge it."""
        started_s = time.monotonic()
        broken = alone.run(world, self.command, self.point)
        seconds = time.monotonic() - started_s
        name = f"{self.point} of {self.command.role}"
        return Result(kind="effect", name=name, seed=0, seconds=seconds, broken=broken)


Run = CellRun | EffectRun | CommandRun


def wants_effects(only: str) -> bool:
    """Whether kills at named effects are among what is asked for."""
    return not only or "effects" in _wanted(only) or bool(_wanted(only) & effects.names())


def of_effects(points: Path, *, only: str) -> Iterator[Run]:
    """Before and after every effect that the dry run found and that is asked for."""
    chosen = _wanted(only) & effects.names() or effects.names()
    for fields in json.loads(points.read_text()):
        for when in _WHEN:
            if fields["effect"] in chosen:
                yield EffectRun(point=Point(**fields), when=when)
    for command in alone.COMMANDS:
        for effect in command.effects:
            for when in _WHEN:
                if effect in chosen:
                    yield CommandRun(command=command, point=f"{when}:{effect}")


def of_matrix(*, seed: int, seeds: int, only: str, quick: bool) -> Iterator[Run]:
    """The cells, each with its seeds; quick: every other one, with one."""
    wanted = _wanted(only)
    chosen = [cell for cell in cells() if not wanted or wanted & {cell.name, cell.fault.name}]
    if quick:
        chosen, seeds = chosen[seed % 2 :: 2], 1
    for number in range(seeds):
        for cell in chosen:
            yield CellRun(cell=cell, seed=seed + number)


def _wanted(only: str) -> frozenset[str]:
    """The names asked for; none: everything."""
    return frozenset(filter(None, only.split(",")))
