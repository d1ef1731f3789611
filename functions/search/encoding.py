"""The query in the spaces of the models, encoded once per text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from common import coding
from common.coding import Floats
from common.encoders import QueryEncoders, SparseTextEncoder
from common.search_index import halfvec

_CACHED_QUERIES: Final = 1_024
#: A question has some ten tokens; a pasted page must not read the whole index. What weighs least
#: is left out.
_MAX_TOKENS: Final = 32


@dataclass(frozen=True, kw_only=True)
class EncodedQuery:
    """A query as the legs ask for it; what is empty, the models know nothing of."""

    #: Vectors as pgvector reads them.
    text_vector: str | None
    frame_vector: str | None
    #: Their binary codes, as bit strings; None where there is no vector.
    text_code: str | None = None
    frame_code: str | None = None
    #: Words, as typed, that the image model goes by.
    pictured: tuple[str, ...]
    #: (tag, share) with shares that sum to 1.
    tags: tuple[tuple[str, float], ...]
    #: (token, weight) as the text model learned it, heaviest first; empty if it gives none.
    sparse: tuple[tuple[str, float], ...] = ()


class Encoders:
    """Encodes queries, each distinct text once. Thread-safe.

    Nothing of a tenant is kept: the cache maps a text to what the models say about it.

    Args:
        models: of the index version that is searched; a cache never outlives them.
    """

    def __init__(self, models: QueryEncoders) -> None:
        self.models = models
        self.encode = lru_cache(maxsize=_CACHED_QUERIES)(self._encode)

    def _encode(self, text: str) -> EncodedQuery:
        """The query in all spaces.

        Args:
            text: the semantic part of a query; may be empty.
        """
        if not text:
            return EncodedQuery(text_vector=None, frame_vector=None, pictured=(), tags=())
        spoken, weights = self._read(text)
        seen = self.models.image.encode(text)
        return EncodedQuery(
            text_vector=None if spoken is None else halfvec(spoken),
            text_code=None if spoken is None else _code(self.models.text.name, spoken),
            frame_vector=None if seen is None else halfvec(seen),
            frame_code=None if seen is None else _code(self.models.image.name, seen),
            pictured=tuple(each.word for each in self.models.image.understood(text)),
            tags=tuple((asked.tag, asked.weight) for asked in self.models.tags.read(text)),
            sparse=_heaviest(weights),
        )

    def _read(self, text: str) -> tuple[Floats | None, Mapping[int, float]]:
        """What the text model makes of a query: a vector, and weights of tokens."""
        model = self.models.text
        if model.abstains(text):
            return None, {}
        if isinstance(model, SparseTextEncoder):
            return model.encode_query(text)
        return model.encode([text])[0], {}


def _heaviest(weights: Mapping[int, float]) -> tuple[tuple[str, float], ...]:
    ordered = sorted(weights.items(), key=lambda each: (-each[1], each[0]))
    return tuple((str(token), weight) for token, weight in ordered[:_MAX_TOKENS])


def _code(model: str, vector: Floats) -> str:
    return coding.of_model(model).codes(vector[None])[0]
