"""Stage `sidecar_build`: one immutable JSON per scene."""

from __future__ import annotations

from common.domain import (
    Faces,
    FrameVectors,
    SampledFrames,
    Scenes,
    SceneTranscripts,
    ScreenText,
    Sidecar,
    Sidecars,
    Tags,
    TextVectors,
    Transcript,
)
from common.index_version import scene_id
from gpu_jobs import sidecar
from gpu_jobs.scene_parts import split
from gpu_jobs.stage import VideoFacts


def run(
    *,
    video: VideoFacts,
    scene_detect: Scenes,
    vision_sample_frames: SampledFrames,
    asr_transcribe: Transcript,
    align_merge: SceneTranscripts,
    embed_text: TextVectors,
    vision_embed_frames: FrameVectors,
    vision_tags: Tags,
    text_read: ScreenText,
    faces_detect: Faces,
) -> Sidecars:
    """Write down everything that is known of each scene (see `gpu_jobs.sidecar`).

    Returns:
        A sidecar per scene, in scene order; the same bytes for the same inputs.
    """
    parts = split(
        scenes=scene_detect,
        transcripts=align_merge,
        text=embed_text,
        frames=vision_sample_frames,
        vectors=vision_embed_frames,
        tags=vision_tags,
        screen=text_read,
        faces=faces_detect,
    )
    made_by = sidecar.Provenance(
        transcript=asr_transcribe.source,
        transcript_note=asr_transcribe.note,
        text=embed_text.model,
        text_dimensions=embed_text.dense.shape[1],
        image=vision_embed_frames.model,
        image_dimensions=vision_embed_frames.vectors.shape[1],
        tags=vision_tags.model,
        screen_text=text_read.model,
        faces=faces_detect.model,
        faces_note=faces_detect.note,
    )
    identities = [_identity(video, each.scene.ordinal) for each in parts]
    return Sidecars(
        sidecars=tuple(
            Sidecar(scene_id=identity.scene_id, json=sidecar.encode(identity, each, made_by))
            for identity, each in zip(identities, parts, strict=True)
        )
    )


def _identity(video: VideoFacts, ordinal: int) -> sidecar.Identity:
    return sidecar.Identity(
        video_id=video.video_id,
        scene_id=scene_id(video.video_id, video.generation, video.index_version, ordinal),
        generation=video.generation,
        index_version=video.index_version,
    )
