"""Pages stay where they are while the library changes."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.encoders import QueryEncoders
from common.errors import InputError
from functions.search.model import Place
from functions.search.positions import place, position
from tests.integration.search.conftest import Library, shown
from tests.library import GREY, SceneSpec, VideoSpec, store

#: Scenes apart from each other, so that each is a moment of its own.
_SILENT = SceneSpec(pictures=(GREY,))


def _talk(title: str, *lines: str) -> VideoSpec:
    scenes = [scene for line in lines for scene in (SceneSpec(said=(line,)), _SILENT)]
    return VideoSpec(title=title, scenes=tuple(scenes))


def _add(library: Library, models: QueryEncoders, video: VideoSpec) -> None:
    worker = library.database.as_role("heimdex_worker")
    store(library.database, worker, models, library.user_id, [video])
    worker.close()


@pytest.fixture
def talks(library: Library, models: QueryEncoders) -> Library:
    """The library and seven more moments with a lantern."""
    lines = [f"the lantern number {n} was lit" for n in range(4)]
    _add(library, models, _talk("Lanterns", *lines))
    _add(
        library, models, _talk("More", "a lantern", "a lantern in the harbour", "the last lantern")
    )
    return library


def _all_pages(
    library: Library, *, before_each: Any = lambda: None, **options: object
) -> list[Any]:
    """Hits, with their scores, page after page of two."""
    page = library.find("lantern", limit=2, **options)
    hits = shown(page)
    while page.next_after is not None:
        before_each()
        page = library.find("lantern", limit=2, after=page.next_after, **options)
        hits += shown(page)
    return [(hit.evidence.scene_id, hit.score) for hit, _ in hits]


def test_new_videos_move_nothing(talks: Library, models: QueryEncoders) -> None:
    """A better match and commoner words arrive after the first page: same hits, same scores."""
    before = _all_pages(talks)
    assert len(before) == 7
    added: list[VideoSpec] = []

    def arrive() -> None:
        added.append(
            _talk(f"New {len(added)}", "lantern lantern", "lantern", "the lantern lantern")
        )
        _add(talks, models, added[-1])

    assert _all_pages(talks, before_each=arrive) == before
    assert len(added) == 3
    assert len(_all_pages(talks)) == 7 + 9


def test_a_deleted_hit_leaves_no_gap(talks: Library) -> None:
    """The hit that a page ended with goes: the next page goes on after its place."""
    before = [scene for scene, _ in _all_pages(talks)]
    page = talks.find("lantern", limit=2)
    last = shown(page)[-1][0].evidence.scene_id
    talks.database.owner_rows("DELETE FROM scenes WHERE id = :id", id=last)
    assert page.next_after is not None
    after = talks.find("lantern", limit=100, after=page.next_after)
    assert [hit.evidence.scene_id for hit, _ in shown(after)] == before[2:]


@given(
    score=st.floats(0, 1),
    start_ms=st.integers(0, 10**9),
    until=st.none() | st.datetimes(timezones=st.just(UTC)),
    fingerprint=st.text("0123456789abcdef", max_size=64),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_place_survives_its_token(
    score: float, start_ms: int, until: Any, fingerprint: str
) -> None:
    """To the last bit of the score."""
    there = Place(
        score=score,
        video_id=uuid4(),
        start_ms=start_ms,
        scene_id=uuid4(),
        indexed_until=until,
    )
    back = place(position(there, fingerprint), fingerprint)
    assert back == there
    with pytest.raises(InputError):
        place(position(there, fingerprint), fingerprint + "0")
