"""Eight tenants, thousands of requests in random order, and nobody sees anything of another."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

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


def test_a_leak_would_be_seen(world: World) -> None:
    """An answer with an id or a word that is known as another's fails the one who asked."""
    somebody, other = world.tenants()[:2]
    body = {"title": "a title", "video": {"content_type": "video/mp4", "size_bytes": 1}}
    video_id = UUID(world.call(somebody, "POST", "/v1/uploads", body=body).body["video"]["id"])
    path = f"/v1/videos/{video_id}"
    world.call(somebody, "GET", path)
    world.own(other, video_id)
    with pytest.raises(AssertionError, match="sees"):
        world.call(somebody, "GET", "/v1/videos")
    world.own(somebody, video_id)
    world.call(somebody, "PATCH", path, body={"title": other.mark})
    with pytest.raises(AssertionError, match=other.mark):
        world.call(somebody, "GET", path)


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
