"""Stage `photo_embed`: the one face of a person's photo, or why the photo will not do.

A person is learned from few photos, so each has to be a good one: whoever is told what is wrong
with a photo takes a better one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.domain import Photo, PhotoFace
from common.people import problems
from gpu_jobs.models import Models, Portrait
from gpu_jobs.models.jpeg import pixels

#: A face of a photo is surer than one of a video, and what is less sure is a pattern or an animal.
_MIN_SCORE: Final = 0.75
#: A second face of at least this share of the largest one's side is not somebody in the background.
_SECOND_SHARE: Final = 0.3
#: Of a face: below, crops are blown up to more than twice their size (a crop has 35 px).
_MIN_SIDE_PX: Final = 48.0
_MIN_EYES_PX: Final = 16.0
#: Variance of the Laplacian of a crop. A sharp portrait has some hundreds; one that is blurred by
#: two pixels of the crop less than 20.
_MIN_SHARPNESS: Final = 20.0
#: A head turned by some 30°: the recogniser would learn half a face.
_MIN_FRONTALITY: Final = 0.2


def run(*, photo_normalise: Photo, models: Models, consent: bool) -> PhotoFace:
    """Find the one face and embed it.

    Args:
        photo_normalise: the photo.
        models: with the face model, if there is one.
        consent: photos are learned from here, and the user agrees.

    Returns:
        The face; or the problem, and nothing of the face.

    Raises:
        ContractError: the photo is not a JPEG.
        PermanentError: the model failed (`stage_failed`).
    """
    # Who withdraws consent deletes the photo: of one that is there, the feature is switched off.
    if models.faces is None or not consent:
        return _refused(problems.UNAVAILABLE, "")
    name = models.faces.name
    portraits = models.faces.portraits(pixels(photo_normalise.jpeg))
    problem = problem_of(portraits)
    if problem:
        return _refused(problem, name)
    face = next(each for each in portraits if each.score >= _MIN_SCORE)
    return PhotoFace(problem="", box=face.box, quality=face.quality, vector=face.vector, model=name)


def problem_of(portraits: Sequence[Portrait]) -> str:
    """What is wrong with a photo of these faces, largest first; "" if nothing is."""
    faces = [portrait for portrait in portraits if portrait.score >= _MIN_SCORE]
    if not faces:
        return problems.NO_FACE
    face, *others = faces
    if any(other.side_px >= _SECOND_SHARE * face.side_px for other in others):
        return problems.SEVERAL_FACES
    if face.side_px < _MIN_SIDE_PX or face.eyes_px < _MIN_EYES_PX:
        return problems.TOO_SMALL
    if face.frontality < _MIN_FRONTALITY:
        return problems.TURNED
    if face.sharpness < _MIN_SHARPNESS:
        return problems.BLURRED
    return ""


def _refused(problem: str, model: str) -> PhotoFace:
    return PhotoFace(problem=problem, box=None, quality=0.0, vector=None, model=model)
