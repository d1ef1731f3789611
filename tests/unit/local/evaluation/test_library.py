"""What is uploaded, kept and deleted in an account."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from local.client import Client
from local.evaluation import library
from local.evaluation.labels import Video, videos
from local.evaluation.library import LibraryError, ids_by_title, index_library

_FEW = videos()[:2]


class _Account:
    """Holds videos as the service does; what is uploaded is indexed, or fails, at once."""

    def __init__(self, *, end: str = "indexed") -> None:
        self._end = end
        self.held: dict[str, dict[str, Any]] = {}

    def add(self, title: str, *, state: str = "indexed") -> str:
        video_id = f"id-{len(self.held)}"
        self.held[video_id] = {"id": video_id, "title": title, "state": state}
        return video_id

    def upload(self, path: Path) -> str:
        return self.add(path.stem, state=self._end)

    def videos(self) -> list[dict[str, Any]]:
        return list(reversed(self.held.values()))

    def video(self, video_id: str) -> dict[str, Any]:
        return self.held[video_id]

    def delete(self, video_id: str) -> None:
        self.held[video_id] = {"id": video_id, "title": "", "state": "deleted"}


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are not looked into here."""

    def draw(video: Video, path: Path) -> Path:
        return path

    monkeypatch.setattr(library, "make_video", draw)


def _index(account: _Account, version: str = "offline-1") -> dict[str, str]:
    return index_library(cast(Client, account), _FEW, Path("videos"), index_version=version)


def _states(account: _Account) -> list[str]:
    return [video["state"] for video in account.held.values()]


def test_a_second_run_uploads_nothing() -> None:
    """What is indexed is used as it is."""
    account = _Account()
    assert _index(account) == _index(account)
    assert _states(account) == ["indexed", "indexed"]


def test_another_index_version_gets_the_library_anew_and_the_old_one_goes() -> None:
    """Videos that other models indexed would count as scenes that are compared."""
    account = _Account()
    before, after = _index(account), _index(account, "offline-2")
    assert set(before.values()).isdisjoint(after.values())
    assert _states(account) == ["deleted", "deleted", "indexed", "indexed"]


def test_videos_of_the_account_itself_stay() -> None:
    """Only titles of the library are ever deleted."""
    account = _Account()
    own = account.add("holiday")
    _index(account)
    assert account.held[own]["state"] == "indexed"


def test_a_video_that_failed_before_is_uploaded_again() -> None:
    """A failure of last time is no reason to give up."""
    account = _Account()
    ids = _index(account)
    account.held[ids[_FEW[0].name]]["state"] = "failed"
    assert _index(account)[_FEW[0].name] not in ids.values()


def test_a_video_that_fails_now_is_named() -> None:
    """Numbers of a part of the library would look like those of the whole."""
    with pytest.raises(LibraryError, match=_FEW[0].name):
        _index(_Account(end="failed"))


def test_own_videos_are_found_by_their_one_title() -> None:
    """A missing title, or one that two videos have, is refused with the title."""
    account = _Account()
    wanted = account.add("cake")
    account.add("twice")
    account.add("twice")
    account.add("waiting", state="processing")
    find = partial(ids_by_title, cast(Client, account))
    assert find(["cake"]) == {"cake": wanted}
    for title in ("twice", "waiting", "missing"):
        with pytest.raises(LibraryError, match=title):
            find([title])
