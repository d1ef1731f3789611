"""A plan of each environment, made once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.terraform import plans


@pytest.fixture(scope="session", params=plans.ENVIRONMENTS)
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An environment's plan as JSON."""
    environment: str = request.param
    found = plans.given(environment)
    if found is not None:
        return found
    if reason := plans.missing():
        pytest.skip(reason)
    return plans.make(environment, tmp_path_factory.mktemp(environment))
