"""The local cloud's logs, as people see them."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.logs import Follower, LogLine, parse, read, render
from local.watching import shown_logs

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def _raw(**fields: Any) -> str:
    line = {
        "severity": "INFO",
        "time": "2026-01-02T03:04:05.678901+00:00",
        "service": "heimdex-gpu",
        "logging.googleapis.com/trace": f"projects/p/traces/{TRACE}",
    }
    return json.dumps(line | fields)


def _finished(**fields: Any) -> str:
    about = {"action": "stage.finished", "stage": "embed_text", "attempt": 1, "duration_ms": 42}
    return _raw(video_id="0b1cd2e3-0000-4000-8000-000000000000", **about, **fields)


def _text(line: LogLine, **console: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=300, **console).print(render(line), highlight=False, soft_wrap=True)
    return out.getvalue()


def test_a_line_shows_time_severity_unit_action_and_key_fields() -> None:
    """In this order; ids are cut short, and the trace is left to the JSON."""
    shown = _text(parse(_finished(version=2), file="x.log"))
    _, *words = shown.split()
    assert words == [
        *("INFO", "heimdex-gpu", "stage.finished", "video_id=0b1cd2e3", "stage=embed_text"),
        *("attempt=1", "duration_ms=42", "version=2"),
    ]
    assert TRACE not in shown


def test_errors_keep_their_stack_below_the_line() -> None:
    """What a developer looks for first."""
    raw = _raw(
        severity="ERROR", action="run.failed", code="stage_failed", stack_trace="Traceback x"
    )
    first, second = _text(parse(raw, file="x.log")).splitlines()
    assert "ERROR" in first
    assert "stack_trace" not in first
    assert second == "Traceback x"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has them; NO_COLOR takes the colours away."""
    line = parse(_raw(severity="ERROR", action="x.failed"), file="x.log")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    red = "\x1b[1;31m"
    assert red in _text(line, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in _text(line, force_terminal=True)


@pytest.mark.parametrize(
    ("file", "unit"),
    [("api.log", "api"), ("heimdex-media-1a2b3c4d.log", "heimdex-media")],
)
def test_what_is_not_ours_is_shown_as_it_is(file: str, unit: str) -> None:
    """A library's line, half an object: under the unit that the file is of."""
    for raw in ("[INFO] Booting worker", '{"cut": ', '{"severity"}'):
        line = parse(raw, file=file)
        assert (line.unit, line.fields) == (unit, None)
        assert raw in _text(line)


def test_what_says_that_nothing_happened_is_routine() -> None:
    """Sweeps that found something, and what is refused, are not."""
    quiet = {"action": "sweep.finished", "errors": 0, "done": {"rung": 0}}
    polled = {"action": "http.answered", "route": "/v1/videos/<video_id>/status", "status": 200}
    for fields in (quiet, polled):
        assert parse(_raw(**fields), file="x.log").is_routine
    for changes in (quiet | {"done": {"rung": 1}}, quiet | {"errors": 1}, polled | {"status": 404}):
        assert not parse(_raw(**changes), file="x.log").is_routine
    assert not parse(_finished(), file="x.log").is_routine


def test_lines_of_all_files_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    """Whatever the files are called."""
    for number, name in enumerate(("b", "a", "c")):
        at = f"2026-01-02T03:04:0{number}+00:00"
        (tmp_path / f"{name}.log").write_text(_raw(action=f"x.{name}", time=at) + "\nnoise\n")
    assert [line.action for line in read(tmp_path)] == ["x.b", "x.a", "x.c"]


def test_a_follower_tells_whole_new_lines_once(tmp_path: Path) -> None:
    """Not what was there before; of files made later everything; the half line when it is whole."""
    old = tmp_path / "api.log"
    old.write_text(_raw(action="x.old") + "\n")
    told: list[str] = []
    follower = Follower(tmp_path, lambda line: told.append(line.action))
    follower.start()
    whole = _raw(action="x.new") + "\n"
    with old.open("a") as file:
        file.write(whole[:20])
        file.flush()
        (tmp_path / "later.log").write_text(_raw(action="x.later") + "\n")
        deadline = time.monotonic() + 30
        while told != ["x.later"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        file.write(whole[20:])
    follower.stop()
    assert told == ["x.later", "x.new"]


@pytest.mark.parametrize(("how", "expected"), [("pretty", "x.done"), ("json", "{"), ("none", "")])
def test_logs_are_shown_as_asked_for(how: str, expected: str, tmp_path: Path) -> None:
    """For people, as they are, or not at all."""
    out = io.StringIO()
    raw = _raw(action="x.done", words="[bold]not markup[/]")
    with shown_logs(how, tmp_path, Console(file=out, width=40)):
        (tmp_path / "api.log").write_text(f"{raw}\n{_raw(action='lane.gauged')}\n")
    shown = out.getvalue()
    assert expected in shown
    if how == "json":
        assert [json.loads(line)["action"] for line in shown.splitlines()] == [
            "x.done",
            "lane.gauged",
        ]
    elif how == "pretty":
        assert "[bold]not markup[/]" in shown
        assert "lane.gauged" not in shown
    else:
        assert shown == ""
