"""Bare rows with random vectors and their codes, for tests of retrieval."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np

from common import coding
from common.coding import Floats
from common.search_index import halfvec
from functions.search.model import LEGS, Leg, Scope
from functions.search.retrieval import Asked
from tests.conftest import TestDatabase

#: Of no space with a coding of its own.
MODEL: Final = "random"


def unit_vector(seed: int, width: int) -> Floats:
    """A random direction."""
    vector = np.random.default_rng(seed).standard_normal(width)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def asked_of(
    *,
    people: tuple[UUID, ...] = (),
    scope: Scope | None = None,
    widths: Mapping[Leg, int] | None = None,
) -> Asked:
    """A question to every leg; the vectors are seeds 1 and 2."""
    return Asked(
        legs=LEGS,
        text_vector=halfvec(unit_vector(1, 1024)),
        frame_vector=halfvec(unit_vector(2, 1152)),
        widths=widths or {},
        text_code=_codes([unit_vector(1, 1024)])[0],
        frame_code=_codes([unit_vector(2, 1152)])[0],
        terms=(("train", 0.5), ("기차", 0.3), ("exit", 0.2)),
        tags=(("red", 0.5), ("night", 0.5)),
        people=people,
        scope=scope or Scope(),
        allowed=None,
    )


def fill(
    database: TestDatabase,
    user_id: UUID,
    *,
    scenes: int,
    with_text: int,
    with_frames: int,
    first: int = 0,
) -> None:
    """Scenes with random vectors: frames on the first ones, two each, and so with text."""
    video = uuid4()
    database.owner_rows(
        "INSERT INTO videos (user_id, id, title, scene_count) VALUES (:user, :id, 'v', :n)",
        user=user_id,
        id=video,
        n=scenes,
    )
    ids = [UUID(int=user_id.int ^ (first + n)) for n in range(scenes)]
    rows = [{"id": str(scene), "ordinal": n} for n, scene in enumerate(ids)]
    database.owner_rows(
        "INSERT INTO scenes (user_id, id, video_id, index_version, ordinal, start_ms, end_ms,"
        " transcript, languages, screen_text, tags, best_frame_ms, transcript_length,"
        " screen_length) SELECT :user, id, :video, 'v', ordinal, ordinal, ordinal + 1, '[]', '{}',"
        " '[]', '[]', 0, 0, 0 FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
        " AS r (id uuid, ordinal int)",
        user=user_id,
        video=video,
        rows=json.dumps(rows),
    )
    database.owner_rows(
        "INSERT INTO text_vectors SELECT :user, 'v', id, CAST(vector AS halfvec)"
        " FROM unnest(CAST(:ids AS uuid[]), CAST(:vectors AS text[])) AS r (id, vector)",
        user=user_id,
        ids=ids[:with_text],
        vectors=[halfvec(unit_vector(1_000 + n, 1024)) for n in range(with_text)],
    )
    database.owner_rows(
        "INSERT INTO text_codes SELECT :user, 'v', id, CAST(code AS bit(1024))"
        " FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[])) AS r (id, code)",
        user=user_id,
        ids=ids[:with_text],
        codes=_codes([unit_vector(1_000 + n, 1024) for n in range(with_text)]),
    )
    for time_ms in (0, 1):
        database.owner_rows(
            "INSERT INTO frame_vectors SELECT :user, 'v', id, :time_ms, CAST(vector AS halfvec)"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:vectors AS text[])) AS r (id, vector)",
            user=user_id,
            time_ms=time_ms,
            ids=ids[:with_frames],
            vectors=[
                halfvec(unit_vector(5_000 + 2 * n + time_ms, 1152)) for n in range(with_frames)
            ],
        )
        database.owner_rows(
            "INSERT INTO frame_codes SELECT :user, 'v', id, :time_ms, CAST(code AS bit(1152))"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[])) AS r (id, code)",
            user=user_id,
            time_ms=time_ms,
            ids=ids[:with_frames],
            codes=_codes([unit_vector(5_000 + 2 * n + time_ms, 1152) for n in range(with_frames)]),
        )


def _codes(vectors: list[Floats]) -> list[str]:
    return coding.of_model(MODEL).codes(np.stack(vectors)) if vectors else []


#: Copied from one tenant to another, or to another index version.
_COPIED: Mapping[str, str] = {
    "videos": "id, title, scene_count",
    "scenes": "id, video_id, index_version, ordinal, start_ms, end_ms, transcript, languages,"
    " screen_text, tags, best_frame_ms, transcript_length, screen_length",
    "scene_terms": "index_version, source, term, scene_id, weight",
    "text_vectors": "index_version, scene_id, vector",
    "text_codes": "index_version, scene_id, code",
    "frame_vectors": "index_version, scene_id, time_ms, vector",
    "frame_codes": "index_version, scene_id, time_ms, code",
}


def crowd(database: TestDatabase, user_id: UUID) -> None:
    """The rows of a tenant for eight others, and all of them for a newer index version."""
    for _ in range(8):
        database.owner_rows(
            "INSERT INTO users (id, firebase_uid) SELECT id, id FROM gen_random_uuid() AS id"
        )
    for table, columns in _COPIED.items():
        database.owner_rows(
            f"INSERT INTO {table} (user_id, {columns}) SELECT other, {columns} FROM {table},"
            " (SELECT id AS other FROM users WHERE id <> :user) AS others",
            user=user_id,
        )
        if columns.startswith("index_version"):
            newer = columns.replace("index_version", "'w'")
            database.owner_rows(
                f"INSERT INTO {table} (user_id, {columns}) SELECT user_id, {newer} FROM {table}"
            )


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan that read a table or an index."""
    if "Relation Name" in plan or "Index Name" in plan:
        yield plan
    for child in plan.get("Plans", ()):
        yield from scans(child)
