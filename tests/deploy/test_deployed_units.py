"""What Terraform sets for each unit is what the unit reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.config import Settings
from local import deployed_units
from local.bundles import FUNCTIONS
from tests.terraform import plans

_UNITS = deployed_units.load()
_LANES = {"media", "gpu"}
#: Settings without which a unit cannot do its work, besides those that have no default.
_NEEDS = {
    "api": {"token_key", "upload_signer", "download_signer", "cors_origins"},
    "search": {"token_key", "cors_origins"},
    "start_jobs": {"region"},
    "migrate": {"database_logins"},
}


def _fields(unit: deployed_units.Unit) -> set[str]:
    names = (*unit.environment, *unit.secrets)
    return {name.removeprefix("HEIMDEX_").lower() for name in names if name.startswith("HEIMDEX_")}


def test_every_unit_is_deployed() -> None:
    """Six functions, the lanes, and the jobs that people and releases start."""
    assert set(_UNITS) == {*FUNCTIONS, *_LANES, "migrate", "operator"}
    assert {n for n, unit in _UNITS.items() if unit.kind == "function"} == set(FUNCTIONS)


@pytest.mark.parametrize("name", _UNITS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A name that nothing reads is a typing error, which a default would hide."""
    assert _fields(_UNITS[name]) <= set(Settings.model_fields)


@pytest.mark.parametrize("name", _UNITS)
def test_every_unit_has_what_it_needs(name: str) -> None:
    """What has no default, a database to log in to, and what its work takes."""
    required = {n for n, field in Settings.model_fields.items() if field.is_required()}
    login = {"cloud_sql_instance", "database_user", "profile"}
    assert required | login | _NEEDS.get(name, set()) <= _fields(_UNITS[name])


@pytest.mark.parametrize("name", _UNITS)
def test_the_values_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are numbers and lists are lists."""
    for variable, value in _UNITS[name].environment.items():
        monkeypatch.setenv(variable, value)
    for secret in _UNITS[name].secrets:
        monkeypatch.setenv(secret, "from Secret Manager")
    settings = Settings()  # type: ignore[call-arg]  # values come from the environment
    assert settings.project == "heimdex-dev"
    if name == "migrate":
        assert set(settings.database_logins) == {
            unit.environment["HEIMDEX_DATABASE_USER"]
            for other, unit in _UNITS.items()
            if other != "migrate"
        }


def test_secrets_are_in_no_plan() -> None:
    """The key of page tokens has no value that Terraform knows."""
    for unit in _UNITS.values():
        assert "HEIMDEX_TOKEN_KEY" not in unit.environment


def test_what_is_written_down_is_what_is_planned(tmp_path: Path) -> None:
    """The file is that of the plan, made now."""
    if reason := plans.missing():
        pytest.skip(reason)
    plan = plans.make("dev", tmp_path, {"profile": "offline"})
    planned = deployed_units.of_plan(plan)
    written = deployed_units.FILE.read_text(encoding="utf-8")
    assert deployed_units.text_of(planned) == written, "python -m local.deployed_units PLAN.json"


def test_a_unit_without_a_variable() -> None:
    """One is gone, and only that one; a name that is not there is an error."""
    api = _UNITS["api"]
    assert _fields(api.without("HEIMDEX_PROJECT")) == _fields(api) - {"project"}
    assert _fields(api.without("HEIMDEX_TOKEN_KEY")) == _fields(api) - {"token_key"}
    with pytest.raises(KeyError):
        api.without("HEIMDEX_NOTHING")


def test_a_plan_is_read_as_terraform_writes_it() -> None:
    """Modules in modules, secrets beside variables, commands with arguments."""
    function: dict[str, Any] = {
        "type": "google_cloudfunctions2_function",
        "index": "api",
        "values": {
            "name": "heimdex-api",
            "build_config": [{"entry_point": "api"}],
            "service_config": [
                {
                    "environment_variables": {"B": "2", "A": "1"},
                    "secret_environment_variables": [{"key": "S"}],
                }
            ],
        },
    }
    container = {"command": ["python"], "args": ["-m", "x"], "env": [{"name": "A", "value": "1"}]}
    job = {
        "type": "google_cloud_run_v2_job",
        "index": "media",
        "values": {
            "name": "heimdex-media",
            "template": [{"template": [{"containers": [container]}]}],
        },
    }
    modules = {
        "child_modules": [{"resources": [function]}, {"child_modules": [{"resources": [job]}]}]
    }
    units = deployed_units.of_plan(
        json.loads(json.dumps({"planned_values": {"root_module": modules}}))
    )
    assert units["api"].secrets == ("S",)
    assert list(units["api"].environment) == ["A", "B"]
    assert units["media"].command == ("python", "-m", "x")
