"""Retrieval is exact, complete, planned by the tenant's keys, and blind to other tenants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, text

from common.database import Database
from common.errors import NotFoundError
from functions.search import sql
from functions.search.model import Leg, Scope
from functions.search.retrieval import Retrieval, contains
from tests.conftest import TestDatabase
from tests.integration.search.conftest import Library, shown
from tests.integration.search.rows import asked_of, fill, unit_vector
from tests.library import VERSION

_CACHED: Final = (
    sql.people,
    sql.library,
    sql.example,
    sql.frequencies,
    sql.with_all_terms,
    sql.recall,
    sql.evidence,
    sql.moments,
)


@pytest.fixture
def without_tenant_predicate(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement with its tenant predicate forgotten."""
    monkeypatch.setattr(sql, "TENANT", "true")
    for statement in _CACHED:
        statement.cache_clear()
    yield
    for statement in _CACHED:
        statement.cache_clear()


def _is_there(rows: Retrieval, scene: UUID) -> bool:
    try:
        rows.example(scene)
    except NotFoundError:
        return False
    return True


def _everything(
    rows: Retrieval, person: UUID, examples: frozenset[UUID]
) -> tuple[set[UUID], int, set[str]]:
    """All scenes, counts and names that any statement gives."""
    asked = asked_of(people=(person,))
    coded = asked_of(people=(person,), widths={"dense": 100, "vision": 100})
    candidates = [*rows.candidates(asked).values(), *rows.candidates(coded, k=5).values()]
    scenes = {scene for found in candidates for scene in found}
    scenes.update(each.scene_id for each in rows.evidence(asked, sorted(scenes)))
    scenes.update(rows.scenes_with(["train leaves", "platform"], Scope()))
    everything = Scope(
        created_from=datetime(2000, 1, 1, tzinfo=UTC),
        max_duration_ms=10**12,
        has_speech=True,
        person_ids=(person,),
        person_match="any",
    )
    narrowed = rows.candidates(asked_of(scope=everything, widths={"dense": 100, "vision": 100}))
    scenes.update(scene for found in narrowed.values() for scene in found)
    scenes.update(scene for scene in examples if _is_there(rows, scene))
    scenes.update(rows.moments(sorted(scenes)))
    counted = sum(rows.frequencies(["train", "기차", "exit", "leav"]).values())
    return scenes, counted + rows.library().scenes, {person.name for person in rows.people()}


@pytest.mark.usefixtures("without_tenant_predicate")
def test_row_level_security_alone_hides_other_tenants(library: Library) -> None:
    """With the predicate removed from every statement, no foreign row appears."""
    assert sql.TENANT == "true"
    person = uuid4()
    library.database.owner_rows(
        "INSERT INTO people (user_id, id, name) VALUES (:user, :id, '민지')",
        user=library.user_id,
        id=person,
    )
    library.database.owner_rows(
        "INSERT INTO scene_people (user_id, person_id, scene_id, confidence)"
        " VALUES (:user, :person, :scene, 0.9)",
        user=library.user_id,
        person=person,
        scene=library.scenes["Trip"][0],
    )
    examples = library.foreign.union(*library.scenes.values())
    with library.api.tenant(library.user_id) as tx:
        rows = Retrieval(tx, user_id=library.user_id, index_version=VERSION)
        scenes, counted, names = _everything(rows, person, examples)
        own = {scene for scenes in library.scenes.values() for scene in scenes}
        assert scenes == own
        assert (counted, names) == (12 + 1 + 1 + 1 + 1, {"민지"})
        foreign = sorted(library.foreign)
        assert rows.evidence(asked_of(), foreign) == []
        assert rows.moments(foreign) == {}
    with library.api.tenant(library.other_id) as tx:
        rows = Retrieval(tx, user_id=library.other_id, index_version=VERSION)
        scenes, _, names = _everything(rows, person, examples)
        assert scenes == library.foreign
        assert names == set()
    with library.api.tenant(uuid4()) as tx:
        rows = Retrieval(tx, user_id=library.user_id, index_version=VERSION)
        assert _everything(rows, person, examples) == (set(), 0, set())


def test_another_tenant_finds_only_its_own(shared_library: Library) -> None:
    """The same words, two tenants, no scene in common; ids of the other's videos find nothing."""
    mine = shared_library.find("the train leaves")
    theirs = shared_library.find("the train leaves", user_id=shared_library.other_id)
    assert {hit.evidence.scene_id for hit, _ in shown(theirs)} <= shared_library.foreign
    assert not {hit.evidence.scene_id for hit, _ in shown(mine)} & shared_library.foreign
    foreign_video = shown(theirs)[0][1].video_id
    assert shared_library.find("train", scope=Scope(video_ids=(foreign_video,))).total == 0


def test_a_leg_returns_exactly_the_nearest_min_k_rows(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """Against a brute-force oracle in double precision; a scene counts by its best frame."""
    fill(database, user_id, scenes=300, with_text=150, with_frames=40)
    texts = np.stack([unit_vector(1_000 + n, 1024) for n in range(150)]).astype(np.float64)
    frames = np.stack([unit_vector(5_000 + n, 1152) for n in range(80)]).astype(np.float64)
    asked = asked_of()
    with api_database.tenant(user_id) as tx:
        rows = Retrieval(tx, user_id=user_id, index_version="v")
        found = rows.candidates(asked, k=100)
        (best,) = rows.evidence(asked, found["vision"][:1])
    by_text = np.argsort(-(texts @ unit_vector(1, 1024)))[:100]
    best_frames = (frames @ unit_vector(2, 1152)).reshape(40, 2)
    by_frame = np.argsort(-best_frames.max(axis=1))
    expected = {
        "dense": [UUID(int=user_id.int ^ int(n)) for n in by_text],
        "vision": [UUID(int=user_id.int ^ int(n)) for n in by_frame],
    }
    assert Counter({leg: len(scenes) for leg, scenes in found.items()}) == Counter(
        dense=100, vision=40
    )
    # Half precision may swap neighbours; the sets are what recall is about.
    assert found["vision"][0] == expected["vision"][0]
    assert set(found["vision"]) == set(expected["vision"])
    assert len(set(found["dense"]) & set(expected["dense"])) >= 99
    assert best.frame_ms == int(best_frames[int(by_frame[0])].argmax())
    assert best.frame_cosine == pytest.approx(best_frames.max(), abs=1e-3)


def test_no_leg_is_short_in_a_restricted_search(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """A filter narrows what is searched, not what is returned of it."""
    fill(database, user_id, scenes=120, with_text=120, with_frames=120)
    video = database.owner_rows("SELECT id FROM videos WHERE scene_count = 120")[0][0]
    scope = Scope(video_ids=(UUID(str(video)),))
    with api_database.tenant(user_id) as tx:
        rows = Retrieval(tx, user_id=user_id, index_version="v")
        found = rows.candidates(asked_of(scope=scope), k=50)
    assert (len(found["dense"]), len(found["vision"])) == (50, 50)


def _plans(tx: Connection, user_id: UUID, legs: tuple[Leg, ...]) -> str:
    asked = asked_of()
    rows = Retrieval(tx, user_id=user_id, index_version="v")
    statement = text("EXPLAIN (FORMAT JSON) " + sql.recall(legs, ()).text)
    plan = tx.execute(statement, {**rows._parameters(asked), "k": 20}).scalar_one()
    return json.dumps(plan)


def test_vector_legs_read_only_the_tenants_key_range(
    database: TestDatabase, api_database: Database, user_id: UUID
) -> None:
    """As the runtime role, among other tenants' rows, the plan goes through the tenant's b-tree."""
    for _ in range(8):
        other = uuid4()
        database.owner_rows(
            "INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=other, uid=str(other)
        )
        fill(database, other, scenes=100, with_text=100, with_frames=100)
    fill(database, user_id, scenes=50, with_text=50, with_frames=50)
    for table in ("text_vectors", "frame_vectors"):
        # A newer index version is being built beside the one that is searched.
        columns = "time_ms, vector" if table == "frame_vectors" else "vector"
        database.owner_rows(
            f"INSERT INTO {table} SELECT user_id, 'w', scene_id, {columns} FROM {table}"
        )
    database.owner_rows("ANALYZE")
    with api_database.tenant(user_id) as tx:
        plans = {leg: _plans(tx, user_id, (leg,)) for leg in ("dense", "vision")}
    for leg, table in (("dense", "text_vectors"), ("vision", "frame_vectors")):
        assert f"{table}_pkey" in plans[leg]
        assert "Seq Scan" not in plans[leg]
        assert "user_id = " in plans[leg]
        assert "index_version" in plans[leg]


@pytest.mark.parametrize(
    ("value", "phrase", "held"),
    [
        ("please mind the gap", "mind the gap", True),
        ("the party starts", "art", False),
        ("art party art", "art", True),
        ("기차가 곧 출발합니다", "차가 곧", True),
        ("ktx가 왔다", "ktx", True),
        ("exit 30", "exit 3", False),
    ],
)
def test_a_phrase_is_held_whole(value: str, phrase: str, held: bool) -> None:
    """Literally, and not inside a longer Latin word or number; Korean words may go on."""
    assert contains(value, phrase) is held
