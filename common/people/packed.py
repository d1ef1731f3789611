"""Many rows as few long values: the driver takes longer to read a row than Postgres to find it.

A column of a result comes as one `bytea` of the values in binary, one after the other (measured,
20,000 faces: 38 ms instead of 980 ms for ids, times and boxes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

UUID_BYTES: Final = 16
#: What stands for no id; no row has it.
NOBODY: Final = bytes(UUID_BYTES)


def uuids(column: str) -> str:
    """SQL: a column of ids, where NULL becomes `NOBODY`."""
    return f"string_agg(coalesce(uuid_send({column}), decode(repeat('00', 16), 'hex')), '')"


def integers(column: str) -> str:
    """SQL: a column of bigint."""
    return f"string_agg(int8send({column}), '')"


def reals(column: str) -> str:
    """SQL: a column of real."""
    return f"string_agg(float4send({column}), '')"


def vectors(column: str, dimensions: int) -> str:
    """SQL: the first numbers of a column of halfvec. Its binary form starts with four bytes."""
    sent = f"halfvec_send(subvector({column}, 1, {dimensions}))"
    return f"string_agg(substr({sent}, 5), '')"


def means(column: str, dimensions: int) -> str:
    """SQL: the same of a column of vector, as averages are."""
    sent = f"vector_send(subvector({column}, 1, {dimensions}))"
    return f"string_agg(substr({sent}, 5), '')"


def read_integers(packed: bytes | None) -> npt.NDArray[np.int64]:
    """The numbers of a column of bigint."""
    return np.frombuffer(packed or b"", dtype=">i8").astype(np.int64)


def read_reals(packed: bytes | None) -> npt.NDArray[np.float64]:
    """The numbers of a column of real."""
    return np.frombuffer(packed or b"", dtype=">f4").astype(np.float64)


def read_vectors(packed: bytes | None, dimensions: int) -> npt.NDArray[np.float32]:
    """(n, dimensions) of a column of halfvec."""
    flat = np.frombuffer(packed or b"", dtype=">f2").astype(np.float32)
    return flat.reshape(-1, dimensions)


def read_means(packed: bytes | None, dimensions: int) -> npt.NDArray[np.float64]:
    """(n, dimensions) of a column of vector."""
    flat = np.frombuffer(packed or b"", dtype=">f4").astype(np.float64)
    return flat.reshape(-1, dimensions)


def split_ids(packed: bytes | None) -> list[bytes]:
    """The ids of a column, 16 bytes each."""
    whole = packed or b""
    return [whole[at : at + UUID_BYTES] for at in range(0, len(whole), UUID_BYTES)]


def read_places(packed: bytes | None, places: Mapping[bytes, int]) -> npt.NDArray[np.int64]:
    """Of each id its place; -1 for those that have none."""
    found = (places.get(each, -1) for each in split_ids(packed))
    return np.fromiter(found, dtype=np.int64)


def runs(packed: bytes | None) -> npt.NDArray[np.int64]:
    """Numbers ids that come in runs: 0 for the first run of equal ones, 1 for the next."""
    pairs = np.frombuffer(packed or b"", dtype=">u8").reshape(-1, 2)
    if len(pairs) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = (pairs[1:] != pairs[:-1]).any(axis=1)
    return np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)


def array(values: Iterable[UUID | int | float | str]) -> str:
    """As Postgres reads arrays; the driver takes long to write thousands of values."""
    return "{" + ",".join(map(str, values)) + "}"
