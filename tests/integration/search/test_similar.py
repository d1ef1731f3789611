"""More like this: a scene as the query."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from common.encoders import QueryEncoders
from common.errors import NotFoundError
from functions.search.explain import why_alike
from functions.search.model import Scope
from tests.integration.search.conftest import KITCHEN, TRIP, Library, shown
from tests.library import GREY, SceneSpec, VideoSpec, plain, red_car_at_night, store

_SILENT = SceneSpec(pictures=(GREY,))
NIGHTS = VideoSpec(
    title="Nights",
    scenes=(
        SceneSpec(pictures=(red_car_at_night(),)),
        SceneSpec(pictures=(plain(250, 240, 60),)),
        SceneSpec(said=("The train departs from platform four",), pictures=(plain(0, 160, 160),)),
    ),
)


@pytest.fixture
def nights(library: Library, models: QueryEncoders) -> Library:
    """The library and a video that repeats a picture and a sentence of it."""
    worker = library.database.as_role("heimdex_worker")
    ids = store(library.database, worker, models, library.user_id, [NIGHTS])
    worker.close()
    library.scenes.update(ids)
    return library


@pytest.fixture(autouse=True)
def _forget(library: Library) -> None:
    library.scenes.pop("Nights", None)


def _like(library: Library, scene: UUID, **options: object) -> list[str]:
    return library.places(library.find("", like=scene, **options))


def test_the_same_picture_is_found(nights: Library) -> None:
    """In another video, first and strong, and said to look alike."""
    found = nights.find("", like=nights.scenes["Nights"][0])
    assert nights.places(found)[0] == "Trip 2"
    hit, _ = shown(found)[0]
    assert hit.tier == "strong"
    assert why_alike(hit).en.startswith("It looks alike.")
    assert "화면이 비슷합니다." in why_alike(hit).ko


def test_the_same_meaning_is_found(nights: Library) -> None:
    """By what is said alone, the sentence in other words comes first."""
    found = nights.find("", like=nights.scenes["Nights"][2], mode="hybrid")
    by_leg = {hit.evidence.scene_id: hit.legs["dense"].score for hit, _ in shown(found)}
    assert by_leg[nights.scenes["Trip"][0]] == max(by_leg.values())
    assert by_leg[nights.scenes["Trip"][0]] >= 0.8


def test_it_is_not_like_itself(nights: Library) -> None:
    """The example is never among the hits, nor among their parts."""
    for scenes in nights.scenes.values():
        for scene in scenes:
            page = nights.find("", like=scene, limit=100).page
            parts = [part for entry in page for part in entry.best.parts]
            assert scene not in {part.evidence.scene_id for part in parts}


def test_filters_apply_to_likeness(nights: Library) -> None:
    """Only in another video than the one that has it: nothing."""
    scene = nights.scenes["Nights"][0]
    assert _like(nights, scene, scope=Scope(video_ids=(TRIP.video_id,)))[0] == "Trip 2"
    assert "Trip 2" not in _like(nights, scene, scope=Scope(video_ids=(KITCHEN.video_id,)))


def test_a_foreign_scene_is_no_example(library: Library) -> None:
    """Another tenant's scene and one that never was are the same: not found."""
    for scene in (*sorted(library.foreign), uuid4()):
        with pytest.raises(NotFoundError):
            library.find("", like=scene)


def test_legs_without_anything_to_compare_abstain(nights: Library) -> None:
    """A silent scene has no text; words and people are never asked."""
    found = nights.find("", like=nights.scenes["Nights"][0])
    assert found.plan.asked.legs == ("vision", "tags")
    assert found.plan.weights.text == 0
    assert found.plan.weights.vision + found.plan.weights.tags == pytest.approx(1)
    assert set(found.plan.abstained.values()) == {"nothing_to_ask"}
