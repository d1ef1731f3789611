"""Settings, and the environments that a process refuses."""

from __future__ import annotations

import pytest

from common import config
from common.errors import ConfigError


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Everything that must be set, and nothing of Cloud Run."""
    for name in ("K_SERVICE", "CLOUD_RUN_JOB", *config.EMULATOR_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEIMDEX_PROJECT", "p")
    monkeypatch.setenv("HEIMDEX_UPLOADS_BUCKET", "uploads")
    monkeypatch.setenv("HEIMDEX_ARTIFACTS_BUCKET", "artifacts")
    return monkeypatch


@pytest.mark.parametrize("platform", ["K_SERVICE", "CLOUD_RUN_JOB"])
@pytest.mark.parametrize("name", config.EMULATOR_VARIABLES)
def test_no_check_is_switched_off_on_cloud_run(
    environment: pytest.MonkeyPatch, platform: str, name: str
) -> None:
    """A process that Cloud Run started refuses each variable; elsewhere it is no reason to."""
    environment.setenv(name, "127.0.0.1:9099")
    assert config.load().project == "p"
    environment.setenv(platform, "search")
    with pytest.raises(ConfigError, match=name):
        config.load()


def test_missing_settings_are_named(environment: pytest.MonkeyPatch) -> None:
    """Whoever starts a process wrongly is told which variable, never its value."""
    environment.delenv("HEIMDEX_PROJECT")
    environment.setenv("HEIMDEX_LEASE_S", "secret")
    with pytest.raises(ConfigError) as refused:
        config.load()
    assert "HEIMDEX_LEASE_S" in refused.value.detail
    assert "HEIMDEX_PROJECT" in refused.value.detail
    assert "secret" not in refused.value.detail
