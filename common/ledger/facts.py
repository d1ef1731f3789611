"""What operators are shown of the ledger, as frozen types: never content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which rows to list, the newest first."""

    #: "" for any.
    state: str = ""
    user_id: UUID | None = None
    #: Made at least this long ago.
    older_than_s: float = 0.0
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class VideoLine:
    """A video in a list."""

    user_id: UUID
    id: UUID
    state: str
    error_code: str | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A run in a list."""

    user_id: UUID
    id: UUID
    #: None for the run of a photo.
    video_id: UUID | None
    lane: str
    state: str
    attempt: int
    error_code: str | None
    created_at: datetime
    lease_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """A video, without its title."""

    user_id: UUID
    id: UUID
    state: str
    error_code: str | None
    generation: int | None
    duration_ms: int | None
    scene_count: int | None
    index_version: str | None
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ObjectFacts:
    """A declared object, without its language."""

    ordinal: int
    kind: str
    content_type: str
    size_bytes: int
    generation: int | None
    expires_at: datetime
    finalized_at: datetime | None
    error_code: str | None


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """A checkpoint and its artifact."""

    stage: str
    state: str
    version: int
    attempt: int
    progress: float
    error_code: str | None
    note: str | None
    artifact_key: str | None
    artifact_sha256: str | None
    artifact_bytes: int | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run and its checkpoints."""

    id: UUID
    lane: str
    generation: int
    state: str
    attempt: int
    fencing_token: int
    owner: str | None
    lease_until: datetime | None
    heartbeat_at: datetime | None
    not_before: datetime | None
    #: For the lane before to be done again.
    waits: bool
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    finished_at: datetime | None
    stages: tuple[StageFacts, ...]


@dataclass(frozen=True, kw_only=True)
class OwedMessage:
    """A message of the outbox."""

    id: UUID
    topic: str
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class LetterLine:
    """A dead letter."""

    id: str
    user_id: UUID | None
    run_id: UUID | None
    reason: str
    error_code: str | None
    subscription: str
    delivery_attempts: int
    received_at: datetime
    replayed_at: datetime | None
    replayed_by: str | None


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """What an operator did."""

    lane: str
    from_stage: str | None
    operator: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything the ledger knows of how a video came to be as it is."""

    video: VideoFacts
    objects: tuple[ObjectFacts, ...]
    runs: tuple[RunFacts, ...]
    messages: tuple[OwedMessage, ...]
    dead_letters: tuple[LetterLine, ...]
    interventions: tuple[Intervention, ...]


@dataclass(frozen=True, kw_only=True)
class ReceiptFacts:
    """That something was erased."""

    id: UUID
    subject: str
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    removed: Mapping[str, int]
