"""The rows of one video, written."""

from __future__ import annotations

import dataclasses
import json
from uuid import UUID, uuid4

import numpy as np
import pytest

from common.coding import spread_signs
from common.database import Database
from common.domain import IndexRows, SceneRow, Segment, Tag, Term, TextLine, Word
from common.encoders import colour_space
from common.search_index import replace_video
from tests.conftest import TestDatabase

_COUNTS = """
    SELECT (SELECT count(*) FROM scenes), (SELECT count(*) FROM scene_terms),
           (SELECT count(*) FROM scene_tags), (SELECT count(*) FROM text_vectors),
           (SELECT count(*) FROM frame_vectors), (SELECT count(*) FROM text_codes),
           (SELECT count(*) FROM frame_codes)
"""


def _unit(seed: int, width: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.random.default_rng(seed).standard_normal(width)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _row(ordinal: int, *, text_vector: bool = True, frames: int = 3) -> SceneRow:
    start_ms = ordinal * 1000
    words = (Word(start_ms=start_ms, end_ms=start_ms + 200, text="기차가"),)
    return SceneRow(
        scene_id=uuid4(),
        ordinal=ordinal,
        start_ms=start_ms,
        end_ms=start_ms + 1000,
        transcript=(
            Segment(
                start_ms=start_ms, end_ms=start_ms + 900, text="기차가", language="ko", words=words
            ),
        ),
        languages=("ko", "en"),
        screen_text=(
            TextLine(
                scene_ordinal=ordinal,
                time_ms=start_ms,
                text='EXIT "3"\0 \\',
                box=(0.1, 0.2, 0.3, 0.4),
                confidence=0.9,
            ),
        ),
        tags=(Tag(ordinal=ordinal, tag="night", score=0.75),),
        terms=(
            Term(source="transcript", term="기차", weight=1.0),
            Term(source="transcript", term="차가", weight=1.0),
            Term(source="screen", term="exit", weight=1.0),
        ),
        text_vector=_unit(ordinal, 1024) if text_vector else None,
        frame_times_ms=tuple(start_ms + 10 * i for i in range(frames)),
        frame_vectors=np.stack([_unit(100 + i, 1152) for i in range(frames)]),
        best_frame_ms=start_ms,
    )


def _rows(*scenes: SceneRow, version: str = "v1") -> IndexRows:
    return IndexRows(
        index_version=version, duration_ms=60_000, text_model="t", image_model="i", scenes=scenes
    )


@pytest.fixture
def video_id(database: TestDatabase, user_id: UUID) -> UUID:
    """A video of the user."""
    video = uuid4()
    database.owner_rows(
        "INSERT INTO videos (user_id, id, title) VALUES (:user, :video, 't')",
        user=user_id,
        video=video,
    )
    return video


def _replace(worker: Database, user_id: UUID, video_id: UUID, rows: IndexRows) -> None:
    with worker.tenant(user_id, effect="test.commit") as tx:
        replace_video(tx, user_id=user_id, video_id=video_id, rows=rows)


def test_every_table_gets_its_rows(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """Scenes, terms, tags and vectors arrive as given; a missing text vector leaves no row."""
    first, second = _row(0), _row(1, text_vector=False, frames=2)
    _replace(worker_database, user_id, video_id, _rows(first, second))
    assert database.owner_rows(_COUNTS) == [(2, 6, 2, 1, 5, 1, 5)]
    (stored,) = database.owner_rows(
        "SELECT transcript, languages, screen_text, tags, transcript_length, screen_length"
        " FROM scenes WHERE ordinal = 0"
    )
    assert stored._mapping["transcript"] == [
        {
            "start_ms": 0,
            "end_ms": 900,
            "text": "기차가",
            "language": "ko",
            "words": [[0, 200, "기차가"]],
        }
    ]
    assert stored._mapping["languages"] == ["ko", "en"]
    assert stored._mapping["screen_text"] == [
        {"time_ms": 0, "text": 'EXIT "3" \\', "box": [0.1, 0.2, 0.3, 0.4], "confidence": 0.9}
    ]
    assert stored._mapping["tags"] == [{"tag": "night", "score": 0.75}]
    assert (stored._mapping["transcript_length"], stored._mapping["screen_length"]) == (2, 1)


def test_vectors_are_stored_to_half_precision(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """What is stored is exactly the nearest half-precision number of each component."""
    row = _row(0)
    _replace(worker_database, user_id, video_id, _rows(row))
    (text,) = database.owner_rows("SELECT CAST(vector AS text) FROM text_vectors")
    frames = database.owner_rows("SELECT CAST(vector AS text) FROM frame_vectors ORDER BY time_ms")
    assert row.text_vector is not None
    expected = [row.text_vector, *row.frame_vectors]
    for (stored,), vector in zip([text, *frames], expected, strict=True):
        error = np.array(json.loads(str(stored))) - vector
        assert np.abs(error).max() <= np.abs(vector).max() * 2.0**-11


def test_codes_are_those_of_the_models(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """Each vector's code stands beside it, by the coding of the model that made it."""
    row = _row(0)
    rows = dataclasses.replace(_rows(row), image_model="colour-and-light")
    _replace(worker_database, user_id, video_id, rows)
    assert row.text_vector is not None
    (text,) = database.owner_rows("SELECT code FROM text_codes")
    frames = database.owner_rows("SELECT code FROM frame_codes ORDER BY time_ms")
    expected = [
        spread_signs(row.text_vector[None])[0],
        *colour_space.level_bits(row.frame_vectors),
    ]
    for (stored,), bits in zip([text, *frames], expected, strict=True):
        assert str(stored) == "".join("01"[int(bit)] for bit in bits)


def test_writing_twice_changes_nothing(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """A stage that runs again leaves one set of rows."""
    rows = _rows(_row(0), _row(1))
    _replace(worker_database, user_id, video_id, rows)
    before = database.owner_rows(_COUNTS)
    _replace(worker_database, user_id, video_id, rows)
    assert database.owner_rows(_COUNTS) == before


def test_earlier_rows_of_the_video_go(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """A new generation replaces all scenes of the old one; another index version stays."""
    _replace(worker_database, user_id, video_id, _rows(_row(0), _row(1), _row(2)))
    _replace(worker_database, user_id, video_id, _rows(_row(0), version="v2"))
    new = _row(0)
    _replace(worker_database, user_id, video_id, _rows(new))
    stored = database.owner_rows("SELECT id FROM scenes WHERE index_version = 'v1'")
    assert [row[0] for row in stored] == [new.scene_id]
    assert database.owner_rows(_COUNTS) == [(2, 6, 2, 2, 6, 2, 6)]


def test_a_video_without_scenes_is_emptied(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """No rows is a valid index."""
    _replace(worker_database, user_id, video_id, _rows(_row(0)))
    _replace(worker_database, user_id, video_id, _rows())
    assert database.owner_rows(_COUNTS) == [(0, 0, 0, 0, 0, 0, 0)]


def test_nothing_is_visible_before_the_commit(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """An error in the caller's transaction leaves the old rows."""
    _replace(worker_database, user_id, video_id, _rows(_row(0)))
    bad = dataclasses.replace(_row(1), end_ms=0)
    with pytest.raises(Exception, match="check constraint"):
        _replace(worker_database, user_id, video_id, _rows(_row(0), bad))
    assert database.owner_rows(_COUNTS) == [(1, 3, 1, 1, 3, 1, 3)]


def test_many_frames_go_in_chunks(
    database: TestDatabase, worker_database: Database, user_id: UUID, video_id: UUID
) -> None:
    """A video with more vectors than one statement takes is stored whole."""
    _replace(worker_database, user_id, video_id, _rows(*(_row(i, frames=4) for i in range(70))))
    assert database.owner_rows(_COUNTS) == [(70, 210, 70, 70, 280, 70, 280)]
