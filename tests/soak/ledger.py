"""What the ledger says about a soak, in a few statements over all uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.index_version import scene_id
from common.ledger.states import RUN_TRANSITIONS, VIDEO_TRANSITIONS
from tests.conftest import TestDatabase
from tests.tiny_pipeline import INDEX_VERSION


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Uploads by where they are."""

    declared: int
    indexed: int
    failed: int

    @property
    def ended(self) -> int:
        """Of which nothing more is to come."""
        return self.indexed + self.failed


def counts(database: TestDatabase) -> Counts:
    """Where the uploads are now."""
    (row,) = database.owner_rows(
        "SELECT count(*) AS declared, count(*) FILTER (WHERE state = 'indexed') AS indexed, "
        "count(*) FILTER (WHERE state = 'failed') AS failed FROM videos"
    )
    return Counts(declared=row.declared, indexed=row.indexed, failed=row.failed)


def tables(database: TestDatabase) -> dict[str, dict[str, int]]:
    """How many rows there are of what, for people."""
    questions = {
        "videos": "SELECT state || coalesce(' ' || error_code, '') AS what FROM videos",
        "runs": "SELECT lane || ' ' || state AS what FROM runs",
        "attempts": "SELECT CAST(attempt AS text) AS what FROM runs",
        "stages": "SELECT stage || ' ' || state AS what FROM jobs",
        "outbox": "SELECT topic || CASE WHEN published_at IS NULL THEN ' owed' ELSE ' sent' END "
        "AS what FROM outbox",
    }
    found: dict[str, dict[str, int]] = {}
    for name, sql in questions.items():
        counted = f"SELECT what, count(*) AS n FROM ({sql}) x GROUP BY what ORDER BY what"
        found[name] = {row.what: row.n for row in database.owner_rows(counted)}
    return found


def lost(database: TestDatabase) -> int:
    """Uploads that have not ended, or ended as if searchable and are not."""
    (row,) = database.owner_rows(
        "SELECT count(*) FROM videos v WHERE state NOT IN ('indexed', 'failed') OR state = "
        "'indexed' AND NOT EXISTS (SELECT FROM scenes s JOIN frame_vectors f ON f.user_id = "
        "s.user_id AND f.scene_id = s.id WHERE s.user_id = v.user_id AND s.video_id = v.id)"
    )
    return int(row[0])


def double(database: TestDatabase) -> int:
    """Uploads that were committed more than once, or have other scenes than the one they should."""
    committed = database.owner_rows(
        "SELECT id FROM transitions WHERE kind = 'videos' AND new_state = 'indexed' "
        "AND old_state <> 'indexed' GROUP BY id HAVING count(*) > 1"
    )
    twice = {row.id for row in committed}
    for row in database.owner_rows(
        "SELECT v.id, v.generation, array_agg(s.id) AS scenes FROM videos v JOIN scenes s "
        "ON s.user_id = v.user_id AND s.video_id = v.id GROUP BY v.id, v.generation"
    ):
        if row.scenes != [scene_id(row.id, row.generation, INDEX_VERSION, 0)]:
            twice.add(row.id)
    return len(twice)


def illegal_steps(database: TestDatabase) -> list[Any]:
    """Changes of state that the table of states does not have, and tokens that went back."""
    steps = database.owner_rows(
        "SELECT DISTINCT kind, old_state, new_state, new_token < old_token AS back FROM transitions"
    )
    return [step for step in steps if step.back or not _is_legal(step)]


def _is_legal(step: Any) -> bool:
    table: Any = RUN_TRANSITIONS if step.kind == "runs" else VIDEO_TRANSITIONS
    return step.old_state == step.new_state or step.new_state in table[step.old_state]
