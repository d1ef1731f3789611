"""What a search says of itself in the logs: how long its parts took, and nothing of the query."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from common import log
from common.encoders import QueryEncoders
from functions.search.encoding import Encoders
from functions.search.finder import Finder
from functions.search.timing import Sampling
from tests.integration.search.conftest import Library, shown
from tests.library import VERSION


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Events, as (action, fields)."""
    seen: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(log, "event", lambda action, /, **fields: seen.append((action, fields)))
    return seen


def test_a_search_logs_its_parts_and_not_its_words(
    shared_library: Library, logged: list[tuple[str, dict[str, Any]]]
) -> None:
    """Once, with every part's time and how much took part and was found."""
    found = shared_library.find("the train leaves at night")
    ((action, fields),) = logged
    assert action == "search.answered"
    parts = {f"{part}_ms" for part in ("encode", "recall", "evidence", "fuse", "show")}
    assert parts < fields.keys()
    assert sum(fields[part] for part in parts) <= fields["duration_ms"] + 1
    assert (fields["mode"], fields["total"]) == ("hybrid", found.total)
    assert "train" not in repr(logged)


def test_legs_asked_alone_find_the_same(
    shared_library: Library,
    models: QueryEncoders,
    logged: list[tuple[str, dict[str, Any]]],
) -> None:
    """Each leg of the sampled search is timed, and the answer is the one of all legs together."""
    timed = Finder(shared_library.api, Encoders(models), index_version=VERSION, leg_timing_every=1)
    library = replace(shared_library, finder=timed)
    for text in ("red car at night", "기차가 출발", "nothing of the kind"):
        alone, together = library.find(text), shared_library.find(text)
        assert shown(alone) == shown(together)
        assert alone.total == together.total
        timings = [fields for action, fields in logged if action == "search.leg"]
        assert [x["leg"] for x in timings] == list(alone.plan.asked.legs)
        assert all(x["duration_ms"] >= 0 for x in timings)
        logged.clear()


@pytest.mark.parametrize(("every", "expected"), [(0, "nnnnnn"), (1, "yyyyyy"), (3, "ynnynn")])
def test_one_search_in_so_many_is_sampled(every: int, expected: str) -> None:
    """The first among them; none with 0."""
    sampling = Sampling(every)
    chosen = ["y" if sampling.timings().legs_alone else "n" for _ in expected]
    assert "".join(chosen) == expected
