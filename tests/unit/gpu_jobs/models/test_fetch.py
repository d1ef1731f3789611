"""Downloads from a hub on this machine: resumed, verified, refused."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from common import model_files
from common.errors import ConfigError
from common.registry import Model, ModelFile, model_directory
from gpu_jobs.models.fetch import Fetched, Fetcher
from gpu_jobs.models.hub import FetchError, Hub
from gpu_jobs.models.progress import Lines
from tests import tiny_models
from tests.hub import Fault, StandIn, hub
from tests.tiny_models import CONFIG, CONTENTS, SPEECH, WEIGHTS, faces, speech

HALF = len(WEIGHTS) // 2


class Rig(NamedTuple):
    """A hub, where its models go, and how long was waited."""

    hub: StandIn
    home: Path
    pauses: list[float]

    def fetch(self, model: Model, *, full: bool = False, again: bool = False) -> Fetched:
        """Fetch as the command does, without its pauses."""
        with (
            Hub(self.hub.endpoint, pause=self.pauses.append) as client,
            Lines(Console(quiet=True)) as lines,
        ):
            return Fetcher(client, self.home, lines, full=full).fetch(model, again=again)

    def part(self, model: Model, path: str) -> Path:
        """Where the bytes of an unfinished download are."""
        return model_directory(self.home, model) / f"{path}.part"

    def leave_part(self, model: Model, path: str, content: bytes) -> Path:
        """Leave what an earlier, stopped download would."""
        part = self.part(model, path)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        return part


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A hub that holds the tiny models."""
    with hub() as stand_in:
        yield Rig(hub=tiny_models.fill(stand_in), home=tmp_path / "models", pauses=[])


def _ranges(rig: Rig, path: str) -> list[str]:
    return [asked.range for asked in rig.hub.stored(path)]


def test_a_fetched_model_is_complete_and_right(rig: Rig) -> None:
    """Every file comes through the hub's redirect with its own bytes, and nothing is left over."""
    fetched = rig.fetch(speech())
    found = {
        path.relative_to(fetched.directory).as_posix(): path.read_bytes()
        for path in fetched.directory.rglob("*")
    }
    assert found.pop(model_files.STAMP)
    assert found == CONTENTS[SPEECH]
    assert fetched.directory == rig.home / "tiny-speech" / speech().revision
    model_files.verify(speech(), fetched.directory)


def test_a_second_run_asks_the_hub_for_nothing(rig: Rig) -> None:
    """What is there and was verified is left alone, without a single request."""
    rig.fetch(speech())
    rig.hub.asked.clear()
    assert rig.fetch(speech()).downloaded_bytes == 0
    assert rig.hub.asked == []


def test_a_broken_connection_goes_on_where_it_broke(rig: Rig) -> None:
    """The next request asks for the rest alone, and the whole is right."""
    rig.hub.faults["model.bin"] = ["cut"]
    fetched = rig.fetch(speech())
    first, second = _ranges(rig, "model.bin")
    assert first == ""
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= HALF
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_a_stopped_download_goes_on_in_the_next_run(rig: Rig) -> None:
    """What an earlier run left is kept and only the rest is fetched."""
    rig.leave_part(speech(), "model.bin", WEIGHTS[:HALF])
    fetched = rig.fetch(speech())
    assert _ranges(rig, "model.bin") == [f"bytes={HALF}-"]
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_a_complete_part_is_not_fetched_again(rig: Rig) -> None:
    """A run that was stopped between the last byte and the check costs no request."""
    rig.leave_part(speech(), "model.bin", WEIGHTS)
    fetched = rig.fetch(speech())
    assert _ranges(rig, "model.bin") == []
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_a_hub_that_ignores_ranges_starts_again(rig: Rig) -> None:
    """The whole file in answer to a range replaces what was kept instead of following it."""
    rig.leave_part(speech(), "model.bin", WEIGHTS[:HALF])
    rig.hub.faults["model.bin"] = ["ignore_range"]
    fetched = rig.fetch(speech())
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_other_bytes_than_asked_for_are_thrown_away(rig: Rig) -> None:
    """A part of the file that does not follow what was kept is not appended to it."""
    rig.leave_part(speech(), "model.bin", WEIGHTS[:HALF])
    rig.hub.faults["model.bin"] = ["other_range"]
    fetched = rig.fetch(speech())
    assert _ranges(rig, "model.bin") == [f"bytes={HALF}-", ""]
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    "kept", [WEIGHTS + b"more", WEIGHTS[:10] + b"other"], ids=["long", "other"]
)
def test_a_damaged_part_never_becomes_a_model(rig: Rig, kept: bytes) -> None:
    """What cannot be the start of the pinned file is refused or fetched anew."""
    part = rig.leave_part(speech(), "model.bin", kept)
    if len(kept) < len(WEIGHTS):
        with pytest.raises(FetchError, match="SHA-256"):
            rig.fetch(speech())
        assert not part.exists()
    assert (rig.fetch(speech()).directory / "model.bin").read_bytes() == WEIGHTS


def test_an_unpinned_part_is_kept_only_if_the_file_is_still_the_same(rig: Rig) -> None:
    """Without a hash, bytes of yesterday's file are never joined with today's."""
    model = tiny_models.unpinned(speech())
    part = rig.leave_part(model, "model.bin", WEIGHTS[:HALF])
    part.with_name("model.bin.part.etag").write_text('"of an older file"')
    fetched = rig.fetch(model)
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS
    (asked,) = rig.hub.stored("model.bin")
    assert (asked.range, asked.if_range) == (f"bytes={HALF}-", '"of an older file"')


def test_an_unpinned_part_without_a_tag_is_fetched_anew(rig: Rig) -> None:
    """Nothing says that it belongs to the same file."""
    model = tiny_models.unpinned(speech())
    rig.leave_part(model, "model.bin", b"x" * HALF)
    fetched = rig.fetch(model)
    assert _ranges(rig, "model.bin") == [""]
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_an_unpinned_download_goes_on_too(rig: Rig) -> None:
    """The hub's tag vouches for the bytes that came before the break."""
    rig.hub.faults["model.bin"] = ["cut"]
    fetched = rig.fetch(tiny_models.unpinned(speech()))
    second = rig.hub.stored("model.bin")[1]
    assert second.range != ""
    assert second.if_range != ""
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_a_corrupted_download_is_refused_and_deleted(rig: Rig) -> None:
    """Wrong bytes of the right length reach neither the model nor the next run."""
    rig.hub.faults["model.bin"] = ["corrupt"]
    with pytest.raises(FetchError, match="SHA-256"):
        rig.fetch(speech())
    directory = model_directory(rig.home, speech())
    assert sorted(path.name for path in directory.iterdir()) == ["config.json"]
    with pytest.raises(ConfigError, match=r"model\.bin is missing"):
        model_files.verify(speech(), directory)
    rig.fetch(speech())
    model_files.verify(speech(), directory)


def test_another_length_than_pinned_is_refused_before_it_is_downloaded(rig: Rig) -> None:
    """A hub that serves another file says so by its length."""
    rig.hub.files[SPEECH]["model.bin"] = WEIGHTS + b"more"
    with pytest.raises(FetchError, match="pins 900005"):
        rig.fetch(speech())
    assert not rig.part(speech(), "model.bin").exists()


def test_a_false_length_does_not_pass(rig: Rig) -> None:
    """A body cut short behind a length that fits it is still not the pinned file."""
    model = speech()
    files = tuple(dataclasses.replace(file, size_bytes=0) for file in model.files)
    rig.hub.faults["model.bin"] = ["short"]
    with pytest.raises(FetchError, match="SHA-256"):
        rig.fetch(dataclasses.replace(model, files=files))


def test_a_busy_hub_is_asked_again_when_it_says(rig: Rig) -> None:
    """503 is not the end: the pause is the one that the hub asked for."""
    rig.hub.faults["model.bin"] = ["busy", "busy"]
    rig.fetch(speech())
    assert rig.pauses == [7.0, 7.0]


def test_a_hub_that_stays_busy_is_given_up(rig: Rig) -> None:
    """After five tries without a new byte the error says what to do."""
    rig.hub.faults["model.bin"] = ["busy"] * 9
    with pytest.raises(FetchError, match="run the same command again"):
        rig.fetch(speech())
    assert len(rig.hub.stored("model.bin")) == 5


def test_progress_counts_as_hope(rig: Rig) -> None:
    """A connection that breaks ten times but brings something each time gets there."""
    rig.hub.faults["model.bin"] = ["cut"] * 10
    fetched = rig.fetch(speech())
    assert (fetched.directory / "model.bin").read_bytes() == WEIGHTS


def test_breaking_off_without_a_byte_is_given_up(rig: Rig) -> None:
    """No progress, no hope."""
    nothing: Fault = "cut_at_once"
    rig.hub.faults["model.bin"] = ["cut", *[nothing] * 9]
    with pytest.raises(FetchError, match="5 times in a row"):
        rig.fetch(speech())


def test_nobody_there_is_said_plainly(tmp_path: Path) -> None:
    """A hub that cannot be reached gives an error about the network, not a stack."""
    rig = Rig(hub=StandIn(endpoint="http://127.0.0.1:1"), home=tmp_path, pauses=[])
    with pytest.raises(FetchError, match="Check the network"):
        rig.fetch(speech())


def test_an_unknown_revision_is_said_plainly(rig: Rig) -> None:
    """404 is final: nothing is tried again."""
    with pytest.raises(FetchError, match="answers 404"):
        rig.fetch(dataclasses.replace(speech(), revision="f" * 40))
    assert rig.pauses == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("config.json", b"\x80\x04\x95rest of a pickle"),
        ("config.json", b"<!doctype html>Sign in"),
        ("model.bin", b"PK\x03\x04 a zip as torch writes it"),
        ("model.bin", b"\x80\x02}q\x00(X\x05"),
        ("vocabulary.txt", b"\x80\x02}q\x00(X\x05"),
    ],
    ids=["json", "page", "zip", "pickle", "text"],
)
def test_a_pickle_under_another_name_is_refused(rig: Rig, path: str, content: bytes) -> None:
    """Content that is not of the format of its name is refused, pinned or not."""
    model = speech()
    files = tuple(
        tiny_models.pinned(path, content) if file.path == path else file for file in model.files
    )
    rig.hub.files[SPEECH][path] = content
    for attempt in (dataclasses.replace(model, files=files), tiny_models.unpinned(model)):
        with pytest.raises(FetchError, match="does not hold what its name says"):
            rig.fetch(attempt)
        assert not (model_directory(rig.home, attempt) / path).exists()
        assert not rig.part(attempt, path).exists()


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".model"])
def test_a_pickle_is_no_onnx_or_safetensors(rig: Rig, suffix: str) -> None:
    """The same for the other formats."""
    content = b"\x80\x02}q\x00(X\x05\x00\x00\x00"
    rig.hub.files[SPEECH][f"weights{suffix}"] = content
    model = dataclasses.replace(speech(), files=(tiny_models.pinned(f"weights{suffix}", content),))
    with pytest.raises(FetchError, match="does not hold what its name says"):
        rig.fetch(model)


@pytest.mark.parametrize("name", ["extra.safetensors", "sub/evil.pkl", "pytorch_model.bin"])
def test_unlisted_files_are_refused(rig: Rig, name: str) -> None:
    """A file that the registry does not list is neither left beside a model nor loaded with it."""
    directory = rig.fetch(speech()).directory
    stray = directory / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    with pytest.raises(ConfigError, match="not in the registry"):
        model_files.verify(speech(), directory)
    with pytest.raises(FetchError, match="not in the registry"):
        rig.fetch(speech())


def test_what_was_derived_here_is_no_stranger(rig: Rig) -> None:
    """Files made from a model on this machine may stay beside it."""
    directory = rig.fetch(speech()).directory
    (directory / "derived").mkdir()
    (directory / "derived" / "text.onnx").write_bytes(b"x")
    model_files.verify(speech(), directory)
    rig.fetch(speech())


def test_a_changed_file_is_noticed(rig: Rig) -> None:
    """Other bytes of the same length are refused by a worker and mended by the next fetch."""
    directory = rig.fetch(speech()).directory
    (directory / "config.json").write_bytes(bytes(reversed(CONFIG)))
    with pytest.raises(ConfigError, match=r"config\.json is not what is pinned"):
        model_files.verify(speech(), directory)
    rig.hub.asked.clear()
    rig.fetch(speech())
    assert {asked.path.rpartition("/")[2] for asked in rig.hub.asked} == {"config.json"}
    model_files.verify(speech(), directory)


def test_a_full_check_does_not_believe_the_stamp(rig: Rig) -> None:
    """Damage that left length and time as they were is found when everything is hashed."""
    directory = rig.fetch(speech()).directory
    path = directory / "model.bin"
    status = path.stat()
    path.write_bytes(WEIGHTS[:-1] + b"?")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    model_files.verify(speech(), directory)
    with pytest.raises(ConfigError, match=r"model\.bin is not what is pinned"):
        model_files.verify(speech(), directory, full=True)
    rig.fetch(speech(), full=True)
    assert path.read_bytes() == WEIGHTS


def test_a_copied_model_is_hashed_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a stamp everything is hashed, then remembered."""
    directory = rig.fetch(speech()).directory
    (directory / model_files.STAMP).unlink()
    hashed: list[Path] = []
    real = model_files.sha256_of

    def counted(path: Path, **options: Any) -> str:
        hashed.append(path)
        return real(path, **options)

    monkeypatch.setattr(model_files, "sha256_of", counted)
    model_files.verify(speech(), directory)
    assert len(hashed) == len(speech().files)
    model_files.verify(speech(), directory)
    assert len(hashed) == len(speech().files)


def test_another_revision_is_another_directory(rig: Rig) -> None:
    """Two revisions never mix their files."""
    old = rig.fetch(speech()).directory
    rig.hub.revision = "a" * 40
    new = rig.fetch(dataclasses.replace(speech(), revision="a" * 40)).directory
    assert old != new
    model_files.verify(speech(), old)


def test_two_at_once_download_once(rig: Rig) -> None:
    """The second waits for the first and finds everything there."""
    rig.hub.faults["model.bin"] = ["hold"]
    outcomes: list[int] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(rig.fetch(speech()).downloaded_bytes))
        for _ in range(2)
    ]
    threads[0].start()
    assert rig.hub.half_sent.wait(30)
    threads[1].start()
    rig.hub.go_on.set()
    for thread in threads:
        thread.join()
    total = sum(len(content) for content in CONTENTS[SPEECH].values())
    assert sorted(outcomes) == [0, total]


def test_a_full_disk_is_noticed_before_anything_is_downloaded(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names what is missing, what is free and where."""
    usage = shutil.disk_usage("/")._replace(free=200_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with Hub(rig.hub.endpoint) as client, Lines(Console(quiet=True)) as lines:
        fetcher = Fetcher(client, rig.home, lines)
        with pytest.raises(FetchError, match=r"900.*are missing and 200\.5 MB are free"):
            fetcher.check_space([speech()])
        rig.leave_part(speech(), "model.bin", WEIGHTS[:600_000])
        fetcher.check_space([speech()])
    assert rig.hub.asked == []


def test_a_supplied_model_is_checked_but_not_downloaded(rig: Rig) -> None:
    """Its absence is said with the place where it belongs; its hash counts as any other's."""
    model = dataclasses.replace(faces(), supplied=True, revision="")
    with pytest.raises(FetchError, match=r"no public download: put onnx/find\.onnx into"):
        rig.fetch(model)
    place = model_directory(rig.home, model) / "onnx"
    place.mkdir()
    (place / "find.onnx").write_bytes(tiny_models.ONNX)
    assert rig.fetch(model).downloaded_bytes == 0
    model_files.verify(model, place.parent)
    other = hashlib.sha256(b"other").hexdigest()
    wrong = dataclasses.replace(model, files=(ModelFile(path="onnx/find.onnx", sha256=other),))
    with pytest.raises(FetchError, match="no public download"):
        rig.fetch(wrong)
    assert rig.hub.asked == []
