"""Known moments come first, and nonsense finds nothing."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from common.encoders import QueryEncoders
from functions.search.answers import results
from functions.search.encoding import Encoders
from functions.search.explain import best_frame_ms, matched_words, why
from functions.search.finder import Finder
from functions.search.legs import switched_off
from functions.search.model import Leg, Mode, Request, Scope, Weights
from tests.integration.search.conftest import KITCHEN, Library, shown
from tests.library import VERSION


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("the train leaves", "Trip 0"),
        ("trains leaving the station", "Trip 0"),
        ("기차가 출발", "Trip 1"),
        ("기차는", "Trip 1"),
        ("red car at night", "Trip 2"),
        ("빨간 차 밤에", "Trip 2"),
        ("green field at noon", "Trip 3"),
        ("초록색 들판 낮에", "Trip 3"),
        ("exit", "Trip 4"),
        ("EXIT 3", "Trip 4"),
        ("출구", "Kitchen 4"),
        ("서울역에서", "Kitchen 4"),
        ("someone weeping", "Kitchen 2"),
        ("man crying", "Kitchen 2"),
        ("cooking pasta", "Kitchen 0"),
        ("who changed the legislation", "Kitchen 3"),
        ('"to be or not to be"', "Kitchen 5"),
        ('"자리에 앉아"', "Trip 1"),
        ("ＮＯＯＤＬＥＳ", "Kitchen 0"),
    ],
)
def test_the_known_moment_comes_first_and_is_strong(
    shared_library: Library, text: str, place: str
) -> None:
    """What is said, shown or written is found in either language, in other words too."""
    found = shared_library.find(text)
    assert shared_library.places(found)[0] == place
    assert shown(found)[0][0].tier == "strong"


@pytest.mark.parametrize(
    "text",
    [
        "quantum zebra tax law",
        "the at",
        "purple elephant",
        "zebra",
        "자전거 타는 얼룩말",
        "xylophone tariff moth",
        "우주 비행사",
        "asdf qwerty",
        "a yellow submarine under the sea",
        '"gap the mind"',
        '"rain leaves"',
        "!?",
    ],
)
def test_nonsense_finds_nothing(shared_library: Library, text: str) -> None:
    """No evidence, no hit: also not the least bad one."""
    found = shared_library.find(text)
    assert found.total == 0
    assert found.page == ()


def test_every_leg_says_why_it_abstains(shared_library: Library) -> None:
    """A Korean query of colours: the text model cannot read it, the words are not said."""
    found = shared_library.find("보라색 노을")
    assert found.plan.asked.legs == ("vision", "tags")
    assert found.plan.abstained == {
        "dense": "language_unknown",
        "sparse": "not_in_index",
        "lexical": "no_word_occurs",
        "screen": "no_word_occurs",
        "people": "nobody_named",
    }
    assert found.plan.weights.vision + found.plan.weights.tags == pytest.approx(1)


def test_a_hit_explains_itself(shared_library: Library) -> None:
    """Matched words come with their times, the sentence names them, the frame fits."""
    ((hit, moment),) = shown(shared_library.find("mind the gap"))
    words = matched_words(hit, moment)
    assert [(w.text, w.start_ms, w.end_ms, w.source) for w in words] == [
        ("mind", 1_100, 1_200, "transcript"),
        ("gap", 1_300, 1_400, "transcript"),
    ]
    assert "Said: “mind”, “gap”." in why(hit).en
    assert "말한 내용: “mind”, “gap”." in why(hit).ko
    hit, moment = shown(shared_library.find("red car at night"))[0]
    assert best_frame_ms(hit, moment, matched_words(hit, moment)) == 22_500
    assert why(hit).en == "In the picture: “red”, “night”."
    hit, moment = shown(shared_library.find("출구"))[0]
    (word,) = matched_words(hit, moment)
    assert (word.text, word.source, word.start_ms) == ("출구", "screen", 40_500)


@pytest.mark.parametrize(
    ("mode", "text", "places"),
    [
        ("keyword", "train", ["Trip 0"]),
        ("keyword", "someone weeping", []),
        ("keyword", "red car at night", []),
        ("semantic", "red car at night", ["Trip 2"]),
        ("semantic", "someone weeping", ["Kitchen 2"]),
        ("semantic", "출구", []),
    ],
)
def test_modes_choose_the_legs(
    shared_library: Library, mode: Mode, text: str, places: list[str]
) -> None:
    """Keyword goes by words alone, semantic by meaning and pictures alone."""
    found = shared_library.find(text, mode=mode)
    assert shared_library.places(found) == places
    assert not set(found.plan.asked.legs) & (
        {"dense", "vision", "tags"} if mode == "keyword" else {"lexical", "screen"}
    )


def test_weights_are_the_requests(shared_library: Library) -> None:
    """A weight of 0 takes the leg out, and what is left is shared out."""
    found = shared_library.find("빨간 차 밤에", weights=Weights(text=1, vision=0, tags=0))
    assert shared_library.places(found) == ["Trip 5"]
    assert found.plan.abstained["vision"] == "weight_zero"
    assert found.plan.weights.text == 1


def test_search_can_be_restricted_to_videos(shared_library: Library) -> None:
    """Only scenes of the videos asked for, with all legs still exact among them."""
    scope = Scope(video_ids=(KITCHEN.video_id,))
    places = shared_library.places(
        shared_library.find("train leaves platform gap minutes", scope=scope)
    )
    assert all(place.startswith("Kitchen") for place in places)
    assert shared_library.find("train", scope=Scope(video_ids=(uuid4(),))).total == 0


def _enrol(library: Library, name: str, places: list[tuple[str, int]]) -> UUID:
    person = uuid4()
    library.database.owner_rows(
        "INSERT INTO people (user_id, id, name) VALUES (:user, :id, :name)",
        user=library.user_id,
        id=person,
        name=name,
    )
    for title, place in places:
        library.database.owner_rows(
            "INSERT INTO scene_people (user_id, person_id, scene_id, confidence)"
            " VALUES (:user, :person, :scene, 0.9)",
            user=library.user_id,
            person=person,
            scene=library.scenes[title][place],
        )
    return person


def test_a_named_person_comes_first(library: Library) -> None:
    """Enrolled faces are found by name with any particle, and named in the hit."""
    person = _enrol(library, "민지", [("Trip", 3), ("Kitchen", 0)])
    found = library.find("민지가 손 흔드는")
    assert set(library.places(found)) == {"Trip 3", "Kitchen 0"}
    assert [p.person_id for p in shown(found)[0][1].people] == [person]
    assert library.places(library.find("민지랑 초록색 들판"))[0] == "Trip 3"
    assert "나오는 사람: “민지”." in why(shown(found)[0][0]).ko


def test_people_are_found_by_any_of_their_names(library: Library) -> None:
    """Romanised, by an alias, and by the name of somebody who was found to be the same."""
    person = _enrol(library, "민지", [("Trip", 3)])
    other = _enrol(library, "서준", [])
    library.database.owner_rows("UPDATE people SET aliases = '{MJ}' WHERE id = :id", id=person)
    library.database.owner_rows(
        "UPDATE people SET merged_into = :into WHERE id = :id", into=person, id=other
    )
    for words in ("Minji waving", "Min-ji", "MJ at the sea", "서준이가", "Seojun"):
        found = library.find(words)
        assert [each.person_id for each in found.plan.query.people] == [person], words
        assert library.places(found)[0] == "Trip 3", words


def test_hits_say_when_somebody_was_seen(library: Library) -> None:
    """With confidence and times; the frame that shows them best is the hit's."""
    person = _enrol(library, "민지", [("Trip", 3)])
    library.database.owner_rows(
        "UPDATE scene_people SET first_ms = 30500, last_ms = 36000, best_ms = 33000 "
        "WHERE person_id = :id",
        id=person,
    )
    found = library.find("민지")
    hit = results(
        found,
        request=Request(user_id=library.user_id, text="민지"),
        index_version=VERSION,
        models={},
        explained=False,
        next_page_token=None,
    ).hits[0]
    (seen,) = hit.people
    assert seen.person_id == person
    assert seen.confidence == pytest.approx(0.9)
    assert (seen.first_seen_ms, seen.last_seen_ms, seen.best_frame_ms) == (30_500, 36_000, 33_000)
    assert hit.best_frame_ms == 33_000
    assert "민지" in hit.why.ko


def test_people_can_be_required(library: Library) -> None:
    """A person filter keeps only scenes with all of the people."""
    one = _enrol(library, "민지", [("Trip", 0), ("Trip", 1)])
    two = _enrol(library, "Anna", [("Trip", 1)])
    assert library.places(library.find("train", scope=Scope(person_ids=(one,)))) == ["Trip 0"]
    assert library.find("train", scope=Scope(person_ids=(one, two))).total == 0
    assert library.places(library.find("기차", scope=Scope(person_ids=(one, two)))) == ["Trip 1"]


def test_a_phrase_limits_all_legs(shared_library: Library) -> None:
    """However near the rest of the query is elsewhere, the phrase must be there."""
    found = shared_library.find('"platform four" someone weeping')
    assert shared_library.places(found) == ["Trip 0"]


def test_a_deleted_video_is_not_found(library: Library) -> None:
    """From the moment it is deleted, though its rows may still be there."""
    library.database.owner_rows("UPDATE videos SET deleted_at = now() WHERE title = 'Trip'")
    assert library.find("the train leaves").total == 0


def test_another_index_version_is_not_searched(library: Library) -> None:
    """A query is compared only with rows that the same models made."""
    library.database.owner_rows("UPDATE frame_vectors SET index_version = 'old'")
    library.database.owner_rows("UPDATE scene_tags SET index_version = 'old'")
    assert library.find("green field at noon").total == 0
    assert library.places(library.find("train")) == ["Trip 0"]


def test_pages_join_without_gap_or_repeat(shared_library: Library) -> None:
    """Hits one by one are the hits at once."""
    whole = shared_library.places(shared_library.find("train law"))
    pages: list[str] = []
    page = shared_library.find("train law", limit=1)
    pages += shared_library.places(page)
    while page.next_after is not None:
        page = shared_library.find("train law", limit=1, after=page.next_after)
        pages += shared_library.places(page)
    assert len(whole) == 2
    assert pages == whole


def test_a_possible_hit_says_what_it_lacks(shared_library: Library) -> None:
    """Half of what was asked for is there: the other half is named, in both languages."""
    ((hit, _),) = shown(shared_library.find("gap zebra", mode="keyword"))
    assert hit.tier == "possible"
    assert why(hit).en == "Said: “gap”. Not found here: “zebra”."
    assert why(hit).ko == "말한 내용: “gap”. 여기에서 찾지 못한 말: “zebra”."


@pytest.mark.parametrize(
    ("semantic", "vision", "off"),
    [
        (True, False, {"vision"}),
        (False, True, {"dense", "sparse", "vision", "tags"}),
    ],
)
def test_switched_off_legs_abstain(
    library: Library, models: QueryEncoders, semantic: bool, vision: bool, off: set[Leg]
) -> None:
    """Without vision pictures are not asked, without meaning only words; they still find."""
    finder = Finder(
        library.api,
        Encoders(models),
        index_version=library.finder.index_version,
        off=switched_off(semantic=semantic, vision=vision),
    )
    found = finder.find(Request(user_id=library.user_id, text="the train leaves"))
    reasons = {leg for leg, reason in found.plan.abstained.items() if reason == "switched_off"}
    assert reasons == off
    assert not off & set(found.plan.asked.legs)
    assert found.total > 0
    example = library.scenes["Trip"][0]
    like = finder.find(Request(user_id=library.user_id, text="", like=example))
    assert not off & set(like.plan.asked.legs)
