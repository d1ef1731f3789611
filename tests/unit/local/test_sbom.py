"""The bill of materials holds everything that is locked, in CycloneDX's own terms."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from common import registry
from local import sbom

_MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module", params=sbom.LOCKS)
def unit(request: pytest.FixtureRequest) -> str:
    """Each of the units."""
    return str(request.param)


@pytest.fixture(scope="module")
def document(unit: str) -> Any:
    """Its bill, as it is written."""
    return json.loads(json.dumps(sbom.document(unit, made_at=_MADE_AT)))


def _packages(document: Any) -> list[Any]:
    return [each for each in document["components"] if each["type"] == "library"]


def test_it_says_what_it_is(unit: str, document: Any) -> None:
    """Format, version, serial number and time, as version 1.6 wants them."""
    assert (document["bomFormat"], document["specVersion"], document["version"]) == (
        "CycloneDX",
        "1.6",
        1,
    )
    UUID(document["serialNumber"].removeprefix("urn:uuid:"))
    assert document["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    assert document["metadata"]["component"]["name"] == f"heimdex-{unit}"


def test_every_locked_package_is_in_it(unit: str, document: Any) -> None:
    """With its version and the hash of every file; torch too, where it is installed."""
    locked = sbom.read_lock(sbom.ROOT / sbom.LOCKS[unit])
    listed = {each["purl"]: each for each in _packages(document)}
    for package in locked:
        component = listed.pop(f"pkg:pypi/{package.name}@{package.version}")
        hashes = component["externalReferences"][0]["hashes"]
        assert {each["content"] for each in hashes} == set(package.hashes)
        assert all(re.fullmatch("[0-9a-f]{64}", each["content"]) for each in hashes)
    assert [each["name"] for each in listed.values()] == ["torch"] * (unit in ("gpu_jobs", "tests"))


def test_models_are_part_of_what_runs_them(unit: str, document: Any) -> None:
    """Every model of the registry, with licence and files; elsewhere none."""
    models = [each for each in document["components"] if each["type"] == "machine-learning-model"]
    keys = [model.key for model in registry.load().models] if unit == "gpu_jobs" else []
    assert [each["name"] for each in models] == keys
    assert all(each["components"] for each in models)


def test_references_are_unique_and_resolve(document: Any) -> None:
    """Nothing is listed twice, and the product depends on all of it."""
    refs = [each["bom-ref"] for each in document["components"]]
    assert len(set(refs)) == len(refs)
    (product,) = document["dependencies"]
    assert product["dependsOn"] == refs


def test_licences_are_named(document: Any) -> None:
    """Of nearly all packages: only those that are not installed here, or say nothing, lack one."""
    packages = _packages(document)
    named = [each for each in packages if "licenses" in each]
    assert len(named) >= 0.8 * len(packages)
    for each in named:
        (licence,) = each["licenses"]
        assert licence.get("expression") or licence["license"]["name"]


def test_a_line_that_is_no_lock_is_refused(tmp_path: Path) -> None:
    """A requirement without an exact version is not passed over in silence."""
    lock = tmp_path / "requirements.txt"
    lock.write_text("flask>=3\n")
    with pytest.raises(ValueError, match="not a locked requirement"):
        sbom.read_lock(lock)


def test_the_command_writes_one_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make sbom` leaves a document for each lock file."""
    monkeypatch.setattr(sys, "argv", ["sbom", "--out", str(tmp_path)])
    assert sbom.main() == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{unit}.cdx.json" for unit in sbom.LOCKS}
    assert capsys.readouterr().out.count("components") == len(sbom.LOCKS)
