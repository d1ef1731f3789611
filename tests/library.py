"""A small library of videos for search tests: real models, drawn pictures, real rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from common.database import Database
from common.domain import IndexRows, SceneRow, Segment, Tag, Term, TextLine, Word
from common.encoders import QueryEncoders, colour_space, minilm, scripts
from common.encoders.colour import ColourSpace
from common.encoders.colour_space import AXES, calibrate_presence, read_presence
from common.encoders.tags import TAGS
from common.lexical import terms
from common.search_index import replace_video
from tests.conftest import TestDatabase

VERSION = "offline-test"
_SCENE_MS = 10_000

Picture = npt.NDArray[np.uint8]


def plain(red: int, green: int, blue: int) -> Picture:
    """A picture of one colour, with a little noise so that it is no flat card."""
    noise = np.random.default_rng(red + green + blue).integers(-6, 7, (72, 128, 3))
    return np.clip(np.array([red, green, blue]) + noise, 0, 255).astype(np.uint8)


def red_car_at_night() -> Picture:
    """Dark, with a red body, two lights and a dark road."""
    picture = plain(8, 8, 20)
    picture[52:, :] = (16, 16, 18)
    picture[36:58, 34:94] = (205, 18, 22)
    picture[44:48, 90:94] = (255, 240, 190)
    return picture


def green_field_at_noon() -> Picture:
    """Bright sky over grass."""
    picture = plain(60, 170, 50)
    picture[:26] = (150, 205, 255)
    return picture


GREY = plain(128, 128, 128)


@dataclass(frozen=True, kw_only=True)
class SceneSpec:
    """What happens in one scene."""

    said: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = (GREY,)


@dataclass(frozen=True, kw_only=True)
class VideoSpec:
    """A video and its scenes of ten seconds each."""

    title: str
    scenes: tuple[SceneSpec, ...]
    video_id: UUID = field(default_factory=uuid4)


def store(
    database: TestDatabase,
    worker: Database,
    models: QueryEncoders,
    user_id: UUID,
    videos: Sequence[VideoSpec],
    *,
    version: str = VERSION,
) -> dict[str, list[UUID]]:
    """Index videos as the pipeline would.

    Returns:
        Ids of the scenes by the title of the video, in order.
    """
    ids: dict[str, list[UUID]] = {}
    for video in videos:
        database.owner_rows(
            "INSERT INTO videos (user_id, id, title, state, scene_count, index_version, indexed_at,"
            " duration_ms)"
            " VALUES (:user_id, :id, :title, 'indexed', :scenes, :version, clock_timestamp(),"
            " :duration_ms)"
            " ON CONFLICT DO NOTHING",
            user_id=user_id,
            id=video.video_id,
            title=video.title,
            scenes=len(video.scenes),
            version=version,
            duration_ms=len(video.scenes) * _SCENE_MS,
        )
        rows = [scene_row(models, ordinal, spec) for ordinal, spec in enumerate(video.scenes)]
        index = index_rows(version, rows)
        with worker.tenant(user_id, effect="test.store") as tx:
            replace_video(tx, user_id=user_id, video_id=video.video_id, rows=index)
        ids[video.title] = [row.scene_id for row in rows]
    return ids


def index_rows(version: str, scenes: Sequence[SceneRow]) -> IndexRows:
    """Scenes of one video as rows of an index."""
    return IndexRows(
        index_version=version,
        duration_ms=600_000,
        text_model=minilm.NAME,
        image_model=colour_space.NAME,
        scenes=tuple(scenes),
    )


def scene_row(models: QueryEncoders, ordinal: int, spec: SceneSpec) -> SceneRow:
    """One scene as `commit` makes it."""
    start_ms = ordinal * _SCENE_MS
    segments = [_segment(start_ms + 1_000 * i, line) for i, line in enumerate(spec.said)]
    latin = " ".join(line for line in spec.said if not models.text.abstains(line))
    frames = ColourSpace().encode_pictures(spec.pictures)
    times_ms = tuple(start_ms + 2_000 * i + 500 for i in range(len(spec.pictures)))
    return SceneRow(
        scene_id=uuid4(),
        ordinal=ordinal,
        start_ms=start_ms,
        end_ms=start_ms + _SCENE_MS,
        transcript=tuple(segments),
        languages=tuple(dict.fromkeys(segment.language for segment in segments)),
        screen_text=tuple(_line(ordinal, times_ms[0], text) for text in spec.shown),
        tags=tuple(_tags(ordinal, frames)),
        terms=(*_term_rows("transcript", spec.said), *_term_rows("screen", spec.shown)),
        text_vector=models.text.encode([latin])[0] if latin else None,
        frame_times_ms=times_ms,
        frame_vectors=frames,
        best_frame_ms=times_ms[0],
    )


def _segment(start_ms: int, line: str) -> Segment:
    words = line.split()
    return Segment(
        start_ms=start_ms,
        end_ms=start_ms + 1_000,
        text=line,
        language=scripts.language(line),
        words=tuple(
            Word(start_ms=start_ms + 100 * i, end_ms=start_ms + 100 * i + 100, text=word)
            for i, word in enumerate(words)
        ),
    )


def _line(ordinal: int, time_ms: int, text: str) -> TextLine:
    return TextLine(
        scene_ordinal=ordinal, time_ms=time_ms, text=text, box=(0.1, 0.1, 0.5, 0.1), confidence=0.95
    )


def _term_rows(source: str, lines: Sequence[str]) -> list[Term]:
    counts = Counter(term for line in lines for term in terms(line))
    return [
        Term(source="screen" if source == "screen" else "transcript", term=term, weight=float(n))
        for term, n in counts.items()
    ]


def _tags(ordinal: int, frames: npt.NDArray[np.float32]) -> list[Tag]:
    presences = read_presence(frames).max(axis=0)
    scores = {a: calibrate_presence(float(p)) for a, p in zip(AXES, presences, strict=True)}
    return [
        Tag(ordinal=ordinal, tag=axis, score=score)
        for axis, score in scores.items()
        if axis in TAGS and score >= 0.6
    ]
