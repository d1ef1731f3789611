"""One place that turns what FFmpeg, PyAV, OpenCV and NumPy raise into our codes.

Hostile files make PyAV raise far more than its own errors (`IndexError`, `AttributeError`,
`UnicodeDecodeError`, a `MemoryError` for a lying counter), so everything is mapped.
"""

from __future__ import annotations

import av
import cv2

from common.errors import HeimdexError, InputError

#: OpenCV's code for a failed allocation (cv::Error::StsNoMem).
_CV_NO_MEMORY = -4


def media_error(error: Exception, *, damaged: str = "truncated") -> HeimdexError:
    """The error of ours that a library's error on a hostile file stands for.

    Args:
        error: whatever was raised while the file was open.
        damaged: the code when FFmpeg found the data invalid.

    Returns:
        An `InputError`; trying the same bytes again cannot help.
    """
    if isinstance(error, HeimdexError):
        return error
    return InputError(_code(error, damaged), f"{type(error).__name__}: {str(error)[:200]}")


def _code(error: Exception, damaged: str) -> str:
    if isinstance(error, MemoryError):
        return "decode_budget_exceeded"
    if isinstance(error, cv2.error):
        no_memory = getattr(error, "code", 0) == _CV_NO_MEMORY
        return "decode_budget_exceeded" if no_memory else "decode_crashed"
    if isinstance(error, (av.error.DecoderNotFoundError, av.error.PatchWelcomeError)):
        return "codec_not_allowed"
    if isinstance(error, av.error.DemuxerNotFoundError):
        return "container_not_allowed"
    if isinstance(error, (av.error.FFmpegError, UnicodeDecodeError)):
        return damaged
    # An error of another kind inside the bindings means that they were led astray.
    return "decode_crashed"
