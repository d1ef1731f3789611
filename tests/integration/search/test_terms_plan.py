"""Words are looked up by the tenant's key, however few syllables they have."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text

from common.database import Database
from common.lexical import phrase_terms, query_terms, terms, tokens
from functions.search import sql
from functions.search.retrieval import Retrieval
from tests.conftest import TestDatabase
from tests.integration.search.rows import asked_of, crowd, fill, scans

#: Distinct lines, so that a scene has some twenty terms of which few are common.
LINES = (
    "기차가 곧 출발합니다",
    "빨간 차를 밤에 봤다",
    "the train leaves from platform four",
    "민지가 바다에서 손을 흔든다",
    "my grandmother taught me this soup recipe",
)


@pytest.fixture
def spoken(database: TestDatabase, user_id: UUID) -> TestDatabase:
    """Words of a hundred scenes, for nine tenants and two index versions."""
    fill(database, user_id, scenes=100, with_text=0, with_frames=0)
    rows = [
        {"scene": str(UUID(int=user_id.int ^ n)), "term": term}
        for n in range(100)
        for term in set(terms(f"{LINES[n % 5]} {LINES[(n // 5) % 5]} 장면{n} scene{n}"))
    ]
    database.owner_rows(
        "INSERT INTO scene_terms SELECT :user, 'v', source, term, scene, 1"
        " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (scene uuid, term text),"
        " unnest(ARRAY['transcript', 'screen', 'learned']) AS source",
        user=user_id,
        rows=json.dumps(rows),
    )
    crowd(database, user_id)
    return database


def _statements() -> dict[str, TextClause]:
    return {
        "lexical": sql.recall(("lexical",), ()),
        "screen": sql.recall(("screen",), ()),
        "sparse": sql.recall(("sparse",), ()),
        "frequencies": sql.frequencies(),
        "phrase": sql.with_all_terms(),
    }


@pytest.mark.parametrize("statistics", ["cold", "warm"])
@pytest.mark.parametrize("name", ["lexical", "screen", "sparse", "frequencies", "phrase"])
def test_terms_are_looked_up_by_the_tenants_key(
    spoken: TestDatabase, api_database: Database, user_id: UUID, name: str, statistics: str
) -> None:
    """A two-syllable Korean word is one range of the tenant's key, under row-level security."""
    if statistics == "warm":
        spoken.owner_rows("ANALYZE")
    (word,) = tokens("기차")
    assert query_terms(word) == ["기차"] == phrase_terms("기차")
    with api_database.tenant(user_id) as tx:
        rows = Retrieval(tx, user_id=user_id, index_version="v")
        parameters = rows._parameters(asked_of()) | {
            "terms": ["기차"],
            "term_shares": [1.0],
            "tokens": ["기차"],
            "token_weights": [1.0],
            "k": 20,
        }
        statement = text("EXPLAIN (FORMAT JSON) " + _statements()[name].text)
        ((explained,),) = tx.execute(statement, parameters).all()
        found = tx.execute(_statements()[name], parameters).all()
    assert found
    read = [
        scan
        for scan in scans(explained[0]["Plan"])
        if "scene_terms" in (scan.get("Relation Name", "") + scan.get("Index Name", ""))
    ]
    assert read
    assert "Seq Scan" not in {scan["Node Type"] for scan in read}
    conditions = [scan["Index Cond"] for scan in read if "Index Cond" in scan]
    assert conditions
    assert all("user_id = " in each and "term = " in each for each in conditions)
