"""Filters narrow what is searched, alone and together, and nothing gets round them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from functions.search.model import Scope
from tests.integration.search.conftest import KITCHEN, TRIP, Library

EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def dated(library: Library) -> Library:
    """Trip is of January and takes 60 s; Kitchen is of June and takes 5 minutes."""
    for video, created, duration in (
        (TRIP.video_id, EARLY, 60_000),
        (KITCHEN.video_id, LATE, 300_000),
    ):
        library.database.owner_rows(
            "UPDATE videos SET created_at = :created, duration_ms = :duration WHERE id = :id",
            created=created,
            duration=duration,
            id=video,
        )
    return library


BOTH = {"Trip 0", "Kitchen 3"}
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("scope", "places"),
    [
        (Scope(), BOTH),
        (Scope(created_from=EARLY), BOTH),
        (Scope(created_from=EARLY + DAY), {"Kitchen 3"}),
        (Scope(created_before=LATE), {"Trip 0"}),
        (Scope(created_before=LATE + DAY), BOTH),
        (Scope(created_from=EARLY + DAY, created_before=LATE), set()),
        (Scope(min_duration_ms=60_000), BOTH),
        (Scope(min_duration_ms=60_001), {"Kitchen 3"}),
        (Scope(max_duration_ms=60_000), {"Trip 0"}),
        (Scope(video_ids=(TRIP.video_id,), max_duration_ms=59_999), set()),
        (Scope(language="en"), BOTH),
        (Scope(language="ko"), set()),
        (Scope(has_speech=True), BOTH),
        (Scope(has_speech=False), set()),
        (Scope(video_ids=(KITCHEN.video_id,), language="en", has_speech=True), {"Kitchen 3"}),
    ],
)
def test_filters_of_video_and_scene(dated: Library, scope: Scope, places: set[str]) -> None:
    """Bounds are as documented: from is inclusive, before is not, durations are inclusive."""
    found = dated.find("train law", scope=scope)
    assert set(dated.places(found)) == places


def test_language_and_silence_tell_scenes_apart(shared_library: Library) -> None:
    """A picture without speech is found among the silent scenes only; Korean among the Korean."""
    for scope, places in (
        (Scope(has_speech=False), ["Trip 2"]),
        (Scope(has_speech=True), []),
        (Scope(language="ko"), []),
    ):
        assert shared_library.places(shared_library.find("red car at night", scope=scope)) == places
    korean = shared_library.find("기차가 출발", scope=Scope(language="ko"))
    assert shared_library.places(korean) == ["Trip 1"]


def _named(library: Library, name: str, *scenes: UUID) -> UUID:
    person = uuid4()
    library.database.owner_rows(
        "INSERT INTO people (user_id, id, name) VALUES (:user, :id, :name)",
        user=library.user_id,
        id=person,
        name=name,
    )
    for scene in scenes:
        library.database.owner_rows(
            "INSERT INTO scene_people (user_id, person_id, scene_id, confidence)"
            " VALUES (:user, :person, :scene, 0.9)",
            user=library.user_id,
            person=person,
            scene=scene,
        )
    return person


def test_all_or_any_of_the_people(library: Library) -> None:
    """Two people: scenes with both, or scenes with either."""
    trip, kitchen = library.scenes["Trip"], library.scenes["Kitchen"]
    minji = _named(library, "민지", trip[0], kitchen[3])
    junho = _named(library, "준호", trip[0])
    everyone, anyone = (
        Scope(person_ids=(minji, junho), person_match=match) for match in ("all", "any")
    )
    assert library.places(library.find("train law", scope=everyone)) == ["Trip 0"]
    assert set(library.places(library.find("train law", scope=anyone))) == BOTH


def test_a_quoted_phrase_does_not_get_round_a_filter(shared_library: Library) -> None:
    """A scene that holds the phrase in another video stays out."""
    quoted = '"mind the gap"'
    assert shared_library.places(shared_library.find(quoted)) == ["Trip 0"]
    elsewhere = Scope(video_ids=(KITCHEN.video_id,))
    assert shared_library.find(quoted, scope=elsewhere).total == 0
