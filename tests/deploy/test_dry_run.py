"""The rehearsal of a deployment passes, and fails when a unit lacks something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from local import bundles, deployed_units, dry_run
from local.deployed_units import Unit

pytestmark = [
    pytest.mark.deep,
    pytest.mark.xdist_group("dry-run"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All bundles, as `make package` makes them."""
    out = tmp_path_factory.mktemp("bundles")
    for name in bundles.FUNCTIONS:
        bundles.build(name, out)
    return out


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not below pytest's own, which a database of another user cannot be in."""
    with TemporaryDirectory(prefix="heimdex-dry-run-") as path:
        yield Path(path) / "run"


def _failed(
    units: Mapping[str, Unit], staged: Path, directory: Path, **more: float
) -> dict[str, str]:
    verdicts = dry_run.run(units, staged, directory, **more)
    return {each.unit: each.reason for each in verdicts if not each.is_ok}


def test_every_unit_works_as_it_is_deployed(staged: Path, directory: Path) -> None:
    """An upload is indexed, found and exported; a dead letter is recorded; both jobs end well."""
    assert _failed(deployed_units.load(), staged, directory, timeout_s=400) == {}


@pytest.mark.parametrize(
    ("unit", "variable"),
    [
        # Read when the function starts.
        ("search", "HEIMDEX_TOKEN_KEY"),
        # Read when its first event comes.
        ("upload_finalized", "HEIMDEX_UPLOADS_BUCKET"),
        # Read by a job.
        ("media", "HEIMDEX_ARTIFACTS_BUCKET"),
    ],
)
def test_a_variable_that_nobody_sets_is_found(
    staged: Path, directory: Path, unit: str, variable: str
) -> None:
    """The unit that lacks it fails, and the reason names it."""
    units = deployed_units.load()
    units[unit] = units[unit].without(variable)
    failed = _failed(units, staged, directory, timeout_s=30)
    assert variable in failed[unit]
    assert set(failed) <= {unit, "way through", "media", "gpu", "build_export"}


def test_a_wrong_entry_point_is_found(staged: Path, directory: Path) -> None:
    """The framework says what it looked for."""
    units = deployed_units.load()
    wrong = {**vars(units["dead_letter"]), "entry_point": "dead_letters"}
    units["dead_letter"] = Unit(**wrong)
    assert "dead_letters" in _failed(units, staged, directory, timeout_s=30)["dead_letter"]


def test_a_bundle_that_lacks_a_file_is_found(staged: Path, directory: Path) -> None:
    """As it would be if a data file were not shipped."""
    missing = staged / "search" / "functions" / "search" / "calibrations.json"
    content = missing.read_bytes()
    missing.unlink()
    try:
        failed = _failed(deployed_units.load(), staged, directory, timeout_s=30)
    finally:
        missing.write_bytes(content)
    assert "calibrations.json" in failed["search"]
