"""The sound that the media lane stored, as samples."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from common.errors import ContractError
from gpu_jobs.media.sound import RATE_HZ

_FULL_SCALE = 32_768


def samples(flac: bytes) -> npt.NDArray[np.float32]:
    """Decode the FLAC of `audio_extract`.

    Args:
        flac: 16 kHz mono 16-bit, made by `SoundExtract`.

    Returns:
        (n,) float32 in [-1, 1]; the first sample is media time 0.

    Raises:
        ContractError: `artifact_corrupt`; it is not such a FLAC.
    """
    try:
        with av.open(io.BytesIO(flac), "r", format="flac") as container:
            parts = [_values(frame) for frame in container.decode(audio=0)]
    except (av.error.FFmpegError, IndexError) as error:
        raise ContractError("artifact_corrupt", "the sound is not a FLAC") from error
    if not parts:
        raise ContractError("artifact_corrupt", "the sound is empty")
    return np.divide(np.concatenate(parts), _FULL_SCALE, dtype=np.float32)


def _values(frame: Any) -> npt.NDArray[np.int16]:
    if (frame.sample_rate, frame.layout.nb_channels, frame.format.name) != (RATE_HZ, 1, "s16"):
        raise ContractError("artifact_corrupt", "16 kHz mono 16-bit sound expected")
    values: npt.NDArray[np.int16] = frame.to_ndarray().reshape(-1)
    return values
