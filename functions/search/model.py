"""The nouns of search, as frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

Mode = Literal["hybrid", "semantic", "keyword"]
Tier = Literal["strong", "possible"]
PersonMatch = Literal["all", "any"]
GroupBy = Literal["scene", "video"]

#: Where evidence for a moment can come from: what it means, which of its tokens a model gives
#: weight, what is said, what is written on screen, what is shown, its tags, who is there.
Leg = Literal["dense", "sparse", "lexical", "screen", "vision", "tags", "people"]
LEGS: Final[tuple[Leg, ...]] = (
    "dense",
    "sparse",
    "lexical",
    "screen",
    "vision",
    "tags",
    "people",
)
#: Legs that answer for the one weight `text`.
TEXT_LEGS: Final[tuple[Leg, ...]] = ("dense", "sparse", "lexical", "screen")
#: Legs that a mode asks.
MODE_LEGS: Final[Mapping[Mode, tuple[Leg, ...]]] = {
    "hybrid": LEGS,
    "semantic": ("dense", "vision", "tags", "people"),
    "keyword": ("sparse", "lexical", "screen", "people"),
}


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each kind of evidence counts; `person` is added on top for a matched person."""

    text: float = 0.5
    vision: float = 0.35
    tags: float = 0.15
    person: float = 0.3


@dataclass(frozen=True, kw_only=True)
class Person:
    """An enrolled person of the tenant."""

    person_id: UUID
    name: str
    #: Other names: aliases, and those of people who were found to be this one.
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the person's own first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, kw_only=True)
class QueryWord:
    """A word of the query that carries meaning."""

    #: As typed, normalised.
    text: str
    #: What the lexical index is asked for; all of them together are the word.
    terms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ParsedQuery:
    """What a query asks for."""

    #: As typed, NFC, single spaces.
    text: str
    #: The part that the encoders read: without quoted phrases and names.
    semantic: str
    #: Quoted, normalised; each must occur.
    phrases: tuple[str, ...]
    #: Content words, of the phrases too; without stop words.
    words: tuple[QueryWord, ...]
    #: Enrolled people it names.
    people: tuple[Person, ...]
    #: Those of `words` that are their names.
    name_words: frozenset[QueryWord]
    #: "ko", "en", "ja", "zh" or "", by script.
    language: str


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which scenes are searched at all; what is empty or None does not restrict."""

    video_ids: tuple[UUID, ...] = ()
    person_ids: tuple[UUID, ...] = ()
    #: Whether all of these people must be in the scene, or one of them.
    person_match: PersonMatch = "all"
    #: When the video was uploaded: from, and before.
    created_from: datetime | None = None
    created_before: datetime | None = None
    #: Of the video, inclusive.
    min_duration_ms: int | None = None
    max_duration_ms: int | None = None
    #: Spoken in the scene.
    language: str | None = None
    has_speech: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the order of hits a page ended."""

    score: float
    video_id: UUID
    start_ms: int
    scene_id: UUID
    #: When the newest video was indexed that the first page could see; None if there was none.
    indexed_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One search of one tenant."""

    user_id: UUID
    #: What is looked for; "" if it is scenes like `like`.
    text: str
    like: UUID | None = None
    mode: Mode = "hybrid"
    weights: Weights = field(default_factory=Weights)
    scope: Scope = field(default_factory=Scope)
    group_by: GroupBy = "scene"
    #: The page starts after this hit; None for the first page.
    after: Place | None = None
    #: Hits on the page at most.
    limit: int = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What every leg found in one scene, raw; None where the leg has nothing for the scene."""

    scene_id: UUID
    video_id: UUID
    start_ms: int
    end_ms: int
    #: Inner product of unit vectors.
    text_cosine: float | None
    #: The best frame's, and its time.
    frame_cosine: float | None
    frame_ms: int | None
    #: Inner product of the weights that the text model gives tokens.
    sparse_product: float
    #: Terms of the query that are said, and that are on screen.
    spoken_terms: frozenset[str]
    screen_terms: frozenset[str]
    #: Scores, 0–1, of the tags asked for.
    tags: Mapping[str, float]
    #: Confidences, 0–1, of the people asked for.
    people: Mapping[UUID, float]


class LegScore(NamedTuple):
    """One leg's answer for one hit."""

    #: Calibrated, 0–1.
    score: float
    #: 1 for the leg's best candidate; equal scores share a rank. None where it found nothing.
    rank: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """A scene that is worth showing."""

    evidence: Evidence
    #: 0–1; the upper half are strong hits.
    score: float
    tier: Tier
    #: Only legs that took part.
    legs: Mapping[Leg, LegScore]
    #: Words of the query found in the scene, per leg that found them.
    found: Mapping[Leg, tuple[QueryWord, ...]]
    #: Words of the query that no leg found in the scene.
    missing: tuple[QueryWord, ...] = ()
