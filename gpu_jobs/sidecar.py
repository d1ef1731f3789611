"""The sidecar: the immutable JSON of one scene, for whoever wants the index without the database.

Its form is fixed by `docs/sidecar.schema.json`. Times are integer milliseconds of the video, spans
half-open; boxes are fractions of the picture; vectors are base64 of little-endian 16-bit floats,
as they are searched. Equal scenes give equal bytes. It never holds a name of a person, nor what
would tell one from another: whoever withdraws consent leaves nothing in it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from common.domain import FaceObservation, Frame, Segment, TextLine
from gpu_jobs.scene_parts import SceneParts

#: Of the form; a reader refuses one it does not know.
VERSION: Final = 2
#: A scene lasts seconds: more than this is a flood of subtitles.
MAX_BYTES: Final = 50 * 1024
_ENCODING: Final = "base64-float16-le"

Json = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which scene of which upload in which index."""

    video_id: UUID
    scene_id: UUID
    #: Cloud Storage generation of the video object.
    generation: int
    index_version: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made the parts, and why some are empty."""

    transcript: str
    transcript_note: str
    text: str
    text_dimensions: int
    image: str
    image_dimensions: int
    tags: str
    screen_text: str
    faces: str
    faces_note: str


def encode(identity: Identity, parts: SceneParts, made_by: Provenance) -> bytes:
    """The canonical JSON, UTF-8: sorted keys, no spaces.

    A flood of subtitles that would make it longer than `MAX_BYTES` is cut: first the words' times
    are left out, then the last segments, and `truncated` is set.
    """
    segments = parts.transcript.segments
    data = _canonical(_document(identity, parts, made_by, segments, truncated=False))
    while len(data) > MAX_BYTES:
        data = _canonical(_document(identity, parts, made_by, segments, truncated=True))
        if not segments:
            break
        segments = segments[: len(segments) // 2]
    return data


def _canonical(document: Json) -> bytes:
    text = json.dumps(
        document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    # Lone surrogates, which hostile subtitles may hold, have no UTF-8.
    return text.encode("utf-8", errors="replace")


def _document(
    identity: Identity,
    parts: SceneParts,
    made_by: Provenance,
    segments: Sequence[Segment],
    *,
    truncated: bool,
) -> Json:
    return {
        "version": VERSION,
        "video_id": str(identity.video_id),
        "scene_id": str(identity.scene_id),
        "generation": identity.generation,
        "index_version": identity.index_version,
        "ordinal": parts.scene.ordinal,
        "start_ms": parts.scene.start_ms,
        "end_ms": parts.scene.end_ms,
        "truncated": truncated,
        "transcript": {
            "source": made_by.transcript,
            "note": made_by.transcript_note,
            "languages": list(parts.transcript.languages),
            "segments": [_segment(segment, words=not truncated) for segment in segments],
        },
        "embeddings": _embeddings(parts, made_by),
        "vision_tags": {
            "model": made_by.tags,
            "tags": [{"tag": each.tag, "score": _rounded(each.score)} for each in parts.tags],
        },
        "on_screen_text": {
            "model": made_by.screen_text,
            "lines": [_line(line) for line in parts.screen_text],
        },
        "faces": {
            "model": made_by.faces,
            "note": made_by.faces_note,
            "observations": [_face(face) for face in parts.faces],
        },
        "frames": [_frame(frame) for frame in parts.frames],
    }


def _segment(segment: Segment, *, words: bool) -> Json:
    return {
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "language": segment.language,
        "text": segment.text,
        "confidence": _rounded(segment.confidence),
        "words": [
            {
                "start_ms": word.start_ms,
                "end_ms": word.end_ms,
                "text": word.text,
                "confidence": _rounded(word.confidence),
            }
            for word in segment.words
            if words
        ],
    }


def _embeddings(parts: SceneParts, made_by: Provenance) -> Json:
    spoken = parts.text_vector
    return {
        "text": {
            "model": made_by.text,
            "dimensions": made_by.text_dimensions,
            "encoding": _ENCODING,
            "vector": None if spoken is None else _vector(spoken),
        },
        "frames": {
            "model": made_by.image,
            "dimensions": made_by.image_dimensions,
            "encoding": _ENCODING,
            "vectors": [
                {"time_ms": frame.time_ms, "vector": _vector(vector)}
                for frame, vector in zip(parts.embedded, parts.frame_vectors, strict=True)
            ],
        },
    }


def _line(line: TextLine) -> Json:
    return {
        "time_ms": line.time_ms,
        "text": line.text,
        "box": [_rounded(side) for side in line.box],
        "confidence": _rounded(line.confidence),
    }


def _face(face: FaceObservation) -> Json:
    return {
        "time_ms": face.time_ms,
        "box": [_rounded(side) for side in face.box],
        "quality": _rounded(face.quality),
    }


def _frame(frame: Frame) -> Json:
    return {
        "time_ms": frame.time_ms,
        "width_px": frame.width_px,
        "height_px": frame.height_px,
        "sharpness": round(frame.sharpness, 2),
    }


def _vector(vector: npt.NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f2").tobytes()).decode("ascii")


def _rounded(value: float) -> float:
    return round(value, 4)
