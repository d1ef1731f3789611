"""A scene as it is shown: its texts, tags and people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A word, or a whole segment where word times are not known."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class SpokenSegment:
    """A stretch of speech or a subtitle line."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[Spoken, ...]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A line of on-screen text in one frame."""

    text: str
    time_ms: int


@dataclass(frozen=True, kw_only=True)
class ShownTag:
    """A tag and its calibrated score, 0–1."""

    tag: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A person in the scene, and when; from the start of the video."""

    person_id: UUID
    name: str
    #: 0–1.
    confidence: float
    first_ms: int
    last_ms: int
    #: Of the frame that shows them best.
    best_ms: int


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A scene with all that explains it."""

    scene_id: UUID
    video_id: UUID
    video_title: str
    start_ms: int
    end_ms: int
    segments: tuple[SpokenSegment, ...]
    languages: tuple[str, ...]
    screen_text: tuple[Shown, ...]
    tags: tuple[ShownTag, ...]
    best_frame_ms: int
    people: tuple[Seen, ...]

    @property
    def transcript(self) -> str:
        """All that is said, a line per segment."""
        return "\n".join(segment.text for segment in self.segments)


def moment_of(row: Any) -> Moment:
    """A row of `sql.moments` as a moment."""
    return Moment(
        scene_id=row.id,
        video_id=row.video_id,
        video_title=row.title,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        segments=tuple(_segment(segment) for segment in row.transcript),
        languages=tuple(row.languages),
        screen_text=tuple(
            Shown(text=line["text"], time_ms=line["time_ms"]) for line in row.screen_text
        ),
        tags=tuple(ShownTag(tag=tag["tag"], score=tag["score"]) for tag in row.tags),
        best_frame_ms=row.best_frame_ms,
        people=tuple(_seen(*each) for each in row.people or ()),
    )


def _seen(
    person_id: str, name: str, confidence: float, first_ms: int, last_ms: int, best_ms: int
) -> Seen:
    return Seen(
        person_id=UUID(person_id),
        name=name,
        confidence=confidence,
        first_ms=first_ms,
        last_ms=last_ms,
        best_ms=best_ms,
    )


def _segment(stored: dict[str, Any]) -> SpokenSegment:
    return SpokenSegment(
        text=stored["text"],
        start_ms=stored["start_ms"],
        end_ms=stored["end_ms"],
        words=tuple(
            Spoken(text=text, start_ms=start_ms, end_ms=end_ms)
            for start_ms, end_ms, text in stored["words"]
        ),
    )
