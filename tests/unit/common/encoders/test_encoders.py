"""Loading the encoders of a profile."""

from __future__ import annotations

import pytest

from common import encoders
from common.errors import ConfigError


def test_offline_has_all_three() -> None:
    """The offline profile has a text, an image and a tag encoder that work."""
    loaded = encoders.load("offline")
    assert loaded.text.encode(["hello"]).shape == (1, 1024)
    assert loaded.image.encode("빨간 차") is not None
    assert loaded.tags.read("night")[0].tag == "night"


@pytest.mark.parametrize("profile", ["cpu", "gpu", ""])
def test_other_profiles_are_refused_politely(profile: str) -> None:
    """A profile that is not there yet is a configuration error that says when it comes."""
    with pytest.raises(ConfigError, match="arrives with the model registry"):
        encoders.load(profile)
