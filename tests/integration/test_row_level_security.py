"""Every tenant table as every runtime role: foreign rows are neither read, changed nor written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from common.database import Database
from local.postgres import Postgres
from tests.conftest import TestDatabase, new_database

ROLES = ("heimdex_api", "heimdex_ingest", "heimdex_worker")
#: Tables as the schema names them. That each is in the catalogue with a policy, and no other, a
#: test below checks.
TABLES = (
    "users",
    "videos",
    "upload_objects",
    "runs",
    "jobs",
    "outbox",
    "erasures",
    "idempotency_keys",
    "scenes",
    "scene_terms",
    "scene_tags",
    "text_vectors",
    "frame_vectors",
    "text_codes",
    "frame_codes",
    "people",
    "scene_people",
    "quota_buckets",
    "audit_events",
    "erasure_receipts",
    "exports",
)
#: Policies of roles that work across tenants, or for operators, by name; `audit` is on all tables.
BEYOND = {
    "ledger": (
        "users videos upload_objects quota_buckets runs jobs outbox erasures idempotency_keys "
        "audit_events dead_letters exports"
    ),
    "operator": (
        "videos upload_objects runs jobs outbox erasures interventions dead_letters "
        "erasure_receipts"
    ),
    "record": "dead_letters",
}
_FILL = """
INSERT INTO users (id, firebase_uid) VALUES (:u, CAST(:u AS text));
INSERT INTO videos (user_id, id, title) VALUES (:u, :v, 't');
INSERT INTO upload_objects (user_id, video_id, ordinal, kind, object_name, content_type,
    size_bytes, expires_at) VALUES (:u, :v, 0, 'video', 'o', 'video/mp4', 1, now());
INSERT INTO runs (user_id, id, video_id, generation, lane) VALUES (:u, :v, :v, 1, 'media');
INSERT INTO jobs (user_id, run_id, stage, ordinal, version) VALUES (:u, :v, 's', 0, 1);
INSERT INTO outbox (user_id, id, topic, payload) VALUES (:u, :v, 't', '{}');
INSERT INTO erasures (user_id, id, video_id) VALUES (:u, :v, :v);
INSERT INTO idempotency_keys (user_id, key, request_sha256) VALUES (:u, 'k', 's');
INSERT INTO scenes (user_id, id, video_id, index_version, ordinal, start_ms, end_ms, transcript,
    languages, screen_text, tags, best_frame_ms, transcript_length, screen_length)
    VALUES (:u, :v, :v, 'i', 0, 0, 1, '[]', '{}', '[]', '[]', 0, 0, 0);
INSERT INTO scene_terms (user_id, index_version, source, term, scene_id, weight)
    VALUES (:u, 'i', 'screen', 't', :v, 1);
INSERT INTO scene_tags (user_id, index_version, tag, scene_id, score) VALUES (:u, 'i', 't', :v, 1);
INSERT INTO text_vectors (user_id, index_version, scene_id, vector)
    VALUES (:u, 'i', :v, CAST(array_fill(1.0, ARRAY[1024]) AS halfvec(1024)));
INSERT INTO frame_vectors (user_id, index_version, scene_id, time_ms, vector)
    VALUES (:u, 'i', :v, 0, CAST(array_fill(1.0, ARRAY[1152]) AS halfvec(1152)));
INSERT INTO text_codes (user_id, index_version, scene_id, code)
    VALUES (:u, 'i', :v, CAST(repeat('1', 1024) AS bit(1024)));
INSERT INTO frame_codes (user_id, index_version, scene_id, time_ms, code)
    VALUES (:u, 'i', :v, 0, CAST(repeat('1', 1152) AS bit(1152)));
INSERT INTO people (user_id, id, name) VALUES (:u, :v, 'n');
INSERT INTO scene_people (user_id, person_id, scene_id, confidence) VALUES (:u, :v, :v, 1);
INSERT INTO quota_buckets (user_id, bucket, full_at) VALUES (:u, 'uploads', now());
INSERT INTO audit_events (user_id, id, actor, action) VALUES (:u, :v, 'user', 'video.deleted');
INSERT INTO erasure_receipts (id, user_sha256, subject, subject_sha256, requested_by)
    VALUES (:u, encode(sha256(convert_to(CAST(:u AS text), 'UTF8')), 'hex'), 'video', 's', 'user');
INSERT INTO exports (user_id, id) VALUES (:u, :v);
"""


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """Two users, each with a row in every table."""

    database: TestDatabase
    own: UUID
    foreign: UUID

    def may(self, role: str, table: str, privilege: str) -> bool:
        """Whether a grant lets the role try."""
        sql = "SELECT has_table_privilege(:role, :table, :privilege)"
        return bool(
            self.database.owner_rows(sql, role=role, table=table, privilege=privilege)[0][0]
        )


@pytest.fixture(scope="module")
def tenants(postgres: Postgres) -> Iterator[Tenants]:
    """Both, filled; all other ids are the same for both, as nothing forbids.

    No test commits a change, so one database is enough for all.
    """
    shared = uuid4()
    with new_database(postgres) as database:
        made = Tenants(database=database, own=uuid4(), foreign=uuid4())
        for user_id in (made.own, made.foreign):
            for statement in filter(str.strip, _FILL.split(";")):
                values = {"u": user_id} | ({"v": shared} if ":v" in statement else {})
                database.owner_rows(statement, **values)
        yield made


@pytest.fixture(scope="module", params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    """Each runtime role."""
    return str(request.param)


@pytest.fixture(scope="module")
def pool(tenants: Tenants, role: str) -> Iterator[Database]:
    """A pool as that role."""
    made = tenants.database.as_role(role)
    yield made
    made.close()


def _owner(table: str) -> str:
    """The column that says whose a row is; a receipt's own id is its user's here."""
    return "id" if table in ("users", "erasure_receipts") else "user_id"


def test_the_tables_are_all(tenants: Tenants) -> None:
    """Every table with a policy for tenants is probed here."""
    rows = tenants.database.owner_rows(
        "SELECT tablename FROM pg_policies WHERE policyname = 'tenant'"
    )
    assert sorted(row.tablename for row in rows) == sorted(TABLES)


def test_roles_beyond_tenants_have_policies(tenants: Tenants) -> None:
    """Those that there have to be, and no other."""
    rows = tenants.database.owner_rows(
        "SELECT policyname, tablename FROM pg_policies WHERE policyname <> 'tenant'"
    )
    expected = {(name, table) for name, tables in BEYOND.items() for table in tables.split()}
    secured = tenants.database.owner_rows(
        "SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r'"
    )
    expected |= {("audit", row.relname) for row in secured}
    assert {(row.policyname, row.tablename) for row in rows} == expected


@pytest.mark.parametrize("table", TABLES)
def test_a_role_reads_its_tenants_rows_alone(
    tenants: Tenants, pool: Database, role: str, table: str
) -> None:
    """One row of two is seen, and none without a tenant."""
    if not tenants.may(role, table, "SELECT"):
        return
    read = text(f"SELECT {_owner(table)} FROM {table}")
    with pool.tenant(tenants.own) as tx:
        assert [row[0] for row in tx.execute(read)] == [tenants.own]
    with pool.system() as tx:
        assert tx.execute(read).all() == []


@pytest.mark.parametrize("table", TABLES)
def test_a_role_changes_its_tenants_rows_alone(
    tenants: Tenants, pool: Database, role: str, table: str
) -> None:
    """Statements that name the foreign row, or every row, do not reach it."""
    column = _owner(table)
    for privilege, sql in (
        ("UPDATE", f"UPDATE {table} SET {column} = {column}"),
        ("DELETE", f"DELETE FROM {table}"),
    ):
        if not tenants.may(role, table, privilege):
            continue
        with pool.tenant(tenants.own) as tx:
            foreign = tx.execute(text(f"{sql} WHERE {column} = :u"), {"u": tenants.foreign})
            assert foreign.rowcount == 0
            assert tx.execute(text(sql)).rowcount == 1


@pytest.mark.parametrize("table", TABLES)
def test_a_role_writes_no_foreign_row(
    tenants: Tenants, pool: Database, role: str, table: str
) -> None:
    """A row that carries another user's id is refused, whatever the keys say."""
    if not tenants.may(role, table, "INSERT"):
        return
    sql = f"SELECT to_jsonb(t) FROM {table} t WHERE {_owner(table)} = :u"
    (row,) = tenants.database.owner_rows(sql, u=tenants.foreign)
    insert = text(
        f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(CAST(NULL AS {table}), "
        "CAST(:row AS jsonb))"
    )
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        pool.tenant(tenants.own) as tx,
    ):
        tx.execute(insert, {"row": json.dumps(row[0])})
