"""`python -m gpu_jobs.models` as people and builds run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import model_files
from common.registry import load
from gpu_jobs.models.__main__ import main
from tests import tiny_models
from tests.hub import StandIn, hub
from tests.tiny_models import WEIGHTS, faces, speech

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A hub that holds the tiny models, as HF_ENDPOINT."""
    with hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint + "/")
        yield tiny_models.fill(running)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry file with two models."""
    return tiny_models.write_registry(tmp_path / "registry.json", speech(), faces())


def _run(registry: Path, *arguments: str) -> int:
    home = registry.parent / "models"
    return main(["--registry", str(registry), "--dir", str(home), *arguments])


def test_one_run_is_enough(
    stand_in: StandIn, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first run fetches and says how much, the second says that there is nothing to do."""
    assert _run(registry, "--profile", "cpu") == 0
    first = capsys.readouterr().out
    assert "tiny-speech/model.bin  900.0 kB, verified" in first
    assert "2 complete in" in first
    stand_in.asked.clear()
    assert _run(registry, "--profile", "cpu") == 0
    assert "nothing to download" in capsys.readouterr().out
    assert stand_in.asked == []


def test_check_mends_what_is_damaged(stand_in: StandIn, registry: Path) -> None:
    """Damage that only a hash can see is found by --check and fetched anew."""
    _run(registry, "--profile", "cpu")
    path = registry.parent / "models" / "tiny-speech" / speech().revision / "model.bin"
    status = path.stat()
    path.write_bytes(b"\x06\0\0\0" + bytes(len(WEIGHTS) - 4))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _run(registry, "--profile", "cpu", "--check") == 0
    assert path.read_bytes() == WEIGHTS


def test_only_takes_one_model(stand_in: StandIn, registry: Path) -> None:
    """The other is left alone."""
    assert _run(registry, "--only", "tiny-faces") == 0
    assert sorted(path.name for path in (registry.parent / "models").iterdir()) == ["tiny-faces"]


def test_errors_say_what_failed_and_exit_1(
    stand_in: StandIn, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown key, unlicensed model, corruption: one line, no stack."""
    assert _run(registry, "--only", "nobody") == 1
    assert "Error: there is no model 'nobody'" in capsys.readouterr().out
    stand_in.faults["model.bin"] = ["corrupt"]
    assert _run(registry, "--only", "tiny-speech") == 1
    assert "Error: tiny-speech/model.bin: what came has SHA-256" in capsys.readouterr().out
    assert main(["--only", "adaface-ir101-webface12m", "--dir", str(registry.parent)]) == 1
    assert "not cleared for commercial use" in capsys.readouterr().out


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a profile nothing is guessed."""
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert "--profile cpu" in capsys.readouterr().err


def test_pins_are_checked_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 names what is not pinned; exit 0 if all is."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    path = tiny_models.write_registry(tmp_path / "r.json", speech(), tiny_models.unpinned(faces()))
    assert _run(path, "--profile", "gpu", "--check-pins") == 1
    assert capsys.readouterr().out == "tiny-faces: not pinned: revision, onnx/find.onnx\n"
    path = tiny_models.write_registry(tmp_path / "r.json", speech(), faces())
    assert _run(path, "--profile", "gpu", "--check-pins") == 0


def test_pin_writes_the_registry(
    stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Afterwards the file is pinned, canonical, and the models are there for an ordinary run."""
    path = tiny_models.write_registry(tmp_path / "r.json", tiny_models.unpinned(speech()), faces())
    assert _run(path, "--profile", "gpu", "--pin") == 0
    assert _run(path, "--profile", "gpu", "--check-pins") == 0
    assert load(path).model("tiny-speech").files == speech().files
    assert load(path).model("tiny-faces") == faces()
    stand_in.asked.clear()
    assert _run(path, "--profile", "gpu") == 0
    assert stand_in.asked == []


def test_a_stopped_download_goes_on(stand_in: StandIn, registry: Path) -> None:
    """Ctrl-C in the middle of a file leaves its bytes; the next run fetches only the rest."""
    stand_in.faults["model.bin"] = ["hold"]
    home = registry.parent / "models"
    command = [
        sys.executable, "-m", "gpu_jobs.models", "--profile", "cpu",
        "--registry", str(registry), "--dir", str(home),
    ]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "HF_ENDPOINT": stand_in.endpoint,
        "PYTHONPATH": str(REPOSITORY),
    }
    running = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    part = home / "tiny-speech" / speech().revision / "model.bin.part"
    try:
        assert stand_in.half_sent.wait(60)
        while not part.is_file() or part.stat().st_size < 100_000:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
        stand_in.go_on.set()
    assert (running.returncode, err) == (130, "")
    assert "Stopped. Run the same command again to go on." in out
    kept = part.stat().st_size
    assert 0 < kept < len(WEIGHTS)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert stand_in.stored("model.bin")[1].range == f"bytes={kept}-"
    model_files.verify(speech(), part.parent)
    assert (part.parent / "model.bin").read_bytes() == WEIGHTS
