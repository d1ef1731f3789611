"""Figures across tenants: numbers, codes and ids, never content.

The sweep logs what waits; operators look at the rest (`python -m gpu_jobs.admin`). What was
deleted is not counted: its rows are gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text

from common.database import Database
from common.domain import LANES

RowT = TypeVar("RowT")


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits in a lane, and what is under way."""

    lane: str
    #: Could be claimed.
    ready: int
    running: int
    #: How long the first of them has waited; 0 if none does.
    oldest_ready_s: float


@dataclass(frozen=True, kw_only=True)
class Gauges:
    """What is unfinished."""

    open_uploads: int
    #: Queued or in processing, and how long the one that stands longest did not go on.
    unfinished_videos: int
    oldest_unfinished_s: float
    unpublished_messages: int
    open_erasures: int
    oldest_erasure_s: float
    #: Not replayed.
    open_letters: int


@dataclass(frozen=True, kw_only=True)
class UserFigures:
    """A user, without a name or an address."""

    user_id: UUID
    tier: str
    created_at: datetime
    deleted_at: datetime | None
    videos: int
    indexed: int
    failed: int
    video_ms: int
    last_upload_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StateFigures:
    """Videos in a state."""

    state: str
    videos: int
    video_ms: int


@dataclass(frozen=True, kw_only=True)
class FailureFigures:
    """Videos that failed with a code."""

    error_code: str
    videos: int
    users: int
    last_at: datetime
    last_video: UUID


@dataclass(frozen=True, kw_only=True)
class StageFigures:
    """Completed stages of one kind; of each run the last time that it was made."""

    lane: str
    stage: str
    done: int
    p50_ms: float
    p95_ms: float
    total_ms: int


@dataclass(frozen=True, kw_only=True)
class IndexedFigures:
    """Videos that became searchable, and how long after their last file arrived."""

    videos: int
    video_ms: int
    #: None when there is none.
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, kw_only=True)
class RefusalFigures:
    """What quotas refused; each user and code once an hour."""

    code: str
    refusals: int
    users: int


class Figures:
    """Counts, and changes nothing.

    Args:
        db: as `heimdex_operator`.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def backlog(self) -> tuple[Backlog, ...]:
        """What waits in each lane."""
        return self._all(Backlog, "operator_backlog(:lanes)", {"lanes": list(LANES)})

    def gauges(self) -> Gauges:
        """What is unfinished."""
        (row,) = self._all(Gauges, "operator_gauges()", {})
        return row

    def users(self, limit: int) -> tuple[UserFigures, ...]:
        """Users, who has most videos first."""
        return self._all(UserFigures, "operator_users(:limit)", {"limit": limit})

    def states(self) -> tuple[StateFigures, ...]:
        """How many videos are in each state."""
        return self._all(StateFigures, "operator_video_states()", {})

    def failures(self, since_s: float) -> tuple[FailureFigures, ...]:
        """Failed videos by code, the most frequent first."""
        return self._since(FailureFigures, "operator_failures", since_s)

    def stages(self, since_s: float) -> tuple[StageFigures, ...]:
        """Times of stages."""
        return self._since(StageFigures, "operator_stage_times", since_s)

    def indexed(self, since_s: float) -> IndexedFigures:
        """How long people waited for their videos."""
        (row,) = self._since(IndexedFigures, "operator_indexed", since_s)
        return row

    def refusals(self, since_s: float) -> tuple[RefusalFigures, ...]:
        """What quotas refused, the most frequent first."""
        return self._since(RefusalFigures, "operator_refusals", since_s)

    def _since(self, row: type[RowT], function: str, since_s: float) -> tuple[RowT, ...]:
        return self._all(row, f"{function}(:since_s)", {"since_s": since_s})

    def _all(self, row: type[RowT], call: str, values: Mapping[str, Any]) -> tuple[RowT, ...]:
        with self._db.system() as tx:
            found = tx.execute(text(f"SELECT * FROM {call}"), values)
            return tuple(row(**_plain(each._asdict())) for each in found)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Sums of integers come as decimals."""
    return {key: int(x) if isinstance(x, Decimal) else x for key, x in values.items()}
