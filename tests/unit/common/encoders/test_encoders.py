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


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_other_profiles_need_a_directory(profile: str) -> None:
    """Without models a profile is a configuration error that says what to run."""
    with pytest.raises(ConfigError, match=f"make models PROFILE={profile}"):
        encoders.load(profile)


def test_an_unknown_profile_is_refused() -> None:
    """A profile that does not exist is a configuration error."""
    with pytest.raises(ConfigError, match="downloads no models"):
        encoders.load("")
