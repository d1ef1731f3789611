"""The stored sound as samples."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import ContractError
from gpu_jobs.media import flac
from tests import sounds


def test_samples_come_back_as_they_were() -> None:
    """Every sample, in place, as a fraction of full scale."""
    values = np.random.default_rng(0).integers(-32_768, 32_768, 50_001).astype(np.int16)
    values[:2] = -32_768, 32_767
    samples = flac.samples(sounds.as_flac(values))
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, values.astype(np.float32) / 32_768)
    assert samples[0] == -1.0
    assert samples.max() < 1.0


@pytest.mark.parametrize(
    "sound",
    [
        b"",
        b"no flac",
        sounds.as_flac(np.zeros(800, np.int16), rate_hz=8_000),
        sounds.as_flac(np.zeros(800, np.int16), layout="stereo"),
    ],
    ids=["empty", "foreign", "8 kHz", "stereo"],
)
def test_other_sound_is_refused(sound: bytes) -> None:
    """What the media lane cannot have made is a damaged artifact."""
    with pytest.raises(ContractError, match="artifact_corrupt"):
        flac.samples(sound)
