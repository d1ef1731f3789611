"""Small pictures straight from the planes of a decoded frame.

Scaling every frame with swscale costs a fifth of decoding it. Shot scores need only a thumbnail, so
every n-th sample of each plane is taken instead, which costs next to nothing. Formats that do not
lie in memory as separate planes of samples go through swscale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

import av
import cv2
import numpy as np
import numpy.typing as npt

#: (height, width) or (height, width, 3) 8-bit.
Picture = npt.NDArray[np.uint8]

#: Width of the thumbnail that shots are detected on; PySceneDetect's own default.
THUMBNAIL_WIDTH_PX: Final = 256
#: Longest side of the luma picture that sharpness is measured on.
LUMA_LONGEST_PX: Final = 640

_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG
#: Full-range samples as limited range, which OpenCV's conversion expects.
_LUMA_TO_LIMITED: Final = (np.arange(256) * (219 / 255) + 16).round().astype(np.uint8)
_CHROMA_TO_LIMITED: Final = ((np.arange(256) - 128.0) * (224 / 255) + 128).round().astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How to take a 4:2:0 thumbnail out of three planes."""

    #: Bits per sample.
    bits: int
    #: Steps in samples, luma and chroma: (x, y).
    luma_step: tuple[int, int]
    chroma_step: tuple[int, int]
    #: Of the thumbnail; both even.
    width_px: int
    height_px: int


def thumbnail(frame: Any) -> Picture:
    """A BGR picture about `THUMBNAIL_WIDTH_PX` wide, as stored (rotation not applied)."""
    layout = _layout(frame.format.name, frame.width, frame.height)
    if layout is None:
        return _scaled(frame, "bgr24", THUMBNAIL_WIDTH_PX, landscape=True)
    planes = [
        _strided(frame.planes[0], layout.bits, layout.luma_step, layout.width_px, layout.height_px)
    ] + [
        _strided(p, layout.bits, layout.chroma_step, layout.width_px // 2, layout.height_px // 2)
        for p in frame.planes[1:3]
    ]
    if frame.format.name.startswith("yuvj") or frame.color_range == _FULL_RANGE:
        planes = [_LUMA_TO_LIMITED[planes[0]], *(_CHROMA_TO_LIMITED[p] for p in planes[1:])]
    stacked = np.concatenate([plane.reshape(-1) for plane in planes])
    stacked = stacked.reshape(layout.height_px * 3 // 2, layout.width_px)
    return cast(Picture, cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420))


def luma(frame: Any) -> Picture:
    """The brightness of a whole frame, averaged down to `LUMA_LONGEST_PX`."""
    layout = _layout(frame.format.name, frame.width, frame.height)
    if layout is None:
        return _scaled(frame, "gray", LUMA_LONGEST_PX)
    samples = _samples(frame.planes[0], layout.bits)[: frame.height, : frame.width]
    factor = min(1.0, LUMA_LONGEST_PX / max(frame.width, frame.height))
    size = (max(1, round(frame.width * factor)), max(1, round(frame.height * factor)))
    small = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8) if layout.bits == 8 else _eight_bits(small, layout.bits)


def resized(picture: Picture, width_px: int, height_px: int) -> Picture:
    """The picture in another size."""
    small = cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return cast(Picture, small)


@lru_cache(maxsize=16)
def _layout(format_name: str, width_px: int, height_px: int) -> _Layout | None:
    """None when the planes cannot be strided."""
    pixel_format = av.VideoFormat(format_name, width_px, height_px)
    parts = pixel_format.components
    if pixel_format.is_rgb or pixel_format.has_palette or len(parts) < 3:
        return None
    if pixel_format.is_big_endian or [part.plane for part in parts[:3]] != [0, 1, 2]:
        return None
    step = max(1, width_px // THUMBNAIL_WIDTH_PX)
    across, down = (round(width_px / parts[1].width), round(height_px / parts[1].height))
    chroma_step = (2 * step // across, 2 * step // down)
    width, height = width_px // step // 2 * 2, height_px // step // 2 * 2
    if 0 in chroma_step or 2 * step % across or 2 * step % down or not width or not height:
        return None
    return _Layout(
        bits=parts[0].bits,
        luma_step=(step, step),
        chroma_step=chroma_step,
        width_px=width,
        height_px=height,
    )


def _samples(plane: Any, bits: int) -> npt.NDArray[Any]:
    """(height, line) view of a plane's memory, without a copy."""
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    line = plane.line_size // kind.itemsize
    return np.frombuffer(plane, kind)[: line * plane.height].reshape(plane.height, line)


def _strided(
    plane: Any, bits: int, step: tuple[int, int], width_px: int, height_px: int
) -> Picture:
    samples = _samples(plane, bits)
    # The middle of each cell: the edge columns of odd-sized codecs are often padding.
    x, y = step[0] // 2, step[1] // 2
    picked = samples[y :: step[1], x : plane.width : step[0]][:height_px, :width_px]
    return _eight_bits(picked, bits)


def _eight_bits(samples: npt.NDArray[Any], bits: int) -> Picture:
    return samples if bits == 8 else (samples >> (bits - 8)).astype(np.uint8)


def _scaled(frame: Any, pixel_format: str, side_px: int, *, landscape: bool = False) -> Picture:
    """Through swscale; `side_px` is the width if `landscape`, else the longest side."""
    longest = frame.width if landscape else max(frame.width, frame.height)
    factor = min(1.0, side_px / longest)
    size = (max(2, round(frame.width * factor)), max(2, round(frame.height * factor)))
    small: Picture = frame.reformat(*size, format=pixel_format).to_ndarray()
    return small
