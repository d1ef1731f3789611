"""A defence per policy of row-level security: loosened for tenants, dropped for the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import TestDatabase
from tests.defences.defence import Defence, Edit

SCHEMA_PATH = "common/sql/schema.sql"
#: The last statement of the schema; what a defence does to its policy comes after it.
_END = "REVOKE heimdex_ledger, heimdex_auditor FROM CURRENT_USER;"
_PROBES = (
    "tests/integration/test_row_level_security.py::test_a_role_reads_its_tenants_rows_alone",
    "tests/integration/test_row_level_security.py::test_a_role_writes_no_foreign_row",
)
_ROLES = ("heimdex_api", "heimdex_ingest", "heimdex_worker")
_EVENTS = "tests/integration/test_event_functions.py::"
#: Of those that are there for one role's work, across tenants or in one.
_CATALOGUE = "tests/integration/test_row_level_security.py::test_roles_beyond_tenants_have_policies"
#: What the sweep does not find without its policy.
_SWEEPS = {
    "runs": "test_an_expired_lease_is_rung_for_once",
    "videos": "test_a_lost_event_is_made_good",
    "outbox": "test_pub_sub_being_down_does_not_lose_the_upload",
    "erasures": "test_a_deleted_video_leaves_no_object",
    "idempotency_keys": "test_the_sweep_forgets_what_is_over",
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy as the catalogue has it."""

    table: str
    name: str


def policies(database: TestDatabase) -> list[Policy]:
    """All policies of the current schema."""
    rows = database.owner_rows(
        "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2"
    )
    return [Policy(table=row.tablename, name=row.policyname) for row in rows]


def defences(found: list[Policy]) -> Iterator[Defence]:
    """One for each."""
    for policy in found:
        where = f"policy {policy.name} ON {policy.table}"
        if policy.name == "tenant":
            sql = f"ALTER POLICY tenant ON {policy.table} USING (true) WITH CHECK (true);"
            probes = [f"{probe}[{role}-{policy.table}]" for probe in _PROBES for role in _ROLES]
            yield _defence(f"{where} is not USING (true)", sql, *probes)
            continue
        sql = f"DROP POLICY {policy.name} ON {policy.table};"
        swept = policy.name == "ledger" and policy.table in _SWEEPS
        yield _defence(
            f"{where} is there", sql, _EVENTS + _SWEEPS[policy.table] if swept else _CATALOGUE
        )


def _defence(name: str, sql: str, *tests: str) -> Defence:
    edit = Edit(path=SCHEMA_PATH, old=_END, new=f"{_END}\n{sql}")
    return Defence(name=name, edits=(edit,), tests=tests)
