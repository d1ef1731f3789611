"""Query encoders, shared by search and the jobs. No torch, OpenCV or PyAV in here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from common import registry
from common.encoders import minilm
from common.encoders.colour import ColourSpace
from common.encoders.colour_space import Floats
from common.encoders.colour_words import Understood
from common.encoders.tags import ColourTags, TagWeight
from common.errors import ConfigError

__all__ = [
    "QUERY",
    "ImageTextEncoder",
    "QueryEncoders",
    "SparseTextEncoder",
    "TagQuery",
    "TagWeight",
    "TextEncoder",
    "Understood",
    "load",
    "tower_path",
]

#: Below the directory of the models: all that search needs of them.
QUERY: Final = "query/"


class TextEncoder(Protocol):
    """Sentences to dense vectors."""

    @property
    def name(self) -> str:
        """Of the model, as the index manifest and the sidecars say."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, 1024) float32, L2-normalised."""

    def abstains(self, text: str) -> bool:
        """Whether the model cannot know what the text means."""


@runtime_checkable
class SparseTextEncoder(TextEncoder, Protocol):
    """A text encoder that also learned how much each token counts."""

    def encode_query(self, text: str) -> tuple[Floats, dict[int, float]]:
        """`encode([text])[0]`, and weights above 0 by token id."""


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


def load(
    profile: str,
    models_dir: str | Path = "",
    *,
    choose: Collection[str] = (),
    quantised: bool = False,
) -> QueryEncoders:
    """Load the encoders of a profile; the weights stay in memory, once per process.

    Args:
        profile: "offline", "cpu" or "gpu".
        models_dir: of the cpu and gpu profiles, as `make models` fills it.
        choose: keys of registry models that take the place of the profile's own.
        quantised: use the int8 towers in their `quantised` directories.

    Raises:
        ConfigError: there is no such profile, or its weights are missing or wrong, or an int8
            tower was not measured to be good enough.
    """
    if profile == "offline":
        return QueryEncoders(text=minilm.load(), image=ColourSpace(), tags=ColourTags())
    models = registry.load().profile(profile, choose=choose, cleared=choose)
    if not str(models_dir):
        raise ConfigError(
            f"profile {profile!r} needs HEIMDEX_MODELS_DIR: run `make models PROFILE={profile}`"
        )
    # The offline profile has no need for them.
    from common.encoders import onnx_text
    from common.encoders.vocabulary import VocabularyTags

    root = Path(models_dir).resolve()
    return QueryEncoders(
        text=onnx_text.load_text(root / tower_path(models["text"]), quantised=quantised),
        image=onnx_text.load_image(root / tower_path(models["image"]), quantised=quantised),
        tags=VocabularyTags(),
    )


def tower_path(model: registry.Model) -> str:
    """Where the exported text tower of a model is, below the directory of the models.

    What is there is described in `common.encoders.onnx_files`.
    """
    return f"{QUERY}{model.key}/{model.revision or 'unpinned'}"
