"""Rows of the search benchmark in COPY's binary format: what is wrong here is stored as noise."""

from __future__ import annotations

import struct

import numpy as np

from tests.benchmarks.search_store import binary_rows, bits, vectors


def test_rows_are_fields_with_their_lengths() -> None:
    """A constant and a row's own field, each after its length, all after their count."""
    own = np.array([b"ab", b"\0\1"], dtype="V2")
    assert binary_rows([b"xyz", own]) == b"".join(
        struct.pack(">hi3si2s", 2, 3, b"xyz", 2, value) for value in (b"ab", b"\0\1")
    )


def test_a_vector_is_its_width_and_big_endian_numbers() -> None:
    """Half and single precision, as pgvector's receive functions read them."""
    numbers = np.array([[1.0, -0.5], [0.25, 0.0]], dtype=np.float32)
    half, single = vectors(numbers, ">f2"), vectors(numbers, ">f4")
    assert half[0].tobytes() == struct.pack(">hhee", 2, 0, 1.0, -0.5)
    assert single[1].tobytes() == struct.pack(">hhff", 2, 0, 0.25, 0.0)


def test_bits_start_with_the_highest() -> None:
    """A bit string is its length in bits, then bytes whose highest bit comes first."""
    code = np.zeros((1, 16), dtype=np.bool_)
    code[0, [0, 15]] = True
    assert bits(code)[0].tobytes() == struct.pack(">iBB", 16, 0x80, 0x01)
