"""Tags without training: the vectors of frames are compared with those of prompts.

Each tag has a few prompts in English and, where the model knows it, in Korean. Their normalised
vectors are averaged and normalised again, as A. Radford et al. do for CLIP (2021, arXiv 2103.00020,
section 3.1.4): what the prompts share weighs more than how each is put.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from common.encoders import siglip_scores
from common.encoders.vocabulary import VOCABULARY, VOCABULARY_VERSION, VocabularyTag

Floats = npt.NDArray[np.float32]

#: Of emotions and actions the phrases say what someone does, of the others what is there. The first
#: is the template that SigLIP's model cards use.
_THING: Final = ("This is a photo of {}.", "{} 사진")
_PERSON: Final = ("This is a photo of someone {}.", "{} 사람의 사진")
#: Kept vectors may differ by float16's rounding from those of another device.
_SAME: Final = 0.999


class PromptEncoder(Protocol):
    """What a tagger needs of a model."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def multilingual(self) -> bool:
        """Whether it was trained on Korean."""

    @property
    def logit_scale(self) -> float:
        """Factor of a cosine."""

    @property
    def logit_bias(self) -> float:
        """What is added to it."""

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, 1152) float32, L2-normalised, one row per text."""


class ZeroShotTagger:
    """Vectors of frames to tag scores."""

    tags = tuple(each.tag for each in VOCABULARY)

    def __init__(self, model: PromptEncoder, *, kept_in: Path | None = None) -> None:
        """Nothing is computed yet.

        Args:
            model: whose vectors will be scored.
            kept_in: a directory in which the vectors of the tags are kept from one process to the
                next (a CPU needs a minute or more for the prompts), or None.
        """
        self.name = f"{model.name}-zero-shot-{VOCABULARY_VERSION}"
        self._model = model
        self._kept_in = kept_in

    def score(self, vectors: Floats) -> Floats:
        """Score frames.

        Args:
            vectors: (n, 1152) float32, L2-normalised, of the same model.

        Returns:
            (n, len(tags)) float32, 0–1: the model's own probability, moved as
            `common.encoders.siglip_scores` explains, so that a tag is more likely there than not
            from 0.5. Each tag is on its own; a frame may have many or none.
        """
        cosines = np.asarray(vectors, dtype=np.float32) @ self.tag_vectors.T
        return siglip_scores.scores(cosines, self._model.logit_scale, self._model.logit_bias)

    @cached_property
    def tag_vectors(self) -> Floats:
        """(len(tags), 1152) float32, L2-normalised."""
        every = [prompts(tag, korean=self._model.multilingual) for tag in VOCABULARY]
        path = self._path(every)
        first = self._mean(every[0])
        kept = _read(path, len(every))
        if kept is not None and float(kept[0] @ first) >= _SAME:
            return kept
        vectors = self._means(every)
        _keep(path, vectors)
        return vectors

    def _mean(self, texts: tuple[str, ...]) -> Floats:
        return _unit(self._model.encode_texts(list(texts)).mean(axis=0))

    def _means(self, every: list[tuple[str, ...]]) -> Floats:
        """All prompts at once: full batches."""
        encoded = self._model.encode_texts([text for texts in every for text in texts])
        ends = np.cumsum([len(texts) for texts in every])
        parts = np.split(encoded, ends[:-1])
        return np.stack([_unit(part.mean(axis=0)) for part in parts])

    def _path(self, every: list[tuple[str, ...]]) -> Path | None:
        if self._kept_in is None:
            return None
        digest = hashlib.sha256(repr((self.name, self.tags, every)).encode()).hexdigest()
        return self._kept_in / f"tags-{digest[:16]}.npy"


def prompts(tag: VocabularyTag, *, korean: bool) -> tuple[str, ...]:
    """The texts that stand for a tag."""
    english, hangul = _PERSON if tag.group in ("emotion", "action") else _THING
    texts = [english.format(phrase) for phrase in tag.phrases_en]
    if korean:
        texts += [hangul.format(phrase) for phrase in tag.phrases_ko]
    return tuple(texts)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def _read(path: Path | None, rows: int) -> Floats | None:
    """What was kept, if it is whole."""
    if path is None or not path.is_file():
        return None
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = kept.dtype == np.float32 and kept.ndim == 2 and len(kept) == rows
    return np.asarray(kept, dtype=np.float32) if whole else None


def _keep(path: Path | None, vectors: Floats) -> None:
    """Best effort: where nothing can be written, the next process computes again."""
    if path is None:
        return
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as out:
            np.save(out, vectors, allow_pickle=False)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
