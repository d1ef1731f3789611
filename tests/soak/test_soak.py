"""A short soak: `make soak` does the same with 10,000 uploads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.soak import Plan, Soak
from tests.soak.uploader import POISON_EVERY

_UPLOADS = 120


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_nothing_is_lost_or_done_twice_under_load(tmp_path: Path) -> None:
    """Doubled and late events, 503s, killed workers and a crashed database: every upload ends."""
    plan = Plan(uploads=_UPLOADS, workers_per_lane=3, crash_every_s=8.0)
    progress: list[str] = []
    result = Soak(plan, tmp_path, progress.append).run()
    assert result.is_good, "\n".join(progress)
    assert result.failed == len(range(0, _UPLOADS, POISON_EVERY)), "\n".join(progress)
    assert result.kills > 0
    assert result.restarts > 0
