"""The pipeline's thirteen stages as stubs: same names, lanes and needs, done in no time.

What a stage gives depends on the upload alone, so that the result of a run with faults can be
compared with the result of one without.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
import requests
from sqlalchemy import Connection

from common import search_index
from common.artifacts import sidecar_key
from common.domain import (
    IndexRows,
    Media,
    Photo,
    PhotoFace,
    Probe,
    SceneRow,
    Term,
    VideoStream,
)
from common.errors import TransientError
from common.index_version import scene_id
from common.ledger.endings import Indexed
from common.people import enrolment
from gpu_jobs.stage import Export, PhotoFacts, Pipeline, Stage, VideoFacts

#: What a stage does before its work: nothing, or something bad. Set in the child alone.
behaviour: dict[str, str] = {}
#: Where the harness lets whoever knocks wait until something has happened. Set in the child alone.
doors: dict[str, str] = {}
_PATIENCE_S: Final = 20.0
#: Said in every scene, so that search has something to find.
WORD: Final = "potato"
SCENES: Final = 2
#: What is sent for a photo.
PHOTO: Final = "a photo".ljust(100, ".")
_SCRATCH_BYTES: Final = 256 * 1024
#: More than any limit that a test sets.
_GREEDY_BYTES: Final = 4 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Text:
    """What most stubs give: a text that tells what went into it."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass over the file gives three artifacts."""

    audio_extract: Text
    scene_detect: Text
    vision_sample_frames: Text


@dataclass(frozen=True, kw_only=True)
class Built:
    """The sidecars' content, a text per scene."""

    scenes: tuple[str, ...]


def hostile(stage: str) -> str:
    """A file that begins so makes a stage ask for more memory than the sandbox gives."""
    return f"!memory {stage} "


def misbehave(stage: str) -> None:
    """Do what the test asks of this stage."""
    match behaviour.get(stage):
        case "memory":
            bytearray(_GREEDY_BYTES)
        case "scratch":
            _overfill_disk()
        case "raise":
            raise RuntimeError(f"{stage} has a bug")
        case "transient":
            raise TransientError(detail=stage)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)
        case "knock":
            requests.post(f"{doors['harness']}meanwhile", data=b"", timeout=_PATIENCE_S)
        case "slow":
            time.sleep(0.8)


def _overfill_disk() -> None:
    """Write more than the system lets a file have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SCRATCH_BYTES // 2, hard))
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(_SCRATCH_BYTES))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _made(stage: str, **inputs: Text) -> Text:
    misbehave(stage)
    parts = "".join(f"{name}:{value.text};" for name, value in sorted(inputs.items()))
    return Text(text=f"{stage} {hashlib.sha256(parts.encode()).hexdigest()}")


def upload_validate(media: Media) -> Probe:
    """The container, as far as a stub cares."""
    misbehave("upload_validate")
    stream = VideoStream(
        codec="h264", width_px=16, height_px=16, rotation_deg=0, frames_per_second=25.0
    )
    return Probe(
        container="mp4", duration_ms=media.size_bytes, video=stream, audio=None, subtitles=()
    )


def decode_pass(media: Media, *, upload_validate: Probe, progress: Callable[[float], None]) -> Pass:
    """Three artifacts of the file's bytes."""
    data = media.path.read_bytes()
    for stage in ("audio_extract", "scene_detect", "vision_sample_frames"):
        misbehave(stage)
        if data.startswith(hostile(stage).encode()):
            bytearray(_GREEDY_BYTES)
    progress(0.5)
    content = hashlib.sha256(data).hexdigest()
    told = f"{upload_validate.duration_ms} {content}"
    return Pass(
        audio_extract=Text(text=f"audio of {told}"),
        scene_detect=Text(text=f"scenes of {told}"),
        vision_sample_frames=Text(text=f"frames of {told}"),
    )


def asr_transcribe(*, audio_extract: Text) -> Text:
    """Speech."""
    return _made("asr_transcribe", audio_extract=audio_extract)


def align_merge(*, asr_transcribe: Text, scene_detect: Text) -> Text:
    """Speech by scene."""
    return _made("align_merge", asr_transcribe=asr_transcribe, scene_detect=scene_detect)


def embed_text(*, align_merge: Text) -> Text:
    """Meaning."""
    return _made("embed_text", align_merge=align_merge)


def vision_embed_frames(*, vision_sample_frames: Text) -> Text:
    """Looks."""
    return _made("vision_embed_frames", vision_sample_frames=vision_sample_frames)


def vision_tags(*, vision_embed_frames: Text, models: Any) -> Text:
    """Tags."""
    return _made("vision_tags", vision_embed_frames=vision_embed_frames)


def text_read(*, vision_sample_frames: Text) -> Text:
    """Writing."""
    return _made("text_read", vision_sample_frames=vision_sample_frames)


def faces_detect(*, vision_sample_frames: Text) -> Text:
    """Faces."""
    return _made("faces_detect", vision_sample_frames=vision_sample_frames)


def sidecar_build(
    *, embed_text: Text, vision_tags: Text, text_read: Text, faces_detect: Text
) -> Built:
    """All of it, by scene."""
    made = _made(
        "sidecar_build",
        embed_text=embed_text,
        vision_tags=vision_tags,
        text_read=text_read,
        faces_detect=faces_detect,
    )
    return Built(scenes=tuple(f"{ordinal} {made.text}" for ordinal in range(SCENES)))


def commit(*, sidecar_build: Built, video: VideoFacts) -> IndexRows:
    """Rows for search."""
    misbehave("commit")
    return IndexRows(
        index_version=video.index_version,
        duration_ms=SCENES * 1000,
        text_model="stub-text",
        image_model="stub-image",
        scenes=tuple(_scene(video, each, text) for each, text in enumerate(sidecar_build.scenes)),
    )


def photo_normalise(media: Media) -> Photo:
    """The photo, as small as it can be."""
    misbehave("photo_normalise")
    return Photo(jpeg=media.path.read_bytes(), width_px=16, height_px=16)


def photo_embed(*, photo_normalise: Photo, consent: bool) -> PhotoFace:
    """The one face in it, if anybody agrees to it being looked for."""
    misbehave("photo_embed")
    assert consent
    seed = int.from_bytes(hashlib.sha256(photo_normalise.jpeg).digest()[:8])
    return PhotoFace(
        problem="", box=(0.1, 0.1, 0.5, 0.5), quality=0.9, vector=looks(seed), model="sface"
    )


def looks(seed: int) -> Any:
    """What somebody looks like, as SFace has it: 128 numbers, padded."""
    return np.pad(_unit(np.random.default_rng(seed), 128), (0, 384))


def _enrol(photo: PhotoFacts, face: PhotoFace, tx: Connection) -> None:
    enrolment.apply(tx, photo.user_id, photo.person_id, photo.photo_id, face)


def _scene(video: VideoFacts, ordinal: int, text: str) -> SceneRow:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    vectors = np.random.default_rng(seed)
    return SceneRow(
        scene_id=scene_id(video.video_id, video.generation, video.index_version, ordinal),
        ordinal=ordinal,
        start_ms=ordinal * 1000,
        end_ms=ordinal * 1000 + 1000,
        transcript=(),
        languages=("en",),
        screen_text=(),
        tags=(),
        terms=(
            Term(source="transcript", term=WORD, weight=1.0),
            Term(source="transcript", term=text.split()[-1], weight=1.0),
        ),
        text_vector=_unit(vectors, 1024),
        frame_times_ms=(ordinal * 1000,),
        frame_vectors=_unit(vectors, 1152)[None],
        best_frame_ms=ordinal * 1000,
    )


def _unit(source: np.random.Generator, size: int) -> Any:
    """A direction by chance, of length 1."""
    vector = source.standard_normal(size).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _sidecars(video: VideoFacts, built: Built) -> Iterator[Export]:
    for ordinal, text in enumerate(built.scenes):
        scene = scene_id(video.video_id, video.generation, video.index_version, ordinal)
        yield Export(
            name=sidecar_key(video.user_id, video.video_id, scene),
            data=json.dumps({"ordinal": ordinal, "text": text}).encode(),
            content_type="application/json",
        )


def _searchable(video: VideoFacts, rows: IndexRows, tx: Connection) -> Indexed:
    search_index.replace_video(tx, user_id=video.user_id, video_id=video.video_id, rows=rows)
    return Indexed(
        index_version=rows.index_version,
        scene_count=len(rows.scenes),
        duration_ms=rows.duration_ms,
    )


_MEDIA: Final = (
    Stage(name="upload_validate", lane="media", version=1, run=upload_validate),
    *(
        Stage(name=name, lane="media", version=1, run=decode_pass, part=name)
        for name in ("audio_extract", "scene_detect", "vision_sample_frames")
    ),
)
_GPU: Final = (
    *(
        Stage(name=run.__name__, lane="gpu", version=1, run=run)
        for run in (
            asr_transcribe,
            align_merge,
            embed_text,
            vision_embed_frames,
            vision_tags,
            text_read,
            faces_detect,
        )
    ),
    Stage(name="sidecar_build", lane="gpu", version=1, run=sidecar_build, exports=_sidecars),
    Stage(name="commit", lane="gpu", version=1, run=commit, apply=_searchable),
)
PHOTOS: Final = Pipeline(
    (
        Stage(name="photo_normalise", lane="media", version=1, run=photo_normalise),
        Stage(name="photo_embed", lane="gpu", version=1, run=photo_embed, apply=_enrol),
    )
)
NAMES: Final = tuple(stage.name for stage in (*_MEDIA, *_GPU))


@cache
def _pipeline(versions: tuple[tuple[str, int], ...]) -> Pipeline:
    changed = dict(versions)
    return Pipeline(
        replace(stage, version=changed.get(stage.name, 1)) for stage in (*_MEDIA, *_GPU)
    )


def pipeline(versions: Mapping[str, int]) -> Pipeline:
    """The table, with the versions of some stages raised."""
    return _pipeline(tuple(sorted(versions.items())))
