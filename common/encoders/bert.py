"""BERT's forward pass in NumPy: enough for sentence embedding models, and nothing to install.

The arithmetic is float32 as in the reference implementation (transformers' `BertModel`), which a
test holds it to. Only the encoder is here; pooling belongs to the model that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: Rows worked on at once where arithmetic is bound by memory: an (n, 1536) block stays in cache.
_BLOCK_ROWS = 256
#: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (error of erf below 1.5e-7).
_ERF_P = 0.3275911
_ERF_COEFFICIENTS = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """A linear layer, stored so that `x @ weight + bias` applies it."""

    #: (inputs, outputs) float32.
    weight: Floats
    #: (outputs,) float32.
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Apply to (n, inputs); returns (n, outputs)."""
        y: Floats = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """Layer normalisation over the last axis."""

    weight: Floats
    bias: Floats
    epsilon: float

    def __call__(self, x: Floats) -> Floats:
        """Normalise (n, width)."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.einsum("ij,ij->i", centred, centred)[:, None] / np.float32(x.shape[-1])
        centred *= 1.0 / np.sqrt(variance + np.float32(self.epsilon))
        centred *= self.weight
        centred += self.bias
        return np.asarray(centred)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One transformer block (post-norm)."""

    #: Query, key and value side by side: (width, 3 * width).
    attention_in: Dense
    attention_out: Dense
    attention_norm: Norm
    widen: Dense
    narrow: Dense
    output_norm: Norm


@dataclass(frozen=True, kw_only=True, eq=False)
class Bert:
    """Token ids in, one vector per token out."""

    #: (vocabulary, width) float32.
    words: Floats
    #: (max positions, width) float32; the type-0 embedding is already added.
    positions: Floats
    embedding_norm: Norm
    layers: tuple[Layer, ...]
    heads: int

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Floats], *, heads: int, epsilon: float) -> Bert:
        """Build from the tensors of a `BertModel` checkpoint, named as transformers names them."""
        count = 1 + max(int(n.split(".")[2]) for n in tensors if n.startswith("encoder.layer."))
        return cls(
            words=tensors["embeddings.word_embeddings.weight"],
            positions=tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0],
            embedding_norm=_norm(tensors, "embeddings.LayerNorm", epsilon),
            layers=tuple(_layer(tensors, f"encoder.layer.{i}", epsilon) for i in range(count)),
            heads=heads,
        )

    def __call__(self, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> Floats:
        """Encode a padded batch.

        Args:
            ids: (batch, length) token ids.
            mask: (batch, length); false where `ids` is padding.

        Returns:
            (batch, length, width) float32; rows of padding hold nothing of use.
        """
        batch, length = ids.shape
        x = (self.words[ids] + self.positions[:length]).reshape(batch * length, -1)
        x = self.embedding_norm(x)
        # Large and finite: exp() of it is exactly 0, and no NaN can come of it.
        hidden = np.where(mask, np.float32(0), np.float32(-1e9))[:, None, None, :]
        for layer in self.layers:
            x = self._block(layer, x, hidden)
        return x.reshape(batch, length, -1)

    def _block(self, layer: Layer, x: Floats, hidden: Floats) -> Floats:
        attended = layer.attention_out(self._attend(layer.attention_in(x), hidden))
        attended += x
        x = layer.attention_norm(attended)
        out: Floats = np.empty_like(x)
        for start in range(0, len(x), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            out[rows] = layer.narrow(gelu(layer.widen(x[rows])))
        out += x
        return layer.output_norm(out)

    def _attend(self, qkv: Floats, hidden: Floats) -> Floats:
        batch, length = hidden.shape[0], hidden.shape[-1]
        width = qkv.shape[-1] // 3
        split = qkv.reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = (split[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
        scores: Floats = np.matmul(query, key.transpose(0, 1, 3, 2))
        scores *= np.float32(1.0 / np.sqrt(width // self.heads))
        scores += hidden
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        context: Floats = np.matmul(scores, value).transpose(0, 2, 1, 3)
        return context.reshape(batch * length, width)


def gelu(x: Floats) -> Floats:
    """The exact GELU, x * Phi(x), to float32's precision (absolute error below 1e-6).

    With q = erfc(|x| / sqrt 2) / 2, GELU is max(x, 0) - |x| * q: no cancellation in the tails.
    """
    magnitude = np.abs(x)
    t = 1.0 / (1.0 + np.float32(_ERF_P / np.sqrt(2.0)) * magnitude)
    tail = np.full_like(t, _ERF_COEFFICIENTS[-1])
    for coefficient in reversed(_ERF_COEFFICIENTS[:-1]):
        tail *= t
        tail += np.float32(coefficient)
    tail *= t
    tail *= np.exp(np.float32(-0.5) * magnitude * magnitude)
    tail *= magnitude
    tail *= np.float32(0.5)
    result: Floats = np.maximum(x, np.float32(0)) - tail
    return result


def _norm(tensors: Mapping[str, Floats], name: str, epsilon: float) -> Norm:
    return Norm(weight=tensors[f"{name}.weight"], bias=tensors[f"{name}.bias"], epsilon=epsilon)


def _dense(tensors: Mapping[str, Floats], *names: str) -> Dense:
    """One layer, or several with the same input side by side."""
    weight = np.concatenate([tensors[f"{name}.weight"] for name in names])
    bias = np.concatenate([tensors[f"{name}.bias"] for name in names])
    return Dense(weight=np.ascontiguousarray(weight.T), bias=bias)


def _layer(tensors: Mapping[str, Floats], name: str, epsilon: float) -> Layer:
    attention = f"{name}.attention"
    projections = (f"{attention}.self.{part}" for part in ("query", "key", "value"))
    return Layer(
        attention_in=_dense(tensors, *projections),
        attention_out=_dense(tensors, f"{attention}.output.dense"),
        attention_norm=_norm(tensors, f"{attention}.output.LayerNorm", epsilon),
        widen=_dense(tensors, f"{name}.intermediate.dense"),
        narrow=_dense(tensors, f"{name}.output.dense"),
        output_norm=_norm(tensors, f"{name}.output.LayerNorm", epsilon),
    )
