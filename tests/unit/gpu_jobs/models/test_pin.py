"""Pinning fills what is empty and changes nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from common.registry import Model, ModelFile
from gpu_jobs.models import pin
from gpu_jobs.models.fetch import Fetcher
from gpu_jobs.models.hub import FetchError, Hub
from gpu_jobs.models.progress import Lines
from tests import tiny_models
from tests.hub import REVISION, StandIn, hub
from tests.tiny_models import SPEECH, faces, speech

TODAY = date(2026, 11, 27)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A hub that holds the tiny models."""
    with hub() as running:
        yield tiny_models.fill(running)


def _pin(stand_in: StandIn, home: Path, model: Model) -> Model:
    with (
        Hub(stand_in.endpoint, pause=lambda seconds: None) as client,
        Lines(Console(quiet=True)) as lines,
    ):
        return pin.pin(model, client, Fetcher(client, home, lines), today=TODAY)


def test_everything_unknown_is_filled_in(stand_in: StandIn, tmp_path: Path) -> None:
    """Revision, hashes and lengths become those of the hub, and it is said who filled them in."""
    pinned = _pin(stand_in, tmp_path, tiny_models.unpinned(speech()))
    by = f"make models-pin on 2026-11-27 from {stand_in.endpoint}"
    assert pinned == dataclasses.replace(speech(), pinned_by=by)
    assert (tmp_path / "tiny-speech" / REVISION / "model.bin").is_file()


def test_what_is_pinned_is_never_changed(stand_in: StandIn, tmp_path: Path) -> None:
    """The hub's newest revision does not replace a pinned one; a complete model stays as it is."""
    assert _pin(stand_in, tmp_path, speech()) == speech()
    half = dataclasses.replace(
        speech(),
        files=(speech().files[0], *tiny_models.unpinned(speech()).files[1:]),
        pinned_by="somebody",
    )
    pinned = _pin(stand_in, tmp_path / "other", half)
    assert (pinned.revision, pinned.files) == (speech().revision, speech().files)
    assert pinned.pinned_by.startswith("somebody; the rest: make models-pin on 2026-11-27")


def test_a_changed_upstream_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    """A file that is not the pinned one stops the pinning of the others."""
    half = dataclasses.replace(
        speech(), files=(speech().files[0], *tiny_models.unpinned(speech()).files[1:])
    )
    stand_in.files[SPEECH]["config.json"] = b'{"model_type": "TINY"}'
    with pytest.raises(FetchError, match=r"config\.json: what came has SHA-256"):
        _pin(stand_in, tmp_path, half)


def test_the_hubs_index_is_a_second_witness(stand_in: StandIn, tmp_path: Path) -> None:
    """Bytes that the hub's own index does not know are not pinned."""
    stand_in.lies["model.bin"] = "0" * 64
    with pytest.raises(FetchError, match="nothing was pinned"):
        _pin(stand_in, tmp_path, tiny_models.unpinned(speech()))


def test_an_address_that_is_no_hub_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    """A repository that is not there, or an answer of another kind, is said plainly."""
    stranger = dataclasses.replace(tiny_models.unpinned(speech()), repository="owner/nobody")
    with pytest.raises(FetchError, match="answers 404"):
        _pin(stand_in, tmp_path, stranger)
    stand_in.revision = None  # type: ignore[assignment]
    with pytest.raises((FetchError, ValueError), match="revision"):
        _pin(stand_in, tmp_path, tiny_models.unpinned(speech()))


def test_a_supplied_model_is_pinned_from_its_files(stand_in: StandIn, tmp_path: Path) -> None:
    """Whoever supplies it vouches for it; no hub is asked."""
    model = dataclasses.replace(
        faces(), supplied=True, revision="", files=(ModelFile(path="onnx/find.onnx"),)
    )
    place = tmp_path / model.key / "unpinned" / "onnx"
    place.mkdir(parents=True)
    (place / "find.onnx").write_bytes(tiny_models.ONNX)
    pinned = _pin(stand_in, tmp_path, model)
    assert pinned.files == faces().files
    assert pinned.is_pinned
    assert "supplied by the operator" in pinned.pinned_by
    assert stand_in.asked == []
