"""Looks for what is left of ids: in every column of every table, and in every object's name.

Independent of the code under test: it asks the database's own description of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import sqlalchemy

from tests.conftest import TestDatabase
from tests.fakes import FileStore

_BUCKETS = ("uploads", "artifacts")
#: A statement and its values -> its rows.
OwnerRows = Callable[..., list[sqlalchemy.Row[Any]]]


def residue(
    database: TestDatabase, store: FileStore, traces: Iterable[UUID | str]
) -> dict[str, int]:
    """Where something of these ids (or other strings) stands, and how often.

    Args:
        database: all tables of it, as their owner sees them.
        store: all buckets of it.
        traces: ids are looked for with and without hyphens.
    """
    needles = [form for trace in traces for form in _forms(trace)]
    found = traces_in_tables(database.owner_rows, needles)
    for bucket in _BUCKETS:
        names = [info.name for info in store.list(bucket, "")]
        if kept := [name for name in names if any(needle in name for needle in needles)]:
            found[bucket] = len(kept)
    return found


def traces_in_tables(owner_rows: OwnerRows, traces: Iterable[UUID | str]) -> dict[str, int]:
    """Where in the database something of these ids (or other strings) stands, and how often.

    Args:
        owner_rows: runs a statement as somebody who sees every row.
        traces: ids are looked for with and without hyphens.
    """
    needles = [form for trace in traces for form in _forms(trace)]
    found: dict[str, int] = {}
    tables = owner_rows(
        "SELECT c.table_name, array_agg(CAST(c.column_name AS text)) AS columns FROM "
        "information_schema.columns c JOIN information_schema.tables t "
        "USING (table_schema, table_name) "
        # Audit events stay, as they say that something was deleted.
        "WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' "
        "AND c.table_name <> 'audit_events' "
        "AND c.udt_name NOT IN ('halfvec', 'bit', 'timestamptz', 'bool') GROUP BY 1"
    )
    assert len(tables) > 20, "the scanner does not see the schema"
    for row in tables:
        table, columns = str(row.table_name), list(row.columns)
        counts = ", ".join(
            "count(*) FILTER (WHERE EXISTS (SELECT FROM unnest(CAST(:needles AS text[])) n "
            f'WHERE position(n IN CAST("{column}" AS text)) > 0))'
            for column in columns
        )
        (counted,) = owner_rows(f'SELECT {counts} FROM "{table}"', needles=needles)
        found |= {
            f"{table}.{column}": count
            for column, count in zip(columns, counted, strict=True)
            if count
        }
    return found


def _forms(trace: UUID | str) -> tuple[str, ...]:
    return (str(trace), trace.hex) if isinstance(trace, UUID) else (trace,)
