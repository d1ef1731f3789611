"""Query encoders, shared by search and the jobs. No torch, OpenCV or PyAV in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from common.encoders import minilm
from common.encoders.colour import ColourSpace
from common.encoders.colour_space import Floats
from common.encoders.colour_words import Understood
from common.encoders.tags import ColourTags, TagWeight
from common.errors import ConfigError

__all__ = [
    "ImageTextEncoder",
    "QueryEncoders",
    "TagQuery",
    "TagWeight",
    "TextEncoder",
    "Understood",
    "load",
]


class TextEncoder(Protocol):
    """Sentences to dense vectors."""

    @property
    def name(self) -> str:
        """Of the model, as the index manifest and the sidecars say."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, 1024) float32, L2-normalised."""

    def abstains(self, text: str) -> bool:
        """Whether the model cannot know what the text means."""


class ImageTextEncoder(Protocol):
    """Queries to vectors in the space of the frames."""

    @property
    def name(self) -> str:
        """Of the model."""

    def encode(self, text: str) -> Floats | None:
        """(1152,) float32, L2-normalised, or None if nothing in the text is understood."""

    def understood(self, text: str) -> tuple[Understood, ...]:
        """The words that `encode` goes by."""

    def calibrate(self, cosine: float) -> float:
        """Inner product of a query and a frame → 0–1, monotone."""


class TagQuery(Protocol):
    """Queries to tags."""

    def read(self, text: str) -> tuple[TagWeight, ...]:
        """The tags a query asks for; weights sum to 1, or empty."""


@dataclass(frozen=True, kw_only=True)
class QueryEncoders:
    """What search needs to encode a query. Thread-safe."""

    text: TextEncoder
    image: ImageTextEncoder
    tags: TagQuery


def load(profile: str) -> QueryEncoders:
    """Load the encoders of a profile; the weights stay in memory.

    Args:
        profile: "offline"; "cpu" and "gpu" arrive with the model registry.

    Raises:
        ConfigError: the profile is not available, or its weights are missing or wrong.
    """
    if profile != "offline":
        raise ConfigError(f"profile {profile!r} arrives with the model registry; use 'offline'")
    return QueryEncoders(text=minilm.load(), image=ColourSpace(), tags=ColourTags())
