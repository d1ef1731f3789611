"""What search reads, written: the rows of one video, in the caller's transaction.

A handful of statements whatever the video's length: rows travel as one JSON document per table, and
vectors as text arrays in chunks. (COPY would be the obvious way, but Postgres refuses COPY into a
table with row-level security.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, TextClause, text

from common import coding
from common.domain import IndexRows, SceneRow, Segment, Tag, TextLine

#: A chunk of 1152-number vectors is about 3 MB of text.
_VECTORS_PER_STATEMENT: Final = 256
#: A half-precision number has 11 significant bits; unit vectors need no more decimals than this.
_DECIMALS: Final = 7

_DELETE = text(
    "DELETE FROM scenes WHERE user_id = :user_id AND video_id = :video_id"
    " AND index_version = :index_version"
)
_SCENES = text("""
    INSERT INTO scenes (user_id, id, video_id, index_version, ordinal, start_ms, end_ms, transcript,
                        languages, screen_text, tags, best_frame_ms, transcript_length,
                        screen_length)
    SELECT :user_id, id, :video_id, :index_version, ordinal, start_ms, end_ms, transcript,
           languages, screen_text, tags, best_frame_ms, transcript_length, screen_length
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        id uuid, ordinal integer, start_ms bigint, end_ms bigint, transcript jsonb,
        languages text[], screen_text jsonb, tags jsonb, best_frame_ms bigint,
        transcript_length integer, screen_length integer)
""")
_TERMS = text("""
    INSERT INTO scene_terms (user_id, index_version, source, term, scene_id, weight)
    SELECT :user_id, :index_version, source, term, scene_id, weight
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
        source text, term text, scene_id uuid, weight real)
""")
_TAGS = text("""
    INSERT INTO scene_tags (user_id, index_version, tag, scene_id, score)
    SELECT :user_id, :index_version, tag, scene_id, score
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (tag text, scene_id uuid, score real)
""")
_TEXT_VECTORS = text("""
    INSERT INTO text_vectors (user_id, index_version, scene_id, vector)
    SELECT :user_id, :index_version, scene_id, CAST(vector AS halfvec(1024))
    FROM unnest(CAST(:scene_ids AS uuid[]), CAST(:vectors AS text[])) AS r (scene_id, vector)
""")
_FRAME_VECTORS = text("""
    INSERT INTO frame_vectors (user_id, index_version, scene_id, time_ms, vector)
    SELECT :user_id, :index_version, scene_id, time_ms, CAST(vector AS halfvec(1152))
    FROM unnest(CAST(:scene_ids AS uuid[]), CAST(:times_ms AS bigint[]), CAST(:vectors AS text[]))
         AS r (scene_id, time_ms, vector)
""")
_TEXT_CODES = text("""
    INSERT INTO text_codes (user_id, index_version, scene_id, code)
    SELECT :user_id, :index_version, scene_id, CAST(code AS bit(1024))
    FROM unnest(CAST(:scene_ids AS uuid[]), CAST(:codes AS text[])) AS r (scene_id, code)
""")
_FRAME_CODES = text("""
    INSERT INTO frame_codes (user_id, index_version, scene_id, time_ms, code)
    SELECT :user_id, :index_version, scene_id, time_ms, CAST(code AS bit(1152))
    FROM unnest(CAST(:scene_ids AS uuid[]), CAST(:times_ms AS bigint[]), CAST(:codes AS text[]))
         AS r (scene_id, time_ms, code)
""")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Vector:
    scene_id: UUID
    #: 0 for a scene's text.
    time_ms: int
    vector: npt.NDArray[np.float32]


def replace_video(tx: Connection, *, user_id: UUID, video_id: UUID, rows: IndexRows) -> None:
    """Make the rows of one video searchable, in place of what its index version held before.

    Rows of other index versions stay: a new version is built beside the old one. Running it again
    with the same rows changes nothing. Nothing is visible until the caller commits.

    Args:
        tx: a transaction of this tenant (`Database.tenant`) as a role that may write.
        user_id: the tenant.
        video_id: an existing video of the tenant.
        rows: the scenes, with distinct ordinals.
    """
    owner = {"user_id": user_id, "index_version": rows.index_version}
    tx.execute(_DELETE, {**owner, "video_id": video_id})
    scenes = [_scene(row) for row in rows.scenes]
    _insert(tx, _SCENES, {**owner, "video_id": video_id}, scenes)
    _insert(tx, _TERMS, owner, [term for row in rows.scenes for term in _terms(row)])
    _insert(tx, _TAGS, owner, [tag for row in rows.scenes for tag in _tags(row)])
    for chunk in _chunks(_text_vectors(rows.scenes)):
        keys = {**owner, "scene_ids": [row.scene_id for row in chunk]}
        tx.execute(_TEXT_VECTORS, {**keys, "vectors": _halfvecs(chunk)})
        tx.execute(_TEXT_CODES, {**keys, "codes": _codes(chunk, rows.text_model)})
    for chunk in _chunks(_frame_vectors(rows.scenes)):
        keys = {
            **owner,
            "scene_ids": [row.scene_id for row in chunk],
            "times_ms": [row.time_ms for row in chunk],
        }
        tx.execute(_FRAME_VECTORS, {**keys, "vectors": _halfvecs(chunk)})
        tx.execute(_FRAME_CODES, {**keys, "codes": _codes(chunk, rows.image_model)})


def halfvec(vector: npt.NDArray[np.float32]) -> str:
    """A vector as pgvector reads it, with as many digits as half precision can keep."""
    return json.dumps(np.round(vector.astype(np.float64), _DECIMALS).tolist())


def _insert(
    tx: Connection, statement: TextClause, owner: dict[str, object], rows: Sequence[object]
) -> None:
    if rows:
        tx.execute(statement, {**owner, "rows": json.dumps(rows, ensure_ascii=False)})


def _chunks(vectors: Iterator[_Vector]) -> Iterator[list[_Vector]]:
    while chunk := list(islice(vectors, _VECTORS_PER_STATEMENT)):
        yield chunk


def _halfvecs(chunk: Sequence[_Vector]) -> list[str]:
    return [halfvec(row.vector) for row in chunk]


def _codes(chunk: Sequence[_Vector], model: str) -> list[str]:
    return coding.of_model(model).codes(np.stack([row.vector for row in chunk]))


def _scene(row: SceneRow) -> dict[str, object]:
    return {
        "id": str(row.scene_id),
        "ordinal": row.ordinal,
        "start_ms": row.start_ms,
        "end_ms": row.end_ms,
        "transcript": [_segment(segment) for segment in row.transcript],
        "languages": list(row.languages),
        "screen_text": [_line(line) for line in row.screen_text],
        "tags": [_tag(tag) for tag in row.tags],
        "best_frame_ms": row.best_frame_ms,
        "transcript_length": _length(row, "transcript"),
        "screen_length": _length(row, "screen"),
    }


def _segment(segment: Segment) -> dict[str, object]:
    return {
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "text": _storable(segment.text),
        "language": segment.language,
        "words": [[word.start_ms, word.end_ms, _storable(word.text)] for word in segment.words],
    }


def _line(line: TextLine) -> dict[str, object]:
    return {
        "time_ms": line.time_ms,
        "text": _storable(line.text),
        "box": [round(side, 4) for side in line.box],
        "confidence": line.confidence,
    }


def _tag(tag: Tag) -> dict[str, object]:
    return {"tag": tag.tag, "score": round(tag.score, 4)}


def _terms(row: SceneRow) -> Iterator[dict[str, object]]:
    for term in row.terms:
        yield {
            "source": term.source,
            "term": _storable(term.term),
            "scene_id": str(row.scene_id),
            "weight": term.weight,
        }


def _tags(row: SceneRow) -> Iterator[dict[str, object]]:
    for tag in row.tags:
        yield {"tag": tag.tag, "scene_id": str(row.scene_id), "score": tag.score}


def _text_vectors(scenes: Sequence[SceneRow]) -> Iterator[_Vector]:
    for row in scenes:
        if row.text_vector is not None:
            yield _Vector(scene_id=row.scene_id, time_ms=0, vector=row.text_vector)


def _frame_vectors(scenes: Sequence[SceneRow]) -> Iterator[_Vector]:
    for row in scenes:
        for time_ms, vector in zip(row.frame_times_ms, row.frame_vectors, strict=True):
            yield _Vector(scene_id=row.scene_id, time_ms=time_ms, vector=vector)


def _length(row: SceneRow, source: str) -> int:
    return round(sum(term.weight for term in row.terms if term.source == source))


def _storable(value: str) -> str:
    """Text as Postgres can hold it: without NUL, and without halves of surrogate pairs."""
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
