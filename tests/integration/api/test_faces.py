"""`/v1/faces`: clusters are listed, named, merged, split and denied; all of it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from tests.conftest import TestDatabase
from tests.face_library import Face, Library, identities, seen
from tests.integration.api.world import ApiClient

CLUSTERS = "/v1/faces/clusters"


@dataclass(kw_only=True)
class World:
    """Two people in two videos, each a cluster per video; both are in the first frame."""

    library: Library
    #: By person, then by video.
    clusters: list[list[UUID]]
    faces: list[list[list[Face]]]
    scenes: list[list[UUID]]


@pytest.fixture
def world(database: TestDatabase, user_id: UUID) -> World:
    """The user's, who consents."""
    library = Library(database=database, user_id=user_id).consent()
    rng = np.random.default_rng(1)
    looks = identities(rng, 2)
    made = World(library=library, clusters=[[], []], faces=[[], []], scenes=[])
    for _ in range(2):
        video_id, scenes = library.add_video()
        made.scenes.append(scenes)
        for who, look in enumerate(looks):
            faces = [
                Face(
                    video_id=video_id,
                    time_ms=time_ms,
                    vector=seen(rng, look, noise=0.5),
                    quality=0.5 + time_ms / 100_000,
                )
                for time_ms in (500, 4_000, 21_000 + 500 * who)
            ]
            library.add_faces(faces)
            made.faces[who].append(faces)
            made.clusters[who].append(library.add_cluster(faces))
    return made


def _people(library: Library) -> set[tuple[UUID, UUID]]:
    return set(library.appearances())


def _name(client: ApiClient, cluster: UUID, **person: Any) -> Any:
    answer = client.post(f"{CLUSTERS}/{cluster}/name", body=person)
    assert answer.status_code == 200, answer.json
    return answer.json


def _new(name: str) -> dict[str, Any]:
    return {"name": name, "consent": {"policy_version": "2026-11"}}


def test_a_named_cluster_is_found_in_all_videos(client: ApiClient, world: World) -> None:
    """Naming one video's cluster finds the person in the other, suggests theirs, and is undone."""
    minji, other = world.clusters[0]
    named = _name(client, minji, new_person=_new("민지"))
    person = UUID(named["person_id"])
    assert named["person_name"] == "민지"
    assert _people(world.library) == {
        (person, scenes[place]) for scenes in world.scenes for place in (0, 2)
    }
    unnamed = client.get(f"{CLUSTERS}?naming=unnamed").json["clusters"]
    suggestions = {each["id"]: each["suggestion"] for each in unnamed}
    assert suggestions[str(other)] == {"person_id": str(person), "name": "민지"}
    assert [each for key, each in suggestions.items() if key != str(other)] == [None, None]
    assert client.post("/v1/faces/undo").json["kind"] == "name_cluster"
    assert _people(world.library) == set()
    assert client.get(f"/v1/people/{person}").status_code == 404
    assert client.post("/v1/faces/redo").json["kind"] == "name_cluster"
    assert len(_people(world.library)) == 4
    assert client.get(f"/v1/people/{person}").json["consent"]["policy_version"] == "2026-11"


def test_clusters_show_their_best_face_page_by_page(client: ApiClient, world: World) -> None:
    """Every cluster once, with the face that can be seen best; every face once."""
    first = client.get(f"{CLUSTERS}?page_size=3").json
    token = first["next_page_token"]
    rest = client.get(f"{CLUSTERS}?page_size=3&page_token={token}").json
    shown = [*first["clusters"], *rest["clusters"]]
    assert {each["id"] for each in shown} == {str(c) for of in world.clusters for c in of}
    assert rest["next_page_token"] is None
    cluster, faces = world.clusters[1][0], world.faces[1][0]
    found = client.get(f"{CLUSTERS}/{cluster}").json
    assert (found["faces"], found["videos"]) == (3, 1)
    assert found["best_face"]["id"] == str(faces[2].observation_id)
    assert found["best_face"]["box"] == {"x": 0.1, "y": 0.1, "width": 0.25, "height": 0.25}
    page = client.get(f"{CLUSTERS}/{cluster}/faces?page_size=2").json
    more = client.get(
        f"{CLUSTERS}/{cluster}/faces?page_size=2&page_token={page['next_page_token']}"
    )
    ids = [face["id"] for face in [*page["faces"], *more.json["faces"]]]
    assert ids == [str(face.observation_id) for face in reversed(faces)]


def test_clusters_of_one_person_become_one(client: ApiClient, world: World) -> None:
    """Merged over videos, but never with a face of the same frame."""
    one, other = world.clusters[0]
    merged = client.post(f"{CLUSTERS}/{one}/merge", body={"cluster_id": str(other)}).json
    assert (merged["faces"], merged["videos"]) == (6, 2)
    assert client.get(f"{CLUSTERS}/{other}").status_code == 404
    refused = client.post(f"{CLUSTERS}/{one}/merge", body={"cluster_id": str(world.clusters[1][0])})
    assert (refused.status_code, refused.json["code"]) == (409, "faces_share_frame")
    client.post("/v1/faces/undo")
    assert client.get(f"{CLUSTERS}/{other}").json["faces"] == 3


def test_a_wrong_face_is_split_off(client: ApiClient, world: World) -> None:
    """It becomes a cluster of its own; all of a cluster cannot be split off."""
    cluster, faces = world.clusters[0][0], world.faces[0][0]
    ids = [str(face.observation_id) for face in faces]
    made = client.post(f"{CLUSTERS}/{cluster}/split", body={"face_ids": ids[:1]})
    assert made.status_code == 201
    assert made.json["best_face"]["id"] == ids[0]
    assert client.get(f"{CLUSTERS}/{cluster}").json["faces"] == 2
    whole = client.post(f"{CLUSTERS}/{cluster}/split", body={"face_ids": ids[1:]})
    assert whole.json["code"] == "invalid_request"


def test_a_scene_is_denied(client: ApiClient, world: World) -> None:
    """The faces that were taken for the person there no longer are; the other scenes stay."""
    person = UUID(_name(client, world.clusters[0][0], new_person=_new("민지"))["person_id"])
    scene = world.scenes[1][0]
    before = _people(world.library)
    path = f"/v1/people/{person}/not-them"
    assert client.post(path, body={"scene_id": str(scene)}).status_code == 204
    assert _people(world.library) == before - {(person, scene)}
    assert client.post(path, body={"scene_id": str(scene)}).status_code == 404
    client.post("/v1/faces/undo")
    assert _people(world.library) == before


def test_two_people_who_are_one(client: ApiClient, world: World) -> None:
    """The other is found as the first, and is not listed any more, until it is undone."""
    first = _name(client, world.clusters[0][0], new_person=_new("민지"))["person_id"]
    other = _name(client, world.clusters[0][1], new_person=_new("Minji"))["person_id"]
    merged = client.post(f"/v1/people/{first}/merge", body={"person_id": other})
    assert merged.status_code == 204
    assert {str(person) for person, _ in _people(world.library)} == {first}
    assert client.get(f"/v1/people/{other}").status_code == 404
    client.post("/v1/faces/undo")
    assert {str(person) for person, _ in _people(world.library)} == {first, other}


def test_decisions_take_consent(client: ApiClient, world: World) -> None:
    """Of the person, and of the user."""
    silent = client.post("/v1/people", body={"name": "서준"}).json["id"]
    path = f"{CLUSTERS}/{world.clusters[0][0]}/name"
    refused = client.post(path, body={"person_id": silent})
    assert (refused.status_code, refused.json["code"]) == (409, "consent_required")
    world.library.database.owner_rows("UPDATE face_consents SET withdrawn_at = now()")
    refused = client.post(path, body={"new_person": _new("민지")})
    assert (refused.status_code, refused.json["code"]) == (409, "consent_required")


def test_a_stranger_sees_and_changes_nothing(
    client: ApiClient, stranger: ApiClient, stranger_id: UUID, world: World
) -> None:
    """Clusters, faces and people of another tenant are not there, whatever is asked."""
    Library(database=world.library.database, user_id=stranger_id).consent()
    cluster, other = world.clusters[0]
    person = _name(client, cluster, new_person=_new("민지"))["person_id"]
    own = stranger.post("/v1/people", body={"name": "지우", "consent": _new("")["consent"]}).json[
        "id"
    ]
    face = str(world.faces[0][0][0].observation_id)
    before = _people(world.library)
    assert stranger.get(CLUSTERS).json["clusters"] == []
    requests = [
        ("GET", f"{CLUSTERS}/{cluster}", None),
        ("GET", f"{CLUSTERS}/{cluster}/faces", None),
        ("POST", f"{CLUSTERS}/{cluster}/name", {"person_id": own}),
        ("POST", f"{CLUSTERS}/{cluster}/merge", {"cluster_id": str(other)}),
        ("POST", f"{CLUSTERS}/{cluster}/split", {"face_ids": [face]}),
        ("POST", f"/v1/people/{own}/merge", {"person_id": person}),
        ("POST", f"/v1/people/{own}/not-them", {"face_ids": [face]}),
        ("POST", f"/v1/people/{own}/not-them", {"scene_id": str(world.scenes[0][0])}),
    ]
    for method, path, body in requests:
        assert stranger.call(method, path, body=body).status_code == 404, path
    assert stranger.post("/v1/faces/undo").json["code"] == "nothing_to_undo"
    assert _people(world.library) == before
    assert client.post(f"{CLUSTERS}/{uuid4()}/name", body={"person_id": person}).status_code == 404
