"""Stage `commit`: the rows that make a video searchable.

The runner writes them in the transaction that finishes the run (`common.search_index`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal
from uuid import UUID

from common import lexical
from common.domain import (
    Faces,
    FrameVectors,
    IndexRows,
    SampledFrames,
    SceneRow,
    Scenes,
    SceneTranscripts,
    ScreenText,
    Sidecars,
    Tags,
    Term,
    TextVectors,
)
from gpu_jobs.scene_parts import SceneParts, split
from gpu_jobs.stage import VideoFacts

#: A scene of 12 s has some 50 distinct tokens, so only crafted subtitles come here; they could fill
#: the index otherwise. What weighs least is left out, as it adds least to an inner product.
_MAX_LEARNED: Final = 256


def run(
    *,
    video: VideoFacts,
    scene_detect: Scenes,
    vision_sample_frames: SampledFrames,
    align_merge: SceneTranscripts,
    embed_text: TextVectors,
    vision_embed_frames: FrameVectors,
    vision_tags: Tags,
    text_read: ScreenText,
    faces_detect: Faces,
    consent: bool,
    sidecar_build: Sidecars,
) -> IndexRows:
    """Turn what the stages found into rows, under the scene ids of the sidecars.

    Returns:
        A row per scene, in scene order.
    """
    parts = split(
        scenes=scene_detect,
        transcripts=align_merge,
        text=embed_text,
        frames=vision_sample_frames,
        vectors=vision_embed_frames,
        tags=vision_tags,
        screen=text_read,
    )
    return IndexRows(
        index_version=video.index_version,
        duration_ms=scene_detect.duration_ms,
        text_model=embed_text.model,
        image_model=vision_embed_frames.model,
        scenes=tuple(
            _row(sidecar.scene_id, each)
            for sidecar, each in zip(sidecar_build.sidecars, parts, strict=True)
        ),
        faces=faces_detect.observations if consent else (),
        face_model=faces_detect.model if consent else "",
    )


def _row(scene_id: UUID, parts: SceneParts) -> SceneRow:
    return SceneRow(
        scene_id=scene_id,
        ordinal=parts.scene.ordinal,
        start_ms=parts.scene.start_ms,
        end_ms=parts.scene.end_ms,
        transcript=parts.transcript.segments,
        languages=parts.transcript.languages,
        screen_text=parts.screen_text,
        tags=parts.tags,
        terms=tuple(_terms(parts)),
        text_vector=parts.text_vector,
        frame_times_ms=tuple(frame.time_ms for frame in parts.embedded),
        frame_vectors=parts.frame_vectors,
        best_frame_ms=parts.best_frame_ms,
    )


def _terms(parts: SceneParts) -> Iterator[Term]:
    spoken = [segment.text for segment in parts.transcript.segments]
    yield from _counted("transcript", spoken)
    yield from _counted("screen", [line.text for line in parts.screen_text])
    yield from _learned(parts)


def _counted(source: Literal["transcript", "screen"], texts: list[str]) -> Iterator[Term]:
    counts = Counter(term for text in texts for term in lexical.terms(text))
    for term in sorted(counts):
        yield Term(source=source, term=term, weight=float(counts[term]))


def _learned(parts: SceneParts) -> Iterator[Term]:
    """The tokens that weigh most, under their ids: a vocabulary of the model's own."""
    heaviest = sorted(parts.learned, key=lambda each: (-each.weight, each.token))[:_MAX_LEARNED]
    for each in sorted(heaviest, key=lambda each: each.token):
        yield Term(source="learned", term=str(each.token), weight=each.weight)
