"""The crafted inputs, one after another through the media lane of one worker."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from common import artifacts
from common.domain import Media
from common.errors import CODES
from gpu_jobs.stages import decode_pass, upload_validate
from tests.hostile import crafted
from tests.hostile.case import ACCEPTED, Case
from tests.hostile.lane import Outcome
from tests.hostile.table import CASES

pytestmark = [
    # One group, or each process of a parallel run would go through all of them.
    pytest.mark.xdist_group("hostile"),
    # A busy machine, not a hanging test: each call has its own bound.
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the child is confined by Linux"),
]

PROJECT: Final = Path(__file__).resolve().parents[2]
MEDIA: Final = [case for case in CASES if case.where == "media"]
QUICK: Final = [case for case in MEDIA if not case.deep]
SLOW: Final = [case for case in MEDIA if case.deep]
#: One of each group is also run in a child started as in production.
SAMPLE: Final = (1, 15, 33, 45, 62, 71, 81, 94, 98, 107, 118)
_MAX_MEMORY_BYTES: Final = 1 << 30

Reports = dict[str, dict[str, Any]]


def _run(*arguments: str, timeout_s: float = 800) -> Reports:
    """The reports of one worker by the id of the input."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.crafted", *arguments],
        cwd=PROJECT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {report["id"]: report for report in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def reports() -> Reports:
    """What became of all inputs that take no long time."""
    return _run()


@pytest.fixture(scope="module")
def slow_reports() -> Reports:
    """What became of the others."""
    return _run(*(str(number) for number in {case.number for case in SLOW}), "--deep")


def test_the_list_is_complete() -> None:
    """All 120 classes are there, ids are unique, and only codes that exist are expected."""
    assert {case.number for case in CASES} == set(range(1, 121))
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.codes <= CODES.keys() | {ACCEPTED} for case in CASES)


def test_a_leak_and_a_call_would_be_noticed(tmp_path: Path) -> None:
    """The canary is found in cues and in pictures, and the honeypot knows who was there."""
    path = crafted.write_canary(tmp_path)
    media = Media(path=path, size_bytes=path.stat().st_size, content_type="")
    decoded = decode_pass.run(
        media, upload_validate=upload_validate.run(media), progress=lambda _: None
    )
    assert crafted.has_leaked(Outcome(decoded=decoded))
    assert crafted.has_leaked(Outcome(stored=artifacts.encode(decoded.audio_extract)))
    assert not crafted.has_leaked(Outcome(stored=artifacts.encode(decoded.scene_detect)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        assert not crafted.is_called(server)
        with socket.create_connection(server.getsockname()):
            assert crafted.is_called(server)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.id)
def test_a_crafted_input_ends_as_expected(reports: Reports, case: Case) -> None:
    """The code is the right one, nothing leaks, nobody is called, nothing is left behind."""
    _check(case, reports[case.id])


@pytest.mark.deep
@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.id)
def test_a_large_input_ends_as_expected(slow_reports: Reports, case: Case) -> None:
    """The same for inputs of half a gigabyte and of ten minutes."""
    _check(case, slow_reports[case.id])


@pytest.mark.parametrize("case", [c for c in QUICK if c.golden], ids=lambda case: case.id)
def test_an_odd_but_honest_clip_keeps_its_times(reports: Reports, case: Case) -> None:
    """Cuts, duration, size and rotation are those of the clip, to within one frame."""
    report, golden = reports[case.id], case.golden
    assert golden is not None
    assert report["duration_ms"] == pytest.approx(golden.duration_ms, abs=golden.frame_ms)
    if golden.cuts_ms:
        starts = [start for start, _ in report["scenes_ms"]][1:]
        assert starts == pytest.approx(golden.cuts_ms, abs=golden.frame_ms)
    if golden.size_px != (0, 0):
        assert tuple(report["size_px"]) == golden.size_px
    assert report["rotation_deg"] == golden.rotation_deg


@pytest.mark.parametrize("case", [c for c in QUICK if c.expected == ACCEPTED], ids=lambda c: c.id)
def test_times_of_whatever_is_accepted_are_in_order(reports: Reports, case: Case) -> None:
    """Scenes cover the video without gap, and pictures lie in it, by time."""
    report = reports[case.id]
    scenes, times = report["scenes_ms"], report["frame_times_ms"]
    assert [start for start, _ in scenes] == [0, *(end for _, end in scenes[:-1])]
    assert scenes[-1][1] == report["duration_ms"]
    assert times == sorted(set(times))
    assert 0 <= times[0] <= times[-1] < report["duration_ms"]


def test_cues_carry_neither_markup_nor_invisible_marks(reports: Reports) -> None:
    """What a subtitle track says is stored as plain text."""
    texts = {number: reports[f"{number:03}-{name}"]["cues"][0][2] for number, name in _CUES}
    assert texts == {98: "harmlessgnp.exe", 99: "alert(1)hello"}


_CUES: Final = ((98, "right-to-left-override"), (99, "script"))


def test_a_good_file_is_processed_after_all_of_them(reports: Reports) -> None:
    """The worker that has seen every attack still works."""
    assert list(reports)[-1] == "000-good-file"
    assert reports["000-good-file"]["code"] == ACCEPTED
    assert reports["000-good-file"]["duration_ms"] == 1000


def test_a_child_started_as_in_production_ends_the_same(reports: Reports) -> None:
    """The forks that save time change nothing: one input of each group, as a program each."""
    spawned = _run("--spawn", *map(str, SAMPLE))
    for name, report in spawned.items():
        assert report["code"] == reports[name]["code"], name
        assert (report["leaked"], report["called"], report["left"]) == (False, False, 0)


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_every_child_started_as_in_production_ends_the_same(reports: Reports) -> None:
    """The same for all inputs."""
    spawned = _run("--spawn", timeout_s=1100)
    assert {i: r["code"] for i, r in spawned.items()} == {i: r["code"] for i, r in reports.items()}


def _check(case: Case, report: dict[str, Any]) -> None:
    if case.codes:
        assert report["code"] in case.codes, report["detail"]
    else:
        assert report["code"] in CODES.keys() | {ACCEPTED}
    assert report["warnings"] == list(case.warnings)
    assert not report["leaked"]
    assert not report["called"]
    assert report["left"] == 0
    assert report["memory_bytes"] < _MAX_MEMORY_BYTES
