"""What the API's SQL returns: rows as frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from common.domain import Lane, RunState, StageState, VideoState

ObjectKind = Literal["video", "subtitle"]


@dataclass(frozen=True, kw_only=True)
class VideoRecord:
    """A video that is not deleted."""

    id: UUID
    title: str
    state: VideoState
    error_code: str | None
    generation: int | None
    duration_ms: int | None
    scene_count: int | None
    index_version: str | None
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None
    #: When it is deleted; None if it is kept.
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DeclaredObject:
    """An object that an upload declares: the video (ordinal 0) or a subtitle file."""

    ordinal: int
    kind: ObjectKind
    #: Of a subtitle file: BCP 47, lower case.
    language: str | None
    object_name: str
    content_type: str
    size_bytes: int
    #: Base64 of the big-endian checksum, as Cloud Storage writes it.
    crc32c: str | None


@dataclass(frozen=True, kw_only=True)
class UploadObject(DeclaredObject):
    """A declared object and what became of it."""

    #: When its URL stops working.
    expires_at: datetime
    #: When it was found to have arrived.
    finalized_at: datetime | None
    error_code: str | None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run of the video's current generation."""

    lane: Lane
    state: RunState
    attempt: int


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """A checkpoint of one of those runs."""

    lane: Lane
    stage: str
    state: StageState
    #: 0–1.
    progress: float
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    note: str | None
    error_code: str | None


@dataclass(frozen=True, kw_only=True)
class SceneSegment:
    """Something said, or a subtitle line."""

    start_ms: int
    end_ms: int
    text: str
    language: str


@dataclass(frozen=True, kw_only=True)
class SceneLine:
    """A line of on-screen text."""

    time_ms: int
    text: str
    #: x, y, width, height as fractions of the frame, 0–1.
    box: tuple[float, float, float, float]
    #: 0–1.
    confidence: float


@dataclass(frozen=True, kw_only=True)
class SceneTag:
    """A tag of one scene."""

    tag: str
    #: 0–1.
    score: float


@dataclass(frozen=True, kw_only=True)
class SceneRecord:
    """A scene of a video's current index version."""

    id: UUID
    video_id: UUID
    index_version: str
    ordinal: int
    start_ms: int
    end_ms: int
    transcript: tuple[SceneSegment, ...]
    languages: tuple[str, ...]
    screen_text: tuple[SceneLine, ...]
    tags: tuple[SceneTag, ...]
    best_frame_ms: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How much a user has."""

    videos: int
    indexed: int
    failed: int
    scenes: int
