"""The benchmark's rows by binary COPY, block by block: ours, and plain vector columns."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from common import coding
from common.encoders import QueryEncoders
from common.index_version import index_version
from tests.benchmarks.search_data import (
    FRAMES_PER_SCENE,
    SCENES_PER_VIDEO,
    Block,
    Floats,
    Neighbour,
    Tenant,
)

VERSION: Final = index_version("offline")
#: Between two frames of a scene.
FRAME_MS: Final = 1_000

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_TRANSCRIPT = ("the old man opens a wooden boat at the station before sunrise " * 5).encode()
#: About 2,000 scenes: what is in memory at a time.
_BLOCKS_PER_COPY = 50

#: A field of every row: the same bytes, or a row's own (n,) of one length.
Column = bytes | npt.NDArray[np.void]


def fill(
    connection: Any,
    tenants: Sequence[Tenant | Neighbour],
    models: QueryEncoders,
    *,
    peered: Collection[UUID],
    on_progress: Callable[[int], None],
) -> None:
    """Store all tenants, video by video in random order, as they would arrive.

    Args:
        connection: pg8000's own, a superuser's. Foreign keys are not checked: most scenes have
            vectors and codes only.
        tenants: to store.
        models: that made the vectors.
        peered: the tenants that the peers' tables hold too.
        on_progress: told how many scenes are stored.
    """
    cursor = connection.cursor()
    cursor.execute("SET session_replication_role = replica")
    _copy(cursor, "users (id, firebase_uid, tier)", [_users(tenants)])
    _copy(
        cursor,
        "videos (user_id, id, title, state, index_version, scene_count, duration_ms, indexed_at)",
        [_videos(each) for each in tenants],
    )
    stored = 0
    for batch in _batches(tenants):
        for table, rows in _copies(batch, models, peered):
            _copy(cursor, table, rows)
        stored += sum(len(block.scene_ids) for block in batch)
        on_progress(stored)
    connection.commit()


def video_id(user_id: UUID, number: int) -> UUID:
    """The id of a tenant's video."""
    return UUID(int=user_id.int ^ (number << 1 | 1))


def _copy(cursor: Any, table: str, rows: Sequence[bytes]) -> None:
    if rows:
        stream = io.BytesIO(_HEADER + b"".join(rows) + _TRAILER)
        cursor.execute(f"COPY {table} FROM STDIN WITH (FORMAT binary)", stream=stream)


def _batches(tenants: Sequence[Tenant | Neighbour]) -> Iterator[list[Block]]:
    starts = [
        (tenant, first) for tenant in tenants for first in range(0, tenant.scenes, SCENES_PER_VIDEO)
    ]
    order = np.random.default_rng(3).permutation(len(starts))
    for start in range(0, len(order), _BLOCKS_PER_COPY):
        chosen = [starts[place] for place in order[start : start + _BLOCKS_PER_COPY]]
        yield [tenant.block(first) for tenant, first in chosen]


def _users(tenants: Sequence[Tenant | Neighbour]) -> bytes:
    names = np.array([str(tenant.user_id).encode() for tenant in tenants], dtype="V36")
    ids = np.array([tenant.user_id.bytes for tenant in tenants], dtype="V16")
    # How fast search is, not how often a free user may.
    return binary_rows([ids, names, b"enterprise"])


def _videos(tenant: Tenant | Neighbour) -> bytes:
    firsts = range(0, tenant.scenes, SCENES_PER_VIDEO)
    sizes = [min(SCENES_PER_VIDEO, tenant.scenes - first) for first in firsts]
    ids = [video_id(tenant.user_id, number).bytes for number in range(len(sizes))]
    return binary_rows(
        [
            tenant.user_id.bytes,
            np.array(ids, dtype="V16"),
            b"A video",
            b"indexed",
            VERSION.encode(),
            np.array([struct.pack(">i", size) for size in sizes], dtype="V4"),
            struct.pack(">q", 600_000),
            # Microseconds since the year 2000.
            struct.pack(">q", 800_000_000_000_000),
        ]
    )


def _copies(
    batch: Sequence[Block], models: QueryEncoders, peered: Collection[UUID]
) -> Iterator[tuple[str, list[bytes]]]:
    """Rows of each table, with the table's columns."""
    version = VERSION.encode()
    text_bits = coding.of_model(models.text.name).bits
    frame_bits = coding.of_model(models.image.name).bits
    fellows = [block for block in batch if block.user_id in peered]
    yield (
        "text_vectors (user_id, index_version, scene_id, vector)",
        [binary_rows([*_keys(b, version), b.scene_ids, vectors(b.text, ">f2")]) for b in batch],
    )
    yield (
        "text_codes (user_id, index_version, scene_id, code)",
        [binary_rows([*_keys(b, version), b.scene_ids, bits(text_bits(b.text))]) for b in batch],
    )
    yield (
        "peer_scenes (user_id, transcript, id, text_vector)",
        [
            binary_rows([*_keys(b, _TRANSCRIPT), b.scene_ids, vectors(b.text, ">f4")])
            for b in fellows
        ],
    )
    yield (
        "frame_vectors (user_id, index_version, scene_id, time_ms, vector)",
        [
            binary_rows([*_keys(b, version), *_frame_keys(b), vectors(b.frames, ">f2")])
            for b in batch
        ],
    )
    yield (
        "frame_codes (user_id, index_version, scene_id, time_ms, code)",
        [
            binary_rows([*_keys(b, version), *_frame_keys(b), bits(frame_bits(b.frames))])
            for b in batch
        ],
    )
    yield (
        "peer_frames (user_id, scene_id, time_ms, vector)",
        [binary_rows([*_keys(b), *_frame_keys(b), vectors(b.frames, ">f4")]) for b in fellows],
    )


def _keys(block: Block, *more: bytes) -> list[Column]:
    return [block.user_id.bytes, *more]


def _frame_keys(block: Block) -> list[Column]:
    """Scene and time of each frame."""
    times = [struct.pack(">q", FRAME_MS * place) for place in range(FRAMES_PER_SCENE)]
    return [
        np.repeat(block.scene_ids, FRAMES_PER_SCENE),
        np.tile(np.array(times, dtype="V8"), len(block.scene_ids)),
    ]


def vectors(numbers: Floats, kind: str) -> npt.NDArray[np.void]:
    """A column of vectors: each its dimension, an unused 16-bit zero and big-endian numbers.

    Args:
        numbers: (n, d).
        kind: ">f2" for halfvec, ">f4" for vector.
    """
    return _prefixed(struct.pack(">hh", numbers.shape[1], 0), numbers.astype(kind).view(np.uint8))


def bits(codes: npt.NDArray[np.bool_]) -> npt.NDArray[np.void]:
    """A column of bit strings (n, d): each its length in bits, then the bits from the highest."""
    return _prefixed(struct.pack(">i", codes.shape[1]), np.packbits(codes, axis=1))


def _prefixed(prefix: bytes, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.void]:
    whole = np.empty((len(rows), len(prefix) + rows.shape[1]), dtype=np.uint8)
    whole[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    whole[:, len(prefix) :] = rows
    return whole.view(f"V{whole.shape[1]}")[:, 0]


def binary_rows(columns: Sequence[Column]) -> bytes:
    """Rows in COPY's binary format: a count of fields, then each with its length.

    Args:
        columns: in the order of the statement; at least one has the rows' own values.
    """
    sizes = [len(each) if isinstance(each, bytes) else each.itemsize for each in columns]
    layout = [("count", ">i2")]
    for place, size in enumerate(sizes):
        layout += [(f"length{place}", ">i4"), (f"field{place}", f"V{size}")]
    count = next(len(each) for each in columns if not isinstance(each, bytes))
    rows = np.zeros(count, dtype=layout)
    rows["count"] = len(columns)
    for place, (column, size) in enumerate(zip(columns, sizes, strict=True)):
        rows[f"length{place}"] = size
        rows[f"field{place}"] = np.void(column) if isinstance(column, bytes) else column
    return rows.tobytes()
