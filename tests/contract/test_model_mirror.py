"""Models in a bucket, through the real client: what is fetched is what was put there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import model_mirror
from common.errors import ConfigError
from local.storage import StorageServer
from tests.contract.storage_rig import BUCKET, Rig, connected, server

NAME = "cpu-0123456789ab"
FILES = {
    "text/r1/model.safetensors": b"text weights" * 1000,
    "query/text/model.onnx": b"a text tower" * 900_000,
    "query/image/model.onnx": b"an image tower",
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[StorageServer]:
    """A stand-in."""
    with server(tmp_path / "storage") as started:
        yield started


@pytest.fixture
def rig(running: StorageServer) -> Iterator[Rig]:
    """The adapter on it."""
    with connected(running.url) as connection:
        yield connection


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A directory of models."""
    for path, content in FILES.items():
        (tmp_path / "models" / path).parent.mkdir(parents=True)
        (tmp_path / "models" / path).write_bytes(content)
    return tmp_path / "models"


def _content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_what_is_pushed_can_be_pulled(rig: Rig, models: Path, tmp_path: Path) -> None:
    """Every file is at its place with its bytes, and pulling again fetches nothing."""
    assert model_mirror.push(rig.store, BUCKET, NAME, models, FILES) == 3
    model_mirror.pull(rig.store, BUCKET, NAME, tmp_path / "worker")
    assert _content(tmp_path / "worker") == FILES
    for info in list(rig.store.list(BUCKET, "files/")):
        rig.store.delete(BUCKET, info.name, effect="test.delete")
    model_mirror.pull(rig.store, BUCKET, NAME, tmp_path / "worker")


def test_only_a_part_can_be_pulled(rig: Rig, models: Path, tmp_path: Path) -> None:
    """The search function needs its encoders and none of the workers' gigabytes."""
    model_mirror.push(rig.store, BUCKET, NAME, models, FILES)
    model_mirror.pull(rig.store, BUCKET, NAME, tmp_path / "search", below="query/")
    assert set(_content(tmp_path / "search")) == {p for p in FILES if p.startswith("query/")}


def test_a_part_can_be_left_out(rig: Rig, models: Path, tmp_path: Path) -> None:
    """Workers need nothing of what search encodes queries with."""
    model_mirror.push(rig.store, BUCKET, NAME, models, FILES)
    model_mirror.pull(rig.store, BUCKET, NAME, tmp_path / "worker", without="query/")
    assert set(_content(tmp_path / "worker")) == {p for p in FILES if not p.startswith("query/")}


def test_pushing_again_uploads_nothing(rig: Rig, models: Path) -> None:
    """Objects are named by their content and never replaced."""
    model_mirror.push(rig.store, BUCKET, NAME, models, FILES)
    before = {info.name: info.generation for info in rig.store.list(BUCKET, "files/")}
    model_mirror.push(rig.store, BUCKET, "gpu-0123456789ab", models, FILES)
    assert {info.name: info.generation for info in rig.store.list(BUCKET, "files/")} == before


def test_models_that_were_not_mirrored_are_an_error(rig: Rig, tmp_path: Path) -> None:
    """The message says how to mirror them."""
    with pytest.raises(ConfigError, match=r"python -m gpu_jobs\.models\.mirror"):
        model_mirror.pull(rig.store, BUCKET, NAME, tmp_path)


def test_other_bytes_are_refused(rig: Rig, models: Path, tmp_path: Path) -> None:
    """A file that does not have its hash never appears under its name."""
    model_mirror.push(rig.store, BUCKET, NAME, models, FILES)
    manifest = json.loads(rig.store.read(BUCKET, f"manifests/{NAME}.json"))
    victim = manifest["files"][0]
    rig.store.write(
        BUCKET,
        f"files/{victim['sha256']}",
        b"something else",
        content_type="application/octet-stream",
        effect="test.write",
    )
    with pytest.raises(ConfigError, match="sha256"):
        model_mirror.pull(rig.store, BUCKET, NAME, tmp_path / "worker")
    assert not (tmp_path / "worker" / victim["path"]).exists()
    assert not list((tmp_path / "worker").rglob("*.unverified"))


@pytest.mark.parametrize(
    "manifest",
    [
        b"not json",
        b"{}",
        b'{"files": [{"path": "a"}]}',
        b'{"files": [{"path": "../a", "sha256": "%s", "size_bytes": 1}]}' % (b"0" * 64),
        b'{"files": [{"path": "/etc/a", "sha256": "%s", "size_bytes": 1}]}' % (b"0" * 64),
        b'{"files": [{"path": "a", "sha256": "../../b", "size_bytes": 1}]}',
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    rig: Rig, tmp_path: Path, manifest: bytes
) -> None:
    """Nothing is fetched, and nothing written outside of the directory."""
    rig.store.write(
        BUCKET,
        f"manifests/{NAME}.json",
        manifest,
        content_type="application/json",
        effect="test.write",
    )
    with pytest.raises(ConfigError, match="manifest"):
        model_mirror.pull(rig.store, BUCKET, NAME, tmp_path / "worker")
    assert not (tmp_path / "worker").exists()
