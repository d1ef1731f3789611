"""A sample of the matrix; the whole of it is `make faults`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import alone, effects, runs
from tests.faults.boundaries import BOUNDARIES
from tests.faults.effects import Point
from tests.faults.ended import Bystander
from tests.faults.faults import FAULTS, Cell, cells
from tests.faults.plan import Plan
from tests.faults.world import World

pytestmark = [
    pytest.mark.xdist_group("faults"),
    # pg8000 leaves the socket open when a connection fails half way.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

#: Of the sampled cells.
_SEED = 7
_KILLED = (
    Point(scenario="index", actor="finalize", effect="outbox.publish"),
    Point(scenario="index", actor="gpu", effect="run.complete"),
    Point(scenario="delete", actor="sweep", effect="erasure.delete"),
    Point(scenario="fail", actor="gpu", effect="run.fail"),
    Point(scenario="release", actor="gpu", effect="run.release"),
    Point(scenario="bury", actor="media", effect="dead_letter.publish"),
    Point(scenario="export", actor="builder", effect="export.store"),
    Point(scenario="leave", actor="sweep", effect="account.delete"),
    Point(scenario="replay", actor="operator", effect="dead_letter.replay"),
)


def _sample() -> Iterator[Cell]:
    """A cell of each fault, the boundaries in turn."""
    for number, fault in enumerate(FAULTS):
        found = [cell for cell in cells() if cell.fault is fault]
        yield found[(number * 7) % len(found)]


def test_the_matrix_is_large_enough() -> None:
    """At least 230 cells, every fault and boundary among them, and a reason for the others."""
    found = list(cells())
    assert len(found) >= 230
    assert {cell.fault.name for cell in found} == {f"F{n}" for n in range(1, 21)}
    assert {cell.boundary.name for cell in found} == {f"S{n}" for n in range(1, 20)}
    assert all(len(fault.applies) == len(BOUNDARIES) or fault.elsewhere for fault in FAULTS)


@pytest.mark.parametrize("cell", tuple(cells()), ids=lambda cell: cell.name)
def test_a_seed_always_means_the_same(cell: Cell) -> None:
    """The same seed meets the same fault at the same point, and some other seed differs or not."""
    one, two = cell.plan(3), cell.plan(3)
    same = ("actor", "point", "nth", "options", "later", "copies", "times", "expect")
    assert [getattr(one, name) for name in same] == [getattr(two, name) for name in same]
    assert one.point or one.before or one.setup or one.options or one.after or one.copies > 1


def test_nothing_happens_without_a_fault(world: World, bystander: Bystander) -> None:
    """The story by itself keeps all invariants, so what a fault breaks is the fault's."""
    story, broken = runs.run(world, Plan(), bystander)
    assert broken == []
    assert story.rounds == 0


def test_a_fault_that_did_not_happen_is_told(world: World, bystander: Bystander) -> None:
    """A cell whose point is never passed does not count as survived."""
    _, broken = runs.run(world, Plan(actor="gpu", point="before:no.such"), bystander)
    assert broken == ["the fault did not happen"]


@pytest.mark.parametrize("cell", tuple(_sample()), ids=lambda cell: cell.name)
def test_a_fault_is_survived(world: World, bystander: Bystander, cell: Cell) -> None:
    """All ten invariants hold after the fault."""
    _, broken = runs.run(world, cell.plan(_SEED), bystander)
    assert broken == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", _KILLED, ids=lambda point: point.effect)
def test_a_kill_at_an_effect_is_survived(
    world: World, bystander: Bystander, point: Point, when: str
) -> None:
    """All ten invariants hold after SIGKILL right before and right after the effect."""
    _, broken = runs.run(world, effects.killed_at(point, when), bystander)
    assert broken == []


@pytest.mark.parametrize("command", alone.COMMANDS, ids=lambda command: command.role)
def test_a_killed_command_can_be_repeated(world: World, command: alone.Command) -> None:
    """Mirroring models and migrating are begun again after SIGKILL and come to the same end."""
    for effect in command.effects:
        assert alone.run(world, command, f"after:{effect}") == []


@pytest.mark.deep
def test_every_effect_is_reached(world: World, bystander: Bystander) -> None:
    """Whatever effect the production code names, some scenario passes it."""
    reached = {effect for command in alone.COMMANDS for effect in command.effects}
    for scenario, plan in effects.SCENARIOS.items():
        story, broken = runs.run(world, effects.traced(plan), bystander)
        assert broken == []
        reached |= {point.effect for point in effects.points(scenario, story)}
    assert effects.names() - reached == set()
