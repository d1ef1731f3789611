"""Exporting the text towers."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common.encoders.onnx_text import OnnxSiglipText
from common.errors import ConfigError
from gpu_jobs.models import export
from gpu_jobs.models.export import Kind, export_text_tower
from tests.checkpoints import siglip, towers

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("towers")]

KINDS: tuple[Kind, ...] = ("bge-m3", "siglip")


@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_lists_every_file(kind: Kind) -> None:
    """Every exported file is in the manifest with its hash, and every source file with its own."""
    directory = towers.exported(kind)
    manifest = json.loads((directory / "manifest.json").read_text())
    names = {path.name for path in directory.iterdir() if path.is_file()} - {"manifest.json"}
    assert names == {"model.onnx", "model.onnx.data", "tokenizer.json", "encoder.json"}
    assert manifest["files"] == {name: _sha256(directory / name) for name in names}
    assert manifest["revision"] == towers.REVISION
    source = towers.checkpoint(kind)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= manifest["source"].keys()
    assert ("heads.safetensors" in manifest["source"]) == (kind == "bge-m3")
    assert manifest["source"] == {name: _sha256(source / name) for name in manifest["source"]}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_lie_beside_the_graph(kind: Kind) -> None:
    """The graph refers to its weights in model.onnx.data: one message holds at most 2 GiB."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(towers.exported(kind) / "model.onnx", load_external_data=False).graph
    outside = [each for each in graph.initializer if each.data_location == 1]
    weights = load_file(towers.checkpoint(kind) / "model.safetensors")
    table = max(weights[name].size for name in weights if not name.startswith("vision"))
    assert max(_size(each) for each in outside) == table
    assert {entry.value for each in outside for entry in each.external_data[:1]} == {
        "model.onnx.data"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_tells_nothing_of_this_machine(kind: Kind) -> None:
    """No path of the machine that exported it is left in the graph."""
    graph = (towers.exported(kind) / "model.onnx").read_bytes()
    assert b"site-packages" not in graph
    assert b".py" not in graph


def test_siglip_1_equals_its_reference(tmp_path: Path) -> None:
    """SigLIP 1, whose tokenizer is SentencePiece's, gives its reference's vectors for any text."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    source = tmp_path / "siglip-1"
    siglip.write(source, version=1)
    export_text_tower("siglip", source, tmp_path / "image")
    texts = ["A red  car, at NIGHT!", "빨간 차가 밤에", "", "don't stop-motion", "a car " * 80]
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    ids = tokenizer(
        texts, padding="max_length", max_length=64, truncation=True, return_tensors="pt"
    )["input_ids"]
    model = transformers.SiglipModel.from_pretrained(source).eval()
    with torch.no_grad():
        expected = model.get_text_features(input_ids=ids).pooler_output.numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = OnnxSiglipText(tmp_path / "image").encode_texts(texts)
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-4)


def test_a_tower_that_differs_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If search would get other vectors than the checkpoint's, nothing is left behind."""
    out = tmp_path / "query" / "image"
    right = OnnxSiglipText.encode_texts
    monkeypatch.setattr(
        OnnxSiglipText, "encode_texts", lambda self, texts: right(self, texts)[::-1]
    )
    with pytest.raises(ConfigError, match="differs from its checkpoint"):
        export_text_tower("siglip", towers.checkpoint("siglip"), out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["model.safetensors", "heads.safetensors", "config.json"])
def test_an_incomplete_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    """A checkpoint without weights or heads is refused with what to run."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(towers.checkpoint("bge-m3"), directory)
    (directory / name).unlink()
    with pytest.raises(ConfigError, match=rf"has no {name}: run `make models"):
        export_text_tower("bge-m3", directory, tmp_path / "out")


def test_weights_are_never_random(tmp_path: Path) -> None:
    """A tensor that the weights lack is not made up."""
    directory = tmp_path / "checkpoint"
    shutil.copytree(towers.checkpoint("bge-m3"), directory)
    tensors = load_file(directory / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("layer.1.output.dense.weight"))
    del tensors[lost]
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="lacks"):
        export_text_tower("bge-m3", directory, tmp_path / "out")


def test_a_wrong_revision_is_refused(tmp_path: Path) -> None:
    """A branch name pins nothing."""
    with pytest.raises(ConfigError, match="40 hex digits"):
        export_text_tower("siglip", towers.checkpoint("siglip"), tmp_path, revision="main")


def test_the_command_line_passes_everything_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option reaches the export."""
    asked: list[object] = []
    monkeypatch.setattr(
        export, "export_text_tower", lambda *args, **named: asked.extend((args, named))
    )
    export.main(
        ["--kind", "siglip", "--from", "a", "--to", str(tmp_path), "--revision", towers.REVISION]
    )
    assert asked == [
        ("siglip", Path("a"), tmp_path),
        {"name": "", "revision": towers.REVISION},
    ]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _size(tensor: object) -> int:
    size = 1
    for dimension in tensor.dims:  # type: ignore[attr-defined]  # a TensorProto
        size *= dimension
    return size
