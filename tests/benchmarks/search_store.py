"""The benchmark's tables, filled by binary COPY: ours, and the peer's plain vector columns."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from common import coding
from common.encoders import colour_space, minilm
from tests.benchmarks.search_data import FRAMES_PER_SCENE, SCENES_PER_VIDEO, Floats, Tenant

VERSION = "bench"

#: What most projects start with: one fat row per scene, one row per frame, `vector` as it comes
#: (wider than 2 kB, so stored out of line), a b-tree on the tenant, the same row-level security.
PEER = """
    CREATE TABLE peer_scenes (
        user_id uuid NOT NULL, id uuid NOT NULL, transcript text NOT NULL,
        text_vector vector(1024) NOT NULL, PRIMARY KEY (user_id, id));
    CREATE TABLE peer_frames (
        user_id uuid NOT NULL, scene_id uuid NOT NULL, time_ms bigint NOT NULL,
        vector vector(1152) NOT NULL, PRIMARY KEY (user_id, scene_id, time_ms));
    DO $$ DECLARE name text; BEGIN
        FOREACH name IN ARRAY ARRAY['peer_scenes', 'peer_frames'] LOOP
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY tenant ON %I TO heimdex_api '
                           'USING (user_id = app_user_id())', name);
            EXECUTE format('GRANT SELECT ON %I TO heimdex_api', name);
        END LOOP; END $$;
"""
#: An index over all tenants, at pgvector's defaults (m = 16, ef_construction = 64).
HNSW = "CREATE INDEX peer_hnsw ON peer_scenes USING hnsw (text_vector vector_cosine_ops)"
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_TRANSCRIPT = ("the old man opens a wooden boat at the station before sunrise " * 5).encode()


def fill(connection: Any, tenants: Sequence[Tenant]) -> None:
    """Store all tenants in both schemas, video by video in random order.

    Args:
        connection: pg8000's own, a superuser's. Foreign keys are not checked: only the vector
            tables matter here.
        tenants: to store.
    """
    cursor = connection.cursor()
    cursor.execute("SET session_replication_role = replica")
    for batch in _batches(tenants):
        for statement, rows in _copies(batch):
            stream = io.BytesIO(_HEADER + b"".join(rows) + _TRAILER)
            cursor.execute(f"COPY {statement} FROM STDIN WITH (FORMAT binary)", stream=stream)
    connection.commit()


_Block = tuple[Tenant, "npt.NDArray[np.int64]"]


def _batches(tenants: Sequence[Tenant]) -> Iterator[list[_Block]]:
    """Videos of all tenants, shuffled as they would arrive, about 2,000 scenes at a time."""
    blocks: list[_Block] = [
        (tenant, np.arange(first, min(first + SCENES_PER_VIDEO, tenant.scenes)))
        for tenant in tenants
        for first in range(0, tenant.scenes, SCENES_PER_VIDEO)
    ]
    order = np.random.default_rng(3).permutation(len(blocks))
    for start in range(0, len(order), 50):
        yield [blocks[place] for place in order[start : start + 50]]


def _copies(batch: Sequence[_Block]) -> Iterator[tuple[str, list[bytes]]]:
    text = [(tenant.user_id.bytes, _ids(tenant, rows), tenant.text[rows]) for tenant, rows in batch]
    frames = [
        (tenant.user_id.bytes, _ids(tenant, rows), tenant.frames[_frames_of(rows)])
        for tenant, rows in batch
    ]
    version = VERSION.encode()
    yield (
        "text_vectors (user_id, index_version, scene_id, vector)",
        [_rows([user, version, ids], vectors, ">f2") for user, ids, vectors in text],
    )
    yield (
        "text_codes (user_id, index_version, scene_id, code)",
        [_rows([user, version, ids, _codes(vectors, minilm.NAME)]) for user, ids, vectors in text],
    )
    yield (
        "peer_scenes (user_id, transcript, id, text_vector)",
        [_rows([user, _TRANSCRIPT, ids], vectors, ">f4") for user, ids, vectors in text],
    )
    for place in range(FRAMES_PER_SCENE):
        time_ms = (1_000 * place).to_bytes(8, "big")
        chosen = [(user, ids, vectors[place::FRAMES_PER_SCENE]) for user, ids, vectors in frames]
        yield (
            "frame_vectors (user_id, index_version, time_ms, scene_id, vector)",
            [_rows([user, version, time_ms, ids], vectors, ">f2") for user, ids, vectors in chosen],
        )
        yield (
            "frame_codes (user_id, index_version, time_ms, scene_id, code)",
            [
                _rows([user, version, time_ms, ids, _codes(vectors, colour_space.NAME)])
                for user, ids, vectors in chosen
            ],
        )
        yield (
            "peer_frames (user_id, time_ms, scene_id, vector)",
            [_rows([user, time_ms, ids], vectors, ">f4") for user, ids, vectors in chosen],
        )


def _ids(tenant: Tenant, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
    return np.array([tenant.scene_id(int(row)).bytes for row in rows], dtype="V16")


def _frames_of(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.asarray(
        (rows[:, None] * FRAMES_PER_SCENE + np.arange(FRAMES_PER_SCENE)).reshape(-1), np.int64
    )


def _codes(vectors: Floats, model: str) -> npt.NDArray[np.void]:
    """Codes as COPY takes a bit string: how many bits, and the bits."""
    bits = coding.of_model(model).bits(vectors)
    packed = np.packbits(bits, axis=1)
    size = packed.shape[1]
    fields = np.zeros(len(packed), dtype=[("count", ">i4"), ("bits", "u1", (size,))])
    fields["count"] = bits.shape[1]
    fields["bits"] = packed
    return fields.view(f"V{4 + size}").reshape(-1)


def _rows(
    fields: Sequence[bytes | npt.NDArray[np.void]],
    vectors: Floats | None = None,
    number: str = "",
) -> bytes:
    """Rows in COPY's binary format: a count of fields, then each with its length.

    A halfvec or vector is sent as its dimension, an unused 16-bit zero and big-endian numbers.
    """
    layout: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [("count", ">i2")]
    for place, field in enumerate(fields):
        size = len(field) if isinstance(field, bytes) else field.itemsize
        layout += [(f"length{place}", ">i4"), (f"field{place}", f"V{size}")]
    if vectors is not None:
        width = vectors.shape[1]
        layout += [("length", ">i4"), ("width", ">i2"), ("unused", ">i2")]
        layout += [("vector", number, (width,))]
    count = next(len(field) for field in fields if not isinstance(field, bytes))
    rows = np.zeros(count, dtype=layout)
    rows["count"] = len(fields) + (vectors is not None)
    for place, field in enumerate(fields):
        rows[f"length{place}"] = rows.dtype[f"field{place}"].itemsize
        rows[f"field{place}"] = np.void(field) if isinstance(field, bytes) else field
    if vectors is not None:
        rows["length"] = 4 + width * np.dtype(number).itemsize
        rows["width"] = width
        rows["vector"] = vectors
    return rows.tobytes()
