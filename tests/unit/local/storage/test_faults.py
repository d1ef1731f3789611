"""Shares of requests and events that go wrong."""

from __future__ import annotations

from local.storage.faults import Faults


def test_a_share_is_met_and_repeatable() -> None:
    """None, all, and about a fifth; the same for the same seed."""
    faults = Faults(seed=1)
    assert not any(faults.chance(0.0) for _ in range(100))
    assert all(faults.chance(1.0) for _ in range(100))
    hits = [[Faults(seed=seed).chance(0.2) for _ in range(1)] for seed in range(1_000)]
    assert 150 < sum(hit for (hit,) in hits) < 250
    again = Faults(seed=1), Faults(seed=1)
    drawn = [[each.chance(0.5) for _ in range(50)] for each in again]
    assert drawn[0] == drawn[1]
