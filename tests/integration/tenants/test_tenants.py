"""Eight tenants, thousands of requests in random order, and nobody sees anything of another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from common.encoders import load
from local.postgres import Postgres
from tests.conftest import new_database
from tests.integration.tenants.machine import TenantsMachine
from tests.integration.tenants.world import World

_STEPS = 50


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    """Both functions over a database as their own role, row-level security and all."""
    with new_database(postgres) as database:
        made = World(database, load("offline"))
        yield made
        made.close()


def _run(world: World, *, examples: int) -> None:
    TenantsMachine.world = world
    run_state_machine_as_test(
        TenantsMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=_STEPS,
            deadline=None,
            derandomize=True,
            # A shorter way to the same leak would take longer to find than this one to read.
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_tenants_keep_to_themselves(world: World) -> None:
    """A foreign id answers exactly like a missing one; 800 requests and 150 probes at least."""
    _run(world, examples=11)
    assert world.operations >= 800
    assert world.probes >= 150
    assert world.searched_hits >= 10


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_tenants_keep_to_themselves_for_long(world: World) -> None:
    """The same with 10,000 requests and 2,000 probes at least."""
    _run(world, examples=130)
    assert world.operations >= 10_000
    assert world.probes >= 2_000
    assert world.searched_hits >= 150
