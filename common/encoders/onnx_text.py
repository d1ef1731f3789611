"""The query encoders of the cpu and gpu profiles: text towers in ONNX Runtime.

They give what the jobs' towers in torch give (a test holds them to 0.9999 cosine on the same
weights) without torch's weight: search starts faster and needs less memory.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from common.encoders import siglip_scores
from common.encoders.colour_words import Understood
from common.encoders.onnx_files import ExportedTower, open_tower
from common.errors import ConfigError

Floats = npt.NDArray[np.float32]

#: Widths of the text and frame vectors of every profile; shorter ones are zero-padded.
TEXT_DIMENSIONS: Final = 1024
IMAGE_DIMENSIONS: Final = 1152
#: Texts encoded at once; bounds memory.
_BATCH: Final = 16
#: Encoded at start: the first run of a session allocates what all later ones use.
_WARM_UP: Final = "빨간 차 밤에, a red car at night"
_WORD: Final = re.compile(r"\w+")
#: Punctuation that SigLIP's first version was trained without (big_vision, `canonicalize_text`).
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


class OnnxBgeM3:
    """Sentences of any language to BGE-M3's dense vectors and token weights. Thread-safe."""

    dimensions = TEXT_DIMENSIONS

    def __init__(
        self, directory: Path, *, quantised: bool = False, graph: Path | None = None
    ) -> None:
        """Load and warm up.

        Args:
            directory: written by `gpu_jobs.models.export` (kind "bge-m3").
            quantised: use the int8 graph, if it was measured to be good enough.
            graph: use this file instead, as it is; for measuring.

        Raises:
            ConfigError: files are missing or wrong, or the int8 graph is not good enough.
        """
        tower = open_tower(directory, "bge-m3", quantised=quantised)
        self.name = str(tower.encoder["name"])
        self._pad_id = int(tower.encoder["pad_id"])
        #: Tokens that are no part of a text: they have no weight.
        self._special = frozenset(int(each) for each in tower.encoder["special_ids"])
        self._tokenizer = tower.tokenizer()
        self._tokenizer.enable_truncation(int(tower.encoder["max_tokens"]))
        self._session = tower.session(graph)
        self.encode([_WARM_UP])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed texts.

        Args:
            texts: any strings; a text is cut at 512 tokens, as the reference does with queries.

        Returns:
            (n, 1024) float32, L2-normalised.
        """
        out = np.zeros((len(texts), TEXT_DIMENSIONS), dtype=np.float32)
        for rows, ids in self._batches(texts):
            dense = self._run(ids)[0]
            out[rows, : dense.shape[1]] = dense
        return out

    def encode_sparse(self, text: str) -> dict[int, float]:
        """The weights of the tokens of a text, as lexical search uses them.

        Returns:
            Token ids to weights above 0, the highest where a token occurs more than once; special
            and unknown tokens have none.
        """
        return self.encode_query(text)[1]

    def encode_query(self, text: str) -> tuple[Floats, dict[int, float]]:
        """`encode([text])[0]` and `encode_sparse(text)` for the price of one."""
        ids = self._tokenizer.encode(_composed(text)).ids
        dense, sparse = self._run([ids])
        weights: dict[int, float] = {}
        for token, weight in zip(ids, sparse[0].tolist(), strict=True):
            if weight > 0 and token not in self._special:
                weights[token] = max(weight, weights.get(token, 0.0))
        return _widened(dense[0], TEXT_DIMENSIONS), weights

    def abstains(self, text: str) -> bool:
        """Never: the model reads over 100 languages."""
        return False

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[slice, list[list[int]]]]:
        for start in range(0, len(texts), _BATCH):
            rows = slice(start, start + _BATCH)
            prepared = [_composed(text) for text in texts[rows]]
            yield rows, [each.ids for each in self._tokenizer.encode_batch(prepared)]

    def _run(self, ids: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        """Dense (n, width) and sparse (n, length)."""
        lengths = np.array([len(each) for each in ids])
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.full(mask.shape, self._pad_id, dtype=np.int64)
        padded[mask] = np.concatenate([np.asarray(each, dtype=np.int64) for each in ids])
        feed = {"input_ids": padded, "attention_mask": mask.astype(np.int64)}
        dense, sparse = self._session.run(["dense", "sparse"], feed)
        return dense, sparse


class OnnxSiglipText:
    """Queries to vectors in the space of SigLIP's frames. Thread-safe."""

    dimensions = IMAGE_DIMENSIONS

    def __init__(
        self, directory: Path, *, quantised: bool = False, graph: Path | None = None
    ) -> None:
        """Load and warm up.

        Args:
            directory: written by `gpu_jobs.models.export` (kind "siglip").
            quantised: use the int8 graph, if it was measured to be good enough.
            graph: use this file instead, as it is; for measuring.

        Raises:
            ConfigError: files are missing or wrong, or the int8 graph is not good enough.
        """
        tower = open_tower(directory, "siglip", quantised=quantised)
        self.name = str(tower.encoder["name"])
        self._version = _version(tower)
        self._scale = float(tower.encoder["logit_scale"])
        self._bias = float(tower.encoder["logit_bias"])
        length = int(tower.encoder["length"])
        self._tokenizer = tower.tokenizer()
        self._tokenizer.enable_truncation(length)
        # The vector is read at the last place, padding or not: the model was trained on texts
        # padded to this length, and without a mask.
        self._tokenizer.enable_padding(
            length=length,
            pad_id=int(tower.encoder["pad_id"]),
            pad_token=str(tower.encoder["pad_token"]),
            direction=str(tower.encoder["padding_side"]),
        )
        self._session = tower.session(graph)
        self.encode_texts([_WARM_UP])

    def encode(self, text: str) -> Floats | None:
        """A query vector.

        Returns:
            (1152,) float32, L2-normalised, or None if the text has no word.
        """
        return self.encode_texts([text])[0] if self.understood(text) else None

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Embed texts, whatever is in them.

        Returns:
            (n, 1152) float32, L2-normalised.
        """
        out = np.zeros((len(texts), IMAGE_DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            rows = slice(start, start + _BATCH)
            prepared = [prepare(text, version=self._version) for text in texts[rows]]
            ids = [each.ids for each in self._tokenizer.encode_batch(prepared)]
            vectors = self._session.run(["vector"], {"input_ids": np.array(ids, np.int64)})[0]
            out[rows, : vectors.shape[1]] = vectors
        return out

    def understood(self, text: str) -> tuple[Understood, ...]:
        """All words of the text, as typed in lower case: the model goes by the whole sentence."""
        words = _WORD.findall(_composed(text).lower())
        return tuple(Understood(word=word, axis="") for word in words)

    def calibrate(self, cosine: float) -> float:
        """Inner product of a query and a frame → 0–1 (see `common.encoders.siglip_scores`)."""
        return siglip_scores.score(siglip_scores.probability(cosine, self._scale, self._bias))


def prepare(text: str, *, version: int) -> str:
    """A text as SigLIP was trained on it.

    Args:
        text: any.
        version: 2 is composed and in lower case; 1 also without ASCII punctuation and repeated
            white space.
    """
    lower = _composed(text).lower()
    return lower if version == 2 else " ".join(lower.translate(_NO_PUNCTUATION).split())


@lru_cache(maxsize=4)
def load_text(directory: Path, *, quantised: bool = False) -> OnnxBgeM3:
    """The text encoder of a directory, loaded and verified once per process."""
    return OnnxBgeM3(directory, quantised=quantised)


@lru_cache(maxsize=4)
def load_image(directory: Path, *, quantised: bool = False) -> OnnxSiglipText:
    """The image-text encoder of a directory, loaded and verified once per process."""
    return OnnxSiglipText(directory, quantised=quantised)


def _composed(text: str) -> str:
    """The tokenizers leave decomposed Hangul as it is, and do not know it."""
    return unicodedata.normalize("NFC", text)


def _version(tower: ExportedTower) -> int:
    version = int(tower.encoder["version"])
    if version not in (1, 2):
        raise ConfigError(f"{tower.directory}: SigLIP {version}, expected 1 or 2")
    return version


def _widened(vector: Floats, width: int) -> Floats:
    out = np.zeros(width, dtype=np.float32)
    out[: len(vector)] = vector
    return out
