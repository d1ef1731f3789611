"""What search is compared with: plain vector columns, exact; and the same under HNSW indexes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from functions.search.model import Leg
from tests.benchmarks.search_data import FRAMES_PER_SCENE

#: What most projects start with: one fat row per scene, one row per frame, `vector` as it comes
#: (wider than 2 kB, so stored out of line), a b-tree on the tenant, the same row-level security.
#: HNSW has copies, so that its indexes do not change the plans of the exact scan.
SCHEMA: Final = """
    CREATE TABLE peer_scenes (
        user_id uuid NOT NULL, id uuid NOT NULL, transcript text NOT NULL,
        text_vector vector(1024) NOT NULL, PRIMARY KEY (user_id, id));
    CREATE TABLE peer_frames (
        user_id uuid NOT NULL, scene_id uuid NOT NULL, time_ms bigint NOT NULL,
        vector vector(1152) NOT NULL, PRIMARY KEY (user_id, scene_id, time_ms));
    CREATE TABLE hnsw_scenes (LIKE peer_scenes INCLUDING ALL);
    CREATE TABLE hnsw_frames (LIKE peer_frames INCLUDING ALL);
    DO $$ DECLARE name text; BEGIN
        FOREACH name IN ARRAY ARRAY['peer_scenes', 'peer_frames', 'hnsw_scenes', 'hnsw_frames']
        LOOP
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY tenant ON %I TO heimdex_api '
                           'USING (user_id = app_user_id())', name);
            EXECUTE format('GRANT SELECT ON %I TO heimdex_api', name);
        END LOOP; END $$;
"""
#: With pgvector's defaults: m = 16, ef_construction = 64; a search uses hnsw.ef_search = 40.
_INDEXES: Final = (
    "CREATE INDEX hnsw_scenes_vector ON hnsw_scenes USING hnsw (text_vector vector_cosine_ops)",
    "CREATE INDEX hnsw_frames_vector ON hnsw_frames USING hnsw (vector vector_cosine_ops)",
)

PLAIN: Final[Mapping[Leg, TextClause]] = {
    "dense": text("""
        SELECT id FROM peer_scenes WHERE user_id = :user_id
        ORDER BY text_vector <=> CAST(:text_vector AS vector) LIMIT :k"""),
    "vision": text("""
        SELECT scene_id FROM peer_frames WHERE user_id = :user_id
        GROUP BY scene_id ORDER BY min(vector <=> CAST(:frame_vector AS vector)) LIMIT :k"""),
}
#: An index can only order frames, so as many are asked for as k scenes have.
HNSW: Final[Mapping[Leg, TextClause]] = {
    "dense": text("""
        SELECT id FROM hnsw_scenes WHERE user_id = :user_id
        ORDER BY text_vector <=> CAST(:text_vector AS vector) LIMIT :k"""),
    "vision": text(f"""
        SELECT scene_id FROM (
            SELECT scene_id, vector <=> CAST(:frame_vector AS vector) AS distance
            FROM hnsw_frames WHERE user_id = :user_id
            ORDER BY vector <=> CAST(:frame_vector AS vector)
            LIMIT {FRAMES_PER_SCENE} * :k) AS near
        GROUP BY scene_id ORDER BY min(distance) LIMIT :k"""),
}
#: Leaves the planner nothing but the HNSW index to have rows in order.
_ONLY_HNSW: Final = ("enable_seqscan", "enable_bitmapscan", "enable_sort")


def build_hnsw(connection: Any, user_ids: Collection[UUID]) -> float:
    """Copy the tenants' rows from the plain tables and index them; seconds that the indexes took.

    Args:
        connection: pg8000's own, a superuser's.
        user_ids: of tenants that the plain tables hold.
    """
    cursor = connection.cursor()
    cursor.execute("SET maintenance_work_mem = '2GB'")
    cursor.execute("SET max_parallel_maintenance_workers = 2")
    for kind in ("scenes", "frames"):
        cursor.execute(
            f"INSERT INTO hnsw_{kind} SELECT * FROM peer_{kind} WHERE user_id = ANY(%s::uuid[])",
            ([str(user_id) for user_id in user_ids],),
        )
    connection.commit()
    started = time.perf_counter()
    for statement in _INDEXES:
        cursor.execute(statement)
        connection.commit()
    return time.perf_counter() - started


@contextmanager
def only_hnsw(tx: Connection, *, forced: bool) -> Iterator[None]:
    """Inside, the planner is made to use HNSW indexes, if asked."""
    _set(tx, "off" if forced else "on")
    yield
    _set(tx, "on")


def indexes_used(tx: Connection, statement: TextClause, parameters: Mapping[str, Any]) -> str:
    """The indexes in the plan of a statement, or "none"."""
    explained = text(f"EXPLAIN (FORMAT JSON) {statement.text}")
    plan = tx.execute(explained, dict(parameters)).scalar_one()[0]["Plan"]
    return ", ".join(sorted(_indexes(plan))) or "none"


def _indexes(plan: Mapping[str, Any]) -> set[str]:
    below = [_indexes(each) for each in plan.get("Plans", ())]
    return set().union(*below) | ({plan["Index Name"]} if "Index Name" in plan else set())


def _set(tx: Connection, value: str) -> None:
    for setting in _ONLY_HNSW:
        tx.execute(text(f"SET LOCAL {setting} = {value}"))
