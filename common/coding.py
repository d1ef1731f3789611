"""Binary codes of vectors: what the search of a large tenant reads before the vectors themselves.

The Hamming distance of two codes orders rows much as the inner product of their vectors does, at a
sixteenth of the bytes. Search compares only the rows nearest by code exactly, so their number is
only good if it was measured: on that model's own vectors, until no query lost a row of its best
twenty (`docs/adr/0009-binary-codes.md` has the numbers, a test measures them again). A model
without a measured width is searched exactly, whatever the tenant's size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from common.encoders import colour_space, minilm

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How the vectors of one model are coded."""

    #: Names the transformation; part of the index version, as codes of two never mix.
    name: str
    #: (n, d) float32, L2-normalised → (n, d) bits. Queries and rows go through the same.
    bits: Callable[[Floats], Bits]
    #: How many rows nearest by code are compared exactly: at least so many, and at least this share
    #: of all. None: not measured, so never by code.
    least: int | None = None
    share: float = 0.0

    def width(self, rows: int) -> int | None:
        """How many of a tenant's rows to compare exactly, or None for all.

        Args:
            rows: that the tenant has, about.
        """
        return None if self.least is None else max(self.least, int(rows * self.share))

    def codes(self, vectors: Floats) -> list[str]:
        """The codes of vectors (n, d), each as Postgres reads a bit string of d bits.

        Args:
            vectors: float32, L2-normalised; d is a multiple of 8.
        """
        return [f"x{row.tobytes().hex()}" for row in np.packbits(self.bits(vectors), axis=1)]


def spread_signs(vectors: Floats) -> Bits:
    """On which side of d fixed planes each vector lies.

    The planes are rows of a Hadamard matrix (Sylvester's) with randomly signed columns: a sign of
    the plain numbers would say nothing where a shorter model's vector is padded with zeros, and
    much about a few large ones. (Randomised Hadamard transforms for sign codes: N. Ailon and
    B. Chazelle, SIAM J. Comput. 39(1), 2009; A. Andoni et al., NeurIPS 2015, section 6.)

    Args:
        vectors: (n, d) float32.

    Returns:
        (n, d) bits, the same on every machine but for sums that cancel to nearly nothing.
    """
    rows, width = vectors.shape
    order = 1 << (width - 1).bit_length()
    turned = np.zeros((rows, order), dtype=np.float32)
    turned[:, :width] = vectors * _signs(width)
    half = 1
    while half < order:
        pairs = turned.reshape(rows, order // (2 * half), 2, half)
        first, second = pairs[:, :, 0], pairs[:, :, 1]
        turned = np.stack([first + second, first - second], axis=2).reshape(rows, order)
        half *= 2
    return turned[:, :width] > 0


def _signs(width: int) -> Floats:
    """Fixed signs, (width,): the bits of a hash, so that they are the same everywhere."""
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"heimdex").digest(width // 8), np.uint8))
    return bits.astype(np.float32) * 2 - 1


_UNMEASURED: Final = Coding(name="spread-signs-1", bits=spread_signs)
_BY_MODEL: Final[Mapping[str, Coding]] = MappingProxyType(
    {
        minilm.NAME: Coding(name="spread-signs-1", bits=spread_signs, least=1_600, share=0.04),
        colour_space.NAME: Coding(name="levels-1", bits=colour_space.level_bits, least=400),
    }
)


def of_model(name: str) -> Coding:
    """The coding of a model's vectors.

    Args:
        name: of a text or image model, as the encoders and the artifacts say it.
    """
    return _BY_MODEL.get(name, _UNMEASURED)
