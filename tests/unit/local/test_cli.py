"""The command line, without a cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.cli import main, subtitles_argument
from local.client import ApiError
from local.present import clock

_COMMANDS = ("up", "demo", "token", "upload", "status", "search")


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help works, and every command knows --json and --state."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "--state" in shown


def test_without_a_running_cloud_the_answer_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that needs the cloud ends with 1 and the command that starts it."""
    assert main(["search", "sea", "--state", str(tmp_path)]) == 1
    assert "python -m local up" in capsys.readouterr().out.replace("\n", " ")


def test_with_json_an_error_is_an_object_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs read the code and the message on standard output, people the same on stderr."""
    assert main(["search", "sea", "--json", "--state", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["code"] == "local_error"
    assert error["message"] in err


def test_an_error_shows_its_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brackets around the code are text, not markup."""

    def refuse(state: Path) -> None:
        raise ApiError(400, "empty_file", "The file is empty.")

    monkeypatch.setattr("local.cli.running_cloud", refuse)
    assert main(["search", "sea"]) == 1
    assert "[empty_file, HTTP 400]" in capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong path is an error before anything is started."""
    assert main(["demo", "--video", "nowhere.mp4", "--state", str(tmp_path)]) == 1
    assert "nowhere.mp4" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_missing_subtitles_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong subtitle path is a usage error."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--subtitles", "nowhere.srt"])
    assert ended.value.code == 2
    assert "there is no file nowhere.srt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "suffix", "content", "language"),
    [
        ("talk.ko.srt", "", "x", "ko"),
        ("talk.en.vtt", "", "x", "en"),
        ("talk.srt", ":ja", "x", "ja"),
        ("talk.srt", "", "안녕", "ko"),
        ("talk.srt", "", "hello", "en"),
    ],
)
def test_the_language_of_subtitles(
    tmp_path: Path, name: str, suffix: str, content: str, language: str
) -> None:
    """It is taken from the argument, the file's name or its script, in this order."""
    path = tmp_path / name
    path.write_text(content)
    assert subtitles_argument(f"{path}{suffix}").language == language


@pytest.mark.parametrize(
    ("time_ms", "shown"), [(0, "0:00.0"), (75_500, "1:15.5"), (600_000, "10:00.0"), (None, "?")]
)
def test_clock(time_ms: int | None, shown: str) -> None:
    """Times are minutes and seconds."""
    assert clock(time_ms) == shown
