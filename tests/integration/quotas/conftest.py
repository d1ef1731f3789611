"""A free user, and a clock that stands still."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.clock import FakeClock
from tests.conftest import TestDatabase, insert_user


@pytest.fixture
def clock(database: TestDatabase) -> FakeClock:
    """The database's clock, in the test's hand."""
    return FakeClock(database)


@pytest.fixture
def free_id(clock: FakeClock, database: TestDatabase) -> UUID:
    """A user of the free tier."""
    return insert_user(database, tier="free")
