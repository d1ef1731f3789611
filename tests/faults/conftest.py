"""One world for all tests of a module: starting it takes seconds, a run about one.

No longer than that, as it holds patches of the clients that other modules' tests need whole.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.faults import runs
from tests.faults.ended import Bystander
from tests.faults.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Postgres, the stand-ins and the zygote."""
    with World() as found:
        yield found


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Find forgotten sockets here, where they are expected, and not in some later test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def bystander(world: World) -> Bystander:
    """A tenant whom no fault may touch."""
    return runs.make_bystander(world)
