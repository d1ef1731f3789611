"""BGE-M3: sentences in a hundred languages to dense vectors and to learned weights of tokens.

J. Chen et al., M3-Embedding, 2024 (arXiv 2402.03216): XLM-RoBERTa, whose state of the first token
is the dense vector, with a linear head that gives every token a weight. FlagEmbedding, the authors'
library, loads and computes; what it would leave to chance is checked here. Its heads are pickles
upstream (`sparse_linear.pt`, `colbert_linear.pt`), and where they are missing it goes on with
random ones, so ours come from `heads.safetensors` and are compared with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from common.domain import SparseRows
from common.errors import ConfigError, PermanentError, TransientError
from gpu_jobs.models.device import Device, in_batches

NAME: Final = "bge-m3"
#: Width of the text vectors of every profile; a narrower model's are zero-padded.
DIMENSIONS: Final = 1024
#: Special tokens included; a text is cut beyond. What is said in a scene of 12 s, in two languages,
#: is about 200. The model itself takes 8192.
MAX_TOKENS: Final = 512
#: Texts at once; of the longest ones the widest layer (4096) then takes 256 MiB in float16 on a
#: GPU, 128 MiB in float32 on a CPU.
_BATCH_SIZE: Final = {"cuda": 64, "cpu": 16}
_HEADS: Final = "heads.safetensors"
_FILES: Final = (
    "config.json",
    "model.safetensors",
    _HEADS,
    "tokenizer.json",
    "tokenizer_config.json",
)
#: Pickles: FlagEmbedding would load the first of them, and loading one can run code.
_PICKLES: Final = frozenset({".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"})
_HINT: Final = "run `make models PROFILE=cpu` (or gpu)"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """Texts in both forms."""

    #: (n, 1024) float32, L2-normalised.
    dense: Floats
    #: n rows.
    sparse: SparseRows


@runtime_checkable
class SparseTextEncoder(Protocol):
    """A text model that also learned how much each token counts."""

    def encode_both(self, texts: Sequence[str]) -> Embedded:
        """Texts to dense vectors and weights of tokens, in order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """One text."""

    #: (hidden,) float32, L2-normalised.
    dense: Floats
    #: (m,) int64, rising, and (m,) float32, above 0.
    tokens: npt.NDArray[np.int64]
    weights: Floats


class BgeM3:
    """Sentences to vectors and weights of tokens. Not thread-safe."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self, directory: Path, *, device: Device) -> None:
        """Load the model; never from the network, and never from a pickle.

        Args:
            directory: holds config.json, model.safetensors, heads.safetensors (tensors
                `sparse.weight`, `sparse.bias`, `colbert.weight` and `colbert.bias`),
                tokenizer.json and tokenizer_config.json.
            device: where to compute: float16 on a GPU, float32 or bfloat16 on a CPU.

        Raises:
            ConfigError: a file is missing or not what it should be, or a pickle lies there.
        """
        _check_files(directory)
        # Kept whole: once FlagEmbedding's object goes, it takes the network off the device.
        self._embedder = _load(directory, device)
        self._network: Any = self._embedder.model
        self._tokenizer: Any = self._embedder.tokenizer
        config = self._network.config
        _check_sizes(config, self._tokenizer)
        _check_encoder(directory, self._network.model)
        self._network.to(device.torch_name).eval()
        _load_heads(directory, self._network)
        self._device = device
        self._left_out = _left_out(self._tokenizer)
        # XLM-RoBERTa counts positions from the id after the padding's.
        positions = config.max_position_embeddings - config.pad_token_id - 1
        self._max_tokens = min(MAX_TOKENS, positions)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed texts; see `encode_both`.

        Returns:
            (n, 1024) float32, L2-normalised.
        """
        return self.encode_both(texts).dense

    def encode_both(self, texts: Sequence[str]) -> Embedded:
        """Embed texts, and weigh their tokens.

        Args:
            texts: any strings, in any Unicode form; beyond 512 tokens a text is cut.

        Returns:
            A dense vector and a sparse row per text, in order. A token that occurs several times
            has its largest weight; <s>, </s>, <pad> and <unk> have none.

        Raises:
            TransientError: `stage_failed` if memory ran out, or the device failed.
            PermanentError: `stage_failed` if what came out is no number.
        """
        tokens = self._tokenize(texts)
        # Alike beside alike, so that little is padding; longest first, so that memory runs out at
        # once or not at all.
        order = sorted(range(len(tokens)), key=lambda place: -len(tokens[place]))
        inputs = [tokens[place] for place in order]
        try:
            batches = in_batches(inputs, _BATCH_SIZE[self._device.kind], self._compute)
        except RuntimeError as error:  # of torch
            raise TransientError("stage_failed", f"{NAME}: {type(error).__name__}") from error
        computed = (row for batch in batches for row in batch)
        rows = dict(zip(order, computed, strict=True))
        return _embedded([rows[place] for place in range(len(texts))])

    def abstains(self, text: str) -> bool:
        """Never: the model knows Korean and English, and a hundred languages more."""
        return False

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        # The tokenizer's own normaliser leaves decomposed Hangul as it is, and reads it as <unk>.
        composed = [unicodedata.normalize("NFC", text) for text in texts]
        encoded = self._tokenizer(composed, truncation=True, max_length=self._max_tokens)
        return [list(ids) for ids in encoded["input_ids"]]

    def _compute(self, batch: Sequence[list[int]]) -> list[_Row]:
        import torch

        shape = (len(batch), max(len(ids) for ids in batch))
        ids = torch.full(shape, self._tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros(shape, dtype=torch.long)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        device = self._device.torch_name
        with torch.inference_mode():
            found = self._network(
                {"input_ids": ids.to(device), "attention_mask": mask.to(device)},
                return_dense=True,
                return_sparse=True,
            )
            # Normalised in float32 whatever it was computed in.
            dense = torch.nn.functional.normalize(found["dense_vecs"].float(), dim=-1).cpu().numpy()
            weights = found["sparse_vecs"].squeeze(-1).float().cpu().numpy()
        if not (np.isfinite(dense).all() and np.isfinite(weights).all()):
            raise PermanentError("stage_failed", f"{NAME}: the model gave no finite numbers")
        return [
            self._row(vector, tokens, weight[: len(tokens)])
            for vector, tokens, weight in zip(dense, batch, weights, strict=True)
        ]

    def _row(self, dense: Floats, tokens: list[int], weights: Floats) -> _Row:
        distinct, places = np.unique(np.asarray(tokens, dtype=np.int64), return_inverse=True)
        largest: Floats = np.zeros(len(distinct), dtype=np.float32)
        np.maximum.at(largest, places, weights)
        kept = (largest > 0) & ~np.isin(distinct, self._left_out)
        return _Row(dense=dense, tokens=distinct[kept], weights=largest[kept])


def _embedded(rows: Sequence[_Row]) -> Embedded:
    dense: Floats = np.zeros((len(rows), DIMENSIONS), dtype=np.float32)
    for place, row in enumerate(rows):
        dense[place, : len(row.dense)] = row.dense
    lengths = [len(row.tokens) for row in rows]
    no_tokens, no_weights = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    return Embedded(
        dense=dense,
        sparse=SparseRows(
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            tokens=np.concatenate([no_tokens, *(row.tokens for row in rows)]),
            weights=np.concatenate([no_weights, *(row.weights for row in rows)]),
        ),
    )


def _check_files(directory: Path) -> None:
    for name in _FILES:
        if not (directory / name).is_file():
            raise ConfigError(f"{NAME}: {name} is missing; {_HINT}")
    for path in sorted(directory.iterdir()):
        if path.suffix in _PICKLES:
            raise ConfigError(f"{NAME}: {path.name} is a pickle; delete it and {_HINT}")


def _load(directory: Path, device: Device) -> Any:
    from FlagEmbedding import BGEM3FlagModel
    from safetensors import SafetensorError

    try:
        with _no_progress_bars():
            return BGEM3FlagModel(
                str(directory),
                pooling_method="cls",
                normalize_embeddings=False,
                use_fp16=device.kind == "cuda",
                use_bf16=device.bfloat16,
                devices=device.torch_name,
                trust_remote_code=False,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{NAME}: the files do not load ({error}); {_HINT}") from error


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Loading draws one, into what should be a log of JSON lines."""
    import transformers

    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _check_sizes(config: Any, tokenizer: Any) -> None:
    if config.hidden_size > DIMENSIONS:
        raise ConfigError(f"{NAME}: width {config.hidden_size}, expected at most {DIMENSIONS}")
    if len(tokenizer) > config.vocab_size:
        raise ConfigError(f"{NAME}: {len(tokenizer)} tokens, the model has {config.vocab_size}")


def _check_encoder(directory: Path, encoder: Any) -> None:
    """Weights that the file lacks would be random too; the pooler's are not used."""
    from safetensors import safe_open

    with safe_open(directory / "model.safetensors", framework="pt") as stored:
        there = {name.removeprefix(f"{encoder.base_model_prefix}.") for name in stored.keys()}  # noqa: SIM118  # no mapping
    needed = {name for name, _ in encoder.named_parameters() if not name.startswith("pooler.")}
    if missing := sorted(needed - there):
        raise ConfigError(f"{NAME}: model.safetensors lacks {missing[0]}; {_HINT}")


def _load_heads(directory: Path, network: Any) -> None:
    """Give both heads the file's weights, and make sure that they have them."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(directory / _HEADS)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{NAME}: {_HEADS} cannot be read; {_HINT}") from error
    targets = {
        f"{head}.{part}": getattr(getattr(network, f"{head}_linear"), part)
        for head in ("sparse", "colbert")
        for part in ("weight", "bias")
    }
    if set(tensors) != set(targets):
        raise ConfigError(f"{NAME}: {_HEADS} has {sorted(tensors)}, expected {sorted(targets)}")
    for name, target in targets.items():
        expected = tensors[name].to(target.dtype)
        if expected.shape != target.shape:
            shapes = f"{tuple(expected.shape)}, expected {tuple(target.shape)}"
            raise ConfigError(f"{NAME}: {name} in {_HEADS} has shape {shapes}; {_HINT}")
        with torch.no_grad():
            target.copy_(expected)
        if not torch.equal(target.cpu(), expected):
            raise ConfigError(f"{NAME}: {name} is not what {_HEADS} says; {_HINT}")


def _left_out(tokenizer: Any) -> npt.NDArray[np.int64]:
    """Ids of the tokens that have no weight, as in FlagEmbedding's `encode`."""
    ids = [
        tokenizer.cls_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
    ]
    if None in ids:
        raise ConfigError(f"{NAME}: the tokenizer has no <s>, </s>, <pad> or <unk>; {_HINT}")
    return np.asarray(ids, dtype=np.int64)
