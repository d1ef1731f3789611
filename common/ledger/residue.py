"""What is left of a deleted video or account: the proof that nothing is.

The database answers in numbers alone, table by table and column by column (schema.sql,
`operator_residue`); of objects only names are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from common.database import Database
from common.ports import Listing

_IDS = text("SELECT id FROM operator_ids(CAST(:subject AS uuid))")
_FOUND = text("SELECT in_table, in_column, found FROM operator_residue(CAST(:ids AS uuid[]))")


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Where something of an id stands."""

    #: A column as `table.column`, or a bucket.
    place: str
    count: int


class Residue:
    """Looks everywhere.

    Args:
        db: as `heimdex_operator`.
        store: lists objects.
        buckets: all there are.
    """

    def __init__(self, db: Database, store: Listing, buckets: Sequence[str]) -> None:
        self._db = db
        self._store = store
        self._buckets = buckets

    def of(self, subject: UUID) -> tuple[Trace, ...]:
        """Every trace of a video or user, and of the runs (and videos) that are still known.

        Raises:
            TransientError: the database or Cloud Storage did not answer.
        """
        with self._db.system() as tx:
            ids = [row.id for row in tx.execute(_IDS, {"subject": subject})]
            needles = [form for each in ids for form in (str(each), each.hex)]
            rows = tx.execute(_FOUND, {"ids": ids}).all()
        traces = [Trace(place=f"{row.in_table}.{row.in_column}", count=row.found) for row in rows]
        return (*traces, *self._in_buckets(needles))

    def _in_buckets(self, needles: Sequence[str]) -> list[Trace]:
        traces = []
        for bucket in self._buckets:
            names = (info.name for info in self._store.list(bucket, ""))
            count = sum(any(needle in name for needle in needles) for name in names)
            if count:
                traces.append(Trace(place=bucket, count=count))
        return traces
