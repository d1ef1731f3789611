"""Stage `faces_detect`: observations of faces, never names.

Faces are off until model files are cleared and given, and the user consents; the record then says
why there are none.
Every sampled frame is looked at, because a face that is turned away in one frame of a scene is
often turned to the camera in the next. Nothing is merged: who is who is decided later, and two
faces in one frame are never one person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from common.domain import FaceObservation, Faces, Frame, SampledFrames
from gpu_jobs.models import FaceModel, FoundFace, Models
from gpu_jobs.models.jpeg import pixels

#: The largest of a crowd; bounds the sidecar.
_MAX_FACES_PER_FRAME: Final = 20


#: Why there are none: switched off, or the user has not consented, or not any more.
NOT_ALLOWED: Final = "faces_not_allowed"


def run(
    *,
    vision_sample_frames: SampledFrames,
    models: Models,
    consent: bool,
    progress: Callable[[float], None],
) -> Faces:
    """Look for faces in every frame.

    Args:
        vision_sample_frames: the frames, ordered by time.
        models: with the face model, or the reason why there is none.
        consent: faces are looked for here, and the user agrees; asked again when what is found is
            stored, and when it is made searchable.
        progress: told the share done, 0–1.

    Returns:
        Observations ordered by time, largest first within a frame, at most 20 per frame; or none
        and a note.

    Raises:
        ContractError: a frame is not a JPEG.
        PermanentError: the model failed (`stage_failed`).
    """
    if models.faces is None:
        return Faces(observations=(), model="", note=models.faces_note)
    if not consent:
        return Faces(observations=(), model="", note=NOT_ALLOWED)
    frames = sorted(vision_sample_frames.frames, key=lambda frame: frame.time_ms)
    observations: list[FaceObservation] = []
    for place, frame in enumerate(frames):
        observations += _observed(frame, models.faces)
        progress((place + 1) / len(frames))
    return Faces(observations=tuple(observations), model=models.faces.name)


def _observed(frame: Frame, model: FaceModel) -> Iterator[FaceObservation]:
    found = sorted(model.find(pixels(frame.jpeg)), key=lambda face: (-_size(face), face.box))
    for face in found[:_MAX_FACES_PER_FRAME]:
        yield FaceObservation(
            scene_ordinal=frame.scene_ordinal,
            time_ms=frame.time_ms,
            box=face.box,
            quality=face.quality,
            vector=face.vector,
        )


def _size(face: FoundFace) -> float:
    return face.box[2] * face.box[3]
