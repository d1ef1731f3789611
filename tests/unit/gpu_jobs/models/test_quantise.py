"""Int8 text towers: measured, and refused unless that went well on pinned weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.encoders.onnx_text import OnnxBgeM3, OnnxSiglipText
from common.errors import ConfigError
from gpu_jobs.models import quantise
from gpu_jobs.models.export import Kind
from tests.checkpoints import towers

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("towers")]

Record = dict[str, Any]
_GOOD = {"min_cosine": 0.99, "mean_cosine": 0.999, "recall": 0.945, "recall_fp32": 0.95}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with BGE-M3's tower and its measured int8 tower."""
    return _measured("bge-m3", tmp_path_factory.mktemp("towers"))


@pytest.fixture
def directory(measured: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(measured, tmp_path / "text")
    return tmp_path / "text"


def _measured(kind: Kind, parent: Path) -> Path:
    directory = parent / kind
    shutil.copytree(towers.exported(kind), directory)
    quantise.main(["--from", str(directory), "--measure"])
    return directory


def _change(directory: Path, change: Callable[[Record], object]) -> None:
    path = directory / "quantised" / "quantised.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_a_measured_tower_is_used(directory: Path) -> None:
    """Measured good enough on pinned weights, it encodes, nearly but not quite as float32 does."""
    _change(directory, lambda record: record["measured"].update(_GOOD))
    texts = ["빨간 차 밤에", "man crying"]
    exact = OnnxBgeM3(directory).encode(texts)
    found = OnnxBgeM3(directory, quantised=True).encode(texts)
    assert 0.9 < (exact * found).sum(axis=1).min() < 1 - 1e-7
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_pictures_have_one_too(tmp_path: Path) -> None:
    """SigLIP's int8 tower is made, measured and used in the same way."""
    directory = _measured("siglip", tmp_path)
    _change(directory, lambda record: record["measured"].update(_GOOD))
    exact = OnnxSiglipText(directory).encode_texts(["red car"])
    found = OnnxSiglipText(directory, quantised=True).encode_texts(["red car"])
    assert 0.9 < float((exact * found).sum()) < 1 - 1e-7


def test_it_needs_no_float32_tower(directory: Path) -> None:
    """Search with int8 does not need the large files to be there."""
    _change(directory, lambda record: record["measured"].update(_GOOD))
    (directory / "model.onnx").unlink()
    (directory / "model.onnx.data").unlink()
    OnnxBgeM3(directory, quantised=True)


def test_it_is_smaller(measured: Path) -> None:
    """The int8 weights take less than half of the room."""
    exact, small = (measured / part / "model.onnx.data" for part in ("", "quantised"))
    assert small.stat().st_size < exact.stat().st_size / 2


def test_it_is_off_by_default(directory: Path) -> None:
    """A measured int8 tower is not used unasked."""
    texts = ["man crying"]
    expected = OnnxBgeM3(towers.exported("bge-m3")).encode(texts)
    np.testing.assert_array_equal(OnnxBgeM3(directory).encode(texts), expected)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record["measured"].update(min_cosine=0.9899), "loses too much"),
        (lambda record: record["measured"].update(min_cosine=float("nan")), "loses too much"),
        (lambda record: record["measured"].update(recall=0.9449), "loses too much"),
        (lambda record: record.update(measured=None), "nobody measured"),
        (lambda record: record.update(source={}), "other weights"),
        (lambda record: record.update(revision="f" * 40), "other weights"),
        (lambda record: record.update(files={}), "other weights"),
        (lambda record: record.pop("measured"), "has no quantised tower"),
        (lambda record: record["measured"].pop("recall"), "has no quantised tower"),
        (lambda record: record["measured"].update(recall="x"), "has no quantised tower"),
    ],
)
def test_what_is_not_good_enough_is_refused(
    directory: Path, change: Callable[[Record], object], reason: str
) -> None:
    """A loss beyond the limits, or none known, is refused with the command that measures."""
    _change(directory, lambda record: record["measured"].update(_GOOD))
    _change(directory, change)
    with pytest.raises(ConfigError, match=reason) as refused:
        OnnxBgeM3(directory, quantised=True)
    assert "python -m gpu_jobs.models.quantise --from" in str(refused.value)
    assert "--measure" in str(refused.value)


def test_unpinned_weights_are_refused(directory: Path) -> None:
    """A measurement on weights that nobody pinned counts for nothing."""
    _change(directory, lambda record: record["measured"].update(_GOOD))
    _change(directory, lambda record: record.update(revision=""))
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"revision": ""}))
    with pytest.raises(ConfigError, match="not pinned") as refused:
        OnnxBgeM3(directory, quantised=True)
    assert "make models-pin" in str(refused.value)


def test_no_quantised_tower_is_refused(directory: Path) -> None:
    """Asked for and not there is an error, not a silent float32."""
    shutil.rmtree(directory / "quantised")
    with pytest.raises(ConfigError, match=r"gpu_jobs\.models\.quantise"):
        OnnxBgeM3(directory, quantised=True)


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
def test_changed_files_are_refused(directory: Path, name: str) -> None:
    """An int8 file that is not the measured one is refused."""
    _change(directory, lambda record: record["measured"].update(_GOOD))
    path = directory / "quantised" / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ConfigError, match="sha256"):
        OnnxBgeM3(directory, quantised=True)


def test_quantising_again_forgets_the_measurement(directory: Path) -> None:
    """A new int8 tower is unmeasured until it is measured."""
    quantise.quantise(directory, directory / "quantised")
    with pytest.raises(ConfigError, match="nobody measured"):
        OnnxBgeM3(directory, quantised=True)


def test_equal_towers_lose_nothing() -> None:
    """The same vectors have cosine 1, the same recall and the same neighbours."""
    vectors = _random(60)
    found = quantise.compare(vectors, vectors)
    assert found.min_cosine == pytest.approx(1)
    assert (found.overlap, found.recall) == (1, found.recall_fp32)


def test_loss_is_seen() -> None:
    """One broken vector lowers the least cosine; broken pairs lower the recall and the overlap."""
    half = _random(30)
    exact = np.concatenate([half, half])
    broken = exact.copy()
    broken[0] = -broken[0]
    found = quantise.compare(exact, broken)
    assert found.min_cosine == pytest.approx(-1)
    assert found.recall_fp32 == 1
    assert found.recall == pytest.approx(58 / 60)
    assert found.overlap < 1


def test_the_sentences_are_pairs_in_two_languages() -> None:
    """The list has at least 60 distinct sentences, Korean first and English second."""
    sentences = quantise.read_pairs(quantise.SENTENCES)
    half = len(sentences) // 2
    assert len(set(sentences)) == len(sentences) >= 60
    assert not any(text.isascii() for text in sentences[:half])
    assert all(text.isascii() for text in sentences[half:])


def test_broken_lists_are_refused(tmp_path: Path) -> None:
    """Lines that are no pairs, or too few of them, measure nothing."""
    path = tmp_path / "sentences.tsv"
    for text in ("one\n" * 40, "a\tb\n" * 20):
        path.write_text(text)
        with pytest.raises(ConfigError, match="more than 20 lines"):
            quantise.read_pairs(path)


def _random(count: int) -> quantise.Floats:
    vectors = np.random.default_rng(5).normal(size=(count, 16)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
