"""Stage `vision_embed_frames`: a vector per sampled frame."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.domain import FrameVectors, SampledFrames
from gpu_jobs.models import Models
from gpu_jobs.stage import Features

#: Why there are no vectors, and no tags.
SWITCHED_OFF: Final = "vision_switched_off"
_DIMENSIONS: Final = 1152


def run(*, vision_sample_frames: SampledFrames, models: Models, features: Features) -> FrameVectors:
    """Embed every frame; search takes the best of a scene's frames, never their mean.

    Args:
        vision_sample_frames: the frames.
        models: with the image model.
        features: whether pictures are looked at.

    Returns:
        Vectors in the order of the frames; or none and a note.
    """
    if not features.vision:
        none = np.zeros((0, _DIMENSIONS), dtype=np.float32)
        return FrameVectors(vectors=none, model="", note=SWITCHED_OFF)
    jpegs = [frame.jpeg for frame in vision_sample_frames.frames]
    return FrameVectors(vectors=models.image.encode(jpegs), model=models.image.name)
