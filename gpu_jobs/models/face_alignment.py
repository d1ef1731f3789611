"""Faces upright and of one size, as recognisers were trained on them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: Side of a crop in pixels.
CROP_PX: Final = 112
#: Where the eyes, the tip of the nose and the corners of the mouth are in a crop, those on the
#: picture's left first. Source: InsightFace (ArcFace), python-package/insightface/utils/
#: face_align.py; the same numbers are in OpenCV's face_recognize.cpp.
REFERENCE: Final[npt.NDArray[np.float64]] = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)


def align(
    picture: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.floating]
) -> npt.NDArray[np.uint8]:
    """Cut a face out, upright.

    Args:
        picture: (height, width, 3), any channel order.
        landmarks: (5, 2) pixels in it, in the order of `REFERENCE`.

    Returns:
        (112, 112, 3) in the same channel order, bilinear; black outside of the picture.
    """
    import cv2  # heavy: only a process that looks for faces pays

    crop = cv2.warpAffine(
        np.ascontiguousarray(picture),
        similarity(landmarks, REFERENCE),
        (CROP_PX, CROP_PX),
        flags=cv2.INTER_LINEAR,
    )
    return np.asarray(crop, dtype=np.uint8)


def similarity(
    source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """The rotation, uniform scale and shift that bring points closest to others.

    Least squares over the rows. In the plane such a map is one complex factor and a shift, and the
    best factor is a quotient of two sums (Umeyama, "Least-squares estimation of transformation
    parameters between two point patterns", 1991, without reflections).

    Args:
        source: (n, 2), not all in one point.
        target: (n, 2), in the same order.

    Returns:
        (2, 3): columns for x, for y, and the shift.
    """
    points, goals = (np.asarray(each, dtype=np.float64) for each in (source, target))
    points_mean, goals_mean = points.mean(axis=0), goals.mean(axis=0)
    x, y = (points - points_mean).T
    u, v = (goals - goals_mean).T
    spread = float(x @ x + y @ y)
    along, across = float(x @ u + y @ v) / spread, float(x @ v - y @ u) / spread
    turn = np.array([(along, -across), (across, along)])
    return np.column_stack([turn, goals_mean - turn @ points_mean])


def misfit_px(landmarks: npt.NDArray[np.floating]) -> float:
    """How far landmarks are from a face's after alignment: root mean square, pixels of a crop.

    A head turned by 30° is at 4 px, by 60° at 10 px; points in disorder are above 15 px (a model
    of a head in three dimensions; there are no reflections, so a mirrored face is at 23 px).
    """
    points = np.asarray(landmarks, dtype=np.float64)
    fitted = similarity(points, REFERENCE)
    errors = points @ fitted[:, :2].T + fitted[:, 2] - REFERENCE
    return float(np.sqrt((errors**2).sum(axis=1).mean()))
