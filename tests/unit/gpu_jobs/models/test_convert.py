"""Pickles become safetensors once, with the same bytes every time, and run nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from common import model_files
from common.errors import ConfigError
from common.registry import Model
from gpu_jobs.models import convert
from gpu_jobs.models.fetch import Fetched, Fetcher
from gpu_jobs.models.hub import FetchError, Hub
from gpu_jobs.models.progress import Lines
from tests import tiny_models
from tests.hub import StandIn, hub

pytestmark = pytest.mark.torch

NAME = "bge-m3-safetensors"


def _write_pickles(directory: Path) -> None:
    """What BAAI/bge-m3 ships, 8 wide: a trunk and two linear heads, as torch saves them."""
    import torch

    torch.manual_seed(3)
    directory.mkdir(parents=True, exist_ok=True)
    trunk = {
        "embeddings.word_embeddings.weight": torch.randn(11, 8),
        "encoder.layer.0.output.dense.weight": torch.randn(8, 8).t(),
        "embeddings.position_ids": torch.arange(4).unsqueeze(0),
    }
    torch.save(trunk, directory / "pytorch_model.bin")
    for head, width in (("sparse", 1), ("colbert", 8)):
        torch.save(torch.nn.Linear(8, width).state_dict(), directory / f"{head}_linear.pt")


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that the hub holds."""
    directory = tmp_path_factory.mktemp("pickles")
    _write_pickles(directory)
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    return files | {"config.json": tiny_models.CONFIG}


@pytest.fixture
def stand_in(pickles: dict[str, bytes]) -> Iterator[StandIn]:
    """A hub with the model that ships pickles."""
    with hub() as running:
        running.files = {"owner/tiny-text": dict(pickles)}
        yield running


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert without the child, which takes seconds to load torch."""
    monkeypatch.setattr(convert, "run", lambda name, directory: convert.bge_m3(directory))


def _fetch(stand_in: StandIn, home: Path, model: Model, *, again: bool = False) -> Fetched:
    with Hub(stand_in.endpoint) as client, Lines(Console(quiet=True)) as lines:
        return Fetcher(client, home, lines).fetch(model, again=again)


def _hashes(directory: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
        for name in ("model.safetensors", "heads.safetensors")
    }


def test_the_tensors_are_all_there_and_the_same(tmp_path: Path) -> None:
    """Trunk under its own names, heads under the documented ones, no value changed."""
    import torch
    from safetensors.torch import load_file

    _write_pickles(tmp_path)
    convert.bge_m3(tmp_path)
    trunk = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    converted = load_file(tmp_path / "model.safetensors")
    assert converted.keys() == trunk.keys()
    assert all(torch.equal(converted[name], trunk[name]) for name in trunk)
    heads = load_file(tmp_path / "heads.safetensors")
    assert sorted(heads) == ["colbert.bias", "colbert.weight", "sparse.bias", "sparse.weight"]
    assert heads["sparse.weight"].shape == (1, 8)
    assert heads["colbert.weight"].shape == (8, 8)
    for head in ("sparse", "colbert"):
        linear = torch.load(tmp_path / f"{head}_linear.pt", weights_only=True)
        assert all(torch.equal(heads[f"{head}.{name}"], linear[name]) for name in linear)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    """Also from pickles that hold the tensors in another order."""
    import torch

    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        _write_pickles(directory)
    trunk = torch.load(second / "pytorch_model.bin", weights_only=True)
    torch.save(dict(reversed(trunk.items())), second / "pytorch_model.bin")
    convert.bge_m3(first)
    convert.bge_m3(second)
    assert _hashes(first) == _hashes(second)


def test_the_command_converts_in_a_process_of_its_own(stand_in: StandIn, tmp_path: Path) -> None:
    """Then the pickles are gone, and a second run fetches none of them again."""
    model = tiny_models.text(stand_in.files["owner/tiny-text"])
    directory = _fetch(stand_in, tmp_path, model).directory
    names = {path.name for path in directory.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "heads.safetensors", model_files.STAMP
    }  # fmt: skip
    model_files.verify(model, directory)
    stand_in.asked.clear()
    assert _fetch(stand_in, tmp_path, model).downloaded_bytes == 0
    assert stand_in.asked == []


@pytest.mark.usefixtures("in_process")
def test_a_pickle_that_waits_is_no_model(stand_in: StandIn, tmp_path: Path) -> None:
    """A worker refuses a directory that still holds one."""
    model = tiny_models.text(stand_in.files["owner/tiny-text"])
    directory = _fetch(stand_in, tmp_path, model).directory
    (directory / "sparse_linear.pt").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"sparse_linear\.pt .* not in the registry"):
        model_files.verify(model, directory)
    _fetch(stand_in, tmp_path, model)
    model_files.verify(model, directory)


@pytest.mark.usefixtures("in_process")
def test_the_outcome_is_verified(stand_in: StandIn, tmp_path: Path) -> None:
    """What comes out other than pinned is deleted, never loaded."""
    model = tiny_models.text(stand_in.files["owner/tiny-text"])
    made = _fetch(stand_in, tmp_path / "a", model).directory
    assert model.conversion is not None
    outputs = tuple(
        tiny_models.pinned(file.path, (made / file.path).read_bytes())
        for file in model.conversion.outputs
    )
    right = dataclasses.replace(
        model, conversion=dataclasses.replace(model.conversion, outputs=outputs)
    )
    _fetch(stand_in, tmp_path / "b", right)
    wrong = dataclasses.replace(
        right,
        conversion=dataclasses.replace(
            model.conversion,
            outputs=(outputs[0], dataclasses.replace(outputs[1], sha256="0" * 64)),
        ),
    )
    with pytest.raises(FetchError, match=r"heads\.safetensors came out .* other than pinned"):
        _fetch(stand_in, tmp_path / "c", wrong)
    left = tmp_path / "c" / "tiny-text" / model.revision / "heads.safetensors"
    assert not left.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "sparse_linear.pt"])
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, name: str) -> None:
    """Only tensors are loaded: a pickle that calls a function fails instead."""
    _write_pickles(tmp_path)
    mark = tmp_path / "ran"
    # Protocol 0: call os.system with one argument.
    (tmp_path / name).write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    with pytest.raises(Exception, match="Weights only load failed"):
        convert.bge_m3(tmp_path)
    assert not mark.exists()
    assert not (tmp_path / "heads.safetensors").exists()


def test_a_head_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file with other tensors than a linear layer's does not become a head."""
    import torch

    _write_pickles(tmp_path)
    torch.save({"weight": torch.zeros(1, 8)}, tmp_path / "sparse_linear.pt")
    with pytest.raises(FetchError, match=r"conversion .* failed: .* not a linear layer"):
        convert.run(NAME, tmp_path)


def test_a_missing_library_is_said_before_the_download(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without torch no gigabyte is fetched in vain."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FetchError, match="needs torch"):
        _fetch(stand_in, tmp_path, tiny_models.text(stand_in.files["owner/tiny-text"]))
    assert stand_in.asked == []
