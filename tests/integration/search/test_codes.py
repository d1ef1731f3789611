"""Search by binary codes finds what exact search finds, and reads no more than it must."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, text

from common.database import Database
from common.encoders import QueryEncoders
from functions.search import finder, sql
from functions.search.model import Leg, Scope
from functions.search.retrieval import Retrieval
from tests.conftest import TestDatabase
from tests.integration.search.conftest import Library, shown
from tests.integration.search.rows import asked_of, crowd, fill, scans, unit_vector

WIDTHS: Mapping[Leg, int] = {"dense": 60, "vision": 60}
#: What a coded leg may read: the codes by the tenant's key, the vectors row by row.
TABLES: Mapping[Leg, tuple[str, str]] = {
    "dense": ("text_codes", "text_vectors"),
    "vision": ("frame_codes", "frame_vectors"),
}


def _found(
    database: Database,
    user_id: UUID,
    *,
    k: int,
    widths: Mapping[Leg, int],
    scope: Scope | None = None,
) -> dict[Leg, list[UUID]]:
    asked = asked_of(scope=scope, widths=widths)
    with database.tenant(user_id) as tx:
        found = Retrieval(tx, user_id=user_id, index_version="v").candidates(asked, k=k)
    return {leg: found[leg] for leg in TABLES}


def test_wide_enough_codes_find_what_exact_search_finds(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """With every row in the width, the same scenes in the same order."""
    fill(database, user_id, scenes=200, with_text=200, with_frames=90)
    exact = _found(api_database, user_id, k=20, widths={})
    assert _found(api_database, user_id, k=20, widths={"dense": 200, "vision": 180}) == exact


def test_the_nearest_by_code_are_ordered_exactly(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """The order among what the codes let through is that of the vectors."""
    fill(database, user_id, scenes=200, with_text=200, with_frames=0)
    found = _found(api_database, user_id, k=20, widths=WIDTHS)["dense"]
    query = unit_vector(1, 1024).astype(np.float64)
    scores = [query @ unit_vector(1_000 + (scene.int ^ user_id.int), 1024) for scene in found]
    assert len(found) == 20
    assert all(before >= after - 1e-3 for before, after in pairwise(scores))


@pytest.mark.parametrize("width", [1, 7, 60])
@pytest.mark.parametrize(("scenes", "k"), [(30, 20), (30, 30), (30, 50), (0, 5)])
def test_a_coded_leg_returns_exactly_min_k_rows(
    database: TestDatabase, api_database: Database, user_id: UUID, scenes: int, k: int, width: int
) -> None:
    """Also where the nearest frames by code are of fewer scenes than were asked for."""
    fill(database, user_id, scenes=max(scenes, 1), with_text=scenes, with_frames=scenes)
    found = _found(api_database, user_id, k=k, widths={"dense": width, "vision": width})
    assert {leg: len(set(each)) for leg, each in found.items()} == dict.fromkeys(
        TABLES, min(k, scenes)
    )
    assert all(len(each) == len(set(each)) for each in found.values())


def test_a_filter_applies_before_the_width(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """The width is of the rows that may be found, not of rows that a filter then drops."""
    fill(database, user_id, scenes=100, with_text=100, with_frames=100)
    fill(database, user_id, scenes=25, with_text=25, with_frames=25, first=1_000)
    (video,) = database.owner_rows("SELECT id FROM videos WHERE scene_count = 25")[0]
    scope = Scope(video_ids=(UUID(str(video)),))
    found = _found(api_database, user_id, k=25, widths={"dense": 25, "vision": 50}, scope=scope)
    assert {leg: len(each) for leg, each in found.items()} == {"dense": 25, "vision": 25}
    wanted = {UUID(int=user_id.int ^ n) for n in range(1_000, 1_025)}
    assert set(found["dense"]) == set(found["vision"]) == wanted


@pytest.fixture
def crowded(database: TestDatabase, user_id: UUID) -> TestDatabase:
    """Rows of nine tenants, and a newer index version beside the one that is searched."""
    fill(database, user_id, scenes=100, with_text=100, with_frames=100)
    crowd(database, user_id)
    return database


def _plan(tx: Connection, user_id: UUID, leg: Leg, scopes: tuple[str, ...]) -> dict[str, Any]:
    asked = asked_of(widths=WIDTHS, scope=Scope(video_ids=(uuid4(),)) if scopes else None)
    statement = "EXPLAIN (FORMAT JSON) " + sql.recall((leg,), scopes, frozenset([leg])).text
    parameters = Retrieval(tx, user_id=user_id, index_version="v")._parameters(asked)
    ((explained,),) = tx.execute(text(statement), {**parameters, "k": 20}).all()
    plan: dict[str, Any] = explained[0]["Plan"]
    return plan


@pytest.mark.parametrize("statistics", ["cold", "warm"])
@pytest.mark.parametrize("scopes", [(), ("videos",)])
@pytest.mark.parametrize("leg", ["dense", "vision"])
def test_the_plan_reads_codes_by_tenant_and_vectors_by_row(
    crowded: TestDatabase,
    api_database: Database,
    user_id: UUID,
    leg: Leg,
    scopes: tuple[str, ...],
    statistics: str,
) -> None:
    """As the runtime role under row-level security, with and without statistics."""
    if statistics == "warm":
        crowded.owner_rows("ANALYZE")
    with api_database.tenant(user_id) as tx:
        read = list(scans(_plan(tx, user_id, leg, scopes)))
    codes, vectors = TABLES[leg]
    of_codes = [scan for scan in read if codes in json.dumps(scan.get("Relation Name", ""))]
    of_vectors = [scan for scan in read if scan.get("Relation Name") == vectors]
    assert "Seq Scan" not in {scan["Node Type"] for scan in [*of_codes, *of_vectors]}
    assert of_codes
    conditions = [json.dumps([s.get("Index Cond"), s.get("Recheck Cond")]) for s in of_codes]
    assert all("user_id = " in each for each in conditions)
    # By the scene's key: nothing here can turn into reading all of the tenant's vectors.
    (lookup,) = of_vectors
    assert lookup["Node Type"] == "Index Scan"
    assert "user_id = " in lookup["Index Cond"]
    assert f"scene_id = {codes}.scene_id" in lookup["Index Cond"]


def test_large_tenants_are_searched_by_code(
    shared_library: Library, monkeypatch: pytest.MonkeyPatch, models: QueryEncoders
) -> None:
    """Above the limit the same hits come back, from the codes."""
    queries = ("someone weeping", "red car at night", "trains leaving the station")
    exact = [shown(shared_library.find(query)) for query in queries]
    monkeypatch.setattr(finder, "EXACT_SCENES", {"dense": 5, "vision": 5})
    used: list[frozenset[Leg]] = []
    recall = sql.recall

    def watched(legs: Any, scopes: Any, coded: frozenset[Leg] = frozenset()) -> Any:
        used.append(coded)
        return recall(legs, scopes, coded)

    monkeypatch.setattr(sql, "recall", watched)
    assert [shown(shared_library.find(query)) for query in queries] == exact
    assert frozenset(["dense", "vision"]) in used
