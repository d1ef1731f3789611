"""What runs logged is compared with the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.cost_model import measured, work
from local.cost_model.__main__ import main


def _log(path: Path, *events: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def _costed(lane: str, seconds: dict[str, float], cost_usd: float) -> dict[str, Any]:
    return {"action": "run.costed", "lane": lane, "seconds": seconds, "cost_usd": cost_usd}


def test_runs_are_summed_by_lane(tmp_path: Path) -> None:
    """Seconds and dollars of all runs in all files; other events and torn lines count nothing."""
    _log(tmp_path / "logs" / "a.log", _costed("gpu", {"embed_text": 2.0}, 0.5))
    _log(
        tmp_path / "logs" / "b.log",
        {"action": "run.claimed", "note": "run.costed"},
        _costed("gpu", {"embed_text": 3.0, "text_read": 1.0}, 0.25),
        _costed("media", {"upload_validate": 1.0}, 0.125),
    )
    with (tmp_path / "logs" / "b.log").open("a", encoding="utf-8") as log:
        log.write('{"action": "run.costed", "lane": "gpu", "sec')
    gpu, media = measured.read(tmp_path)
    assert (gpu.lane, gpu.runs, gpu.cost_usd) == ("gpu", 2, 0.75)
    assert gpu.seconds == {"embed_text": 5.0, "text_read": 1.0}
    assert (media.lane, media.runs, media.cost_usd) == ("media", 1, 0.125)


def test_the_report_puts_model_and_measurement_side_by_side(tmp_path: Path) -> None:
    """The decode pass, which runs log by its artifacts, is compared with the model's decoding."""
    name = "audio_extract+scene_detect+vision_sample_frames"
    _log(tmp_path / "a.log", _costed("media", {name: 30.0}, 0.0))
    table = work.load()
    lines = measured.report(measured.read(tmp_path), 2.0, table)
    expected = f"{table.seconds_per_minute('media')['decode']:.2f}"
    assert [line.split() for line in lines if name in line] == [[name, "15.00", expected]]


def test_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory without costs is not compared with anything."""
    assert main(["--measured", str(tmp_path)]) == 1
    assert "no run's cost" in capsys.readouterr().err
