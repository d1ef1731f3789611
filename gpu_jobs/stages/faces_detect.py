"""Stage `faces_detect`: observations of faces, never names.

Faces are off until model files are cleared and given; the record then says why there are none.
"""

from __future__ import annotations

from common.domain import Faces, SampledFrames
from gpu_jobs.models import Models


def run(*, vision_sample_frames: SampledFrames, models: Models) -> Faces:
    """Record that this profile has no face model.

    Args:
        vision_sample_frames: the frames that would be looked at.
        models: with the reason.

    Returns:
        No observations, and a note.
    """
    return Faces(observations=(), model="", note=models.faces_note)
