"""A plan of each environment, made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.terraform import plans


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them in one process, which then makes each plan once."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("terraform"))


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
