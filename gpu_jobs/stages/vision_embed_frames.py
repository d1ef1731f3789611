"""Stage `vision_embed_frames`: a vector per sampled frame."""

from __future__ import annotations

from common.domain import FrameVectors, SampledFrames
from gpu_jobs.models import Models


def run(*, vision_sample_frames: SampledFrames, models: Models) -> FrameVectors:
    """Embed every frame; search takes the best of a scene's frames, never their mean.

    Args:
        vision_sample_frames: the frames.
        models: with the image model.

    Returns:
        Vectors in the order of the frames.
    """
    jpegs = [frame.jpeg for frame in vision_sample_frames.frames]
    return FrameVectors(vectors=models.image.encode(jpegs), model=models.image.name)
