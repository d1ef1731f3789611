"""What belongs to another tenant is not there: every route, one by one."""

from __future__ import annotations

import re
from collections import defaultdict
from uuid import UUID, uuid4

import numpy as np
import pytest

from common.people.consent import POLICY_VERSION
from common.web.routes import Route
from functions.api.routes import routes
from tests.conftest import TestDatabase
from tests.face_library import Face, Library
from tests.integration.api.world import ApiClient, Ledger, upload_request

_CONSENT = {"policy_version": POLICY_VERSION}
_PHOTO = {"content_type": "image/jpeg", "size_bytes": 1000}
_BODIES: dict[str, object] = {
    "rename_video": {"title": "mine"},
    "refresh_urls": {},
    "rename_person": {"name": "mine"},
    "give_person_consent": _CONSENT,
    "create_photo": _PHOTO,
}
#: Bodies that name ids, too.
_SAYING = {
    "name_cluster": ("person_id",),
    "merge_clusters": ("cluster_id",),
    "split_cluster": ("face_ids",),
    "merge_people": ("person_id",),
    "deny_faces": ("face_ids",),
}
_WITH_ID = [route for route in routes if UUID in route.path_parameters.values()]
_AUTHENTICATED = [route for route in routes if route.authenticated]


def _path(route: Route, ids: dict[str, UUID]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(ids[match[1]]), route.path)


@pytest.mark.parametrize("route", _WITH_ID, ids=lambda route: route.name)
def test_a_foreign_id_answers_like_a_missing_one(
    route: Route, client: ApiClient, stranger: ApiClient, ledger: Ledger, database: TestDatabase
) -> None:
    """The same 404, byte for byte but for the request's id, and nothing changes."""
    video_id = UUID(client.post("/v1/uploads", upload_request()).json["video"]["id"])
    client.post("/v1/exports", {})
    (export,) = database.owner_rows("SELECT id FROM exports")
    database.owner_rows("UPDATE upload_objects SET finalized_at = now()")
    client.post("/v1/faces/consent", _CONSENT)
    person = client.post("/v1/people", {"name": "민지", "consent": _CONSENT}).json["id"]
    photo = client.post(f"/v1/people/{person}/photos", _PHOTO).json["photo"]["id"]
    other = client.post("/v1/people", {"name": "서준", "consent": _CONSENT}).json["id"]
    stranger.post("/v1/faces/consent", _CONSENT)
    faces = [Face(video_id=video_id, time_ms=t, vector=np.ones(128, np.float32)) for t in range(3)]
    library = Library(database=database, user_id=ledger.user_id)
    library.add_faces(faces)
    clusters = [library.add_cluster(faces[:2]), library.add_cluster(faces[2:])]
    said = {
        "person_id": other,
        "cluster_id": str(clusters[1]),
        "face_ids": [str(faces[0].observation_id)],
    }
    database.owner_rows("UPDATE person_photos SET finalized_at = now()")
    ids = {
        "video_id": video_id,
        "scene_id": ledger.scene(video_id),
        "export_id": UUID(str(export.id)),
        "person_id": UUID(person),
        "photo_id": UUID(photo),
        "cluster_id": clusters[0],
    }
    clustered = library.assignments()
    people = database.owner_rows("SELECT * FROM people")
    rows = database.owner_rows("SELECT * FROM videos")

    named = {name: said[name] for name in _SAYING.get(route.name, ())}
    body = named or _BODIES.get(route.name)
    foreign = stranger.call(route.method, _path(route, ids), body=body)
    missing = stranger.call(route.method, _path(route, dict.fromkeys(ids, uuid4())), body=body)
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json | {"instance": ""} == missing.json | {"instance": ""}
    assert database.owner_rows("SELECT * FROM videos") == rows
    assert database.owner_rows("SELECT * FROM people") == people
    assert library.assignments() == clustered
    assert ledger.count("people_journal") == ledger.count("face_negatives") == 0
    assert ledger.count("person_photos") == 1
    assert ledger.count("face_erasures") == 0
    assert ledger.count("scenes") == 1
    assert ledger.count("erasures") == 0
    # The owner is not refused, so the probe was of something that is there.
    assert client.call(route.method, _path(route, ids), body=body).status_code < 300


@pytest.mark.parametrize("route", _WITH_ID, ids=lambda route: route.name)
def test_a_malformed_id_answers_like_a_missing_one(route: Route, client: ApiClient) -> None:
    """An id that cannot be one is a 404, not a hint at how ids look."""
    for bad in ("1", "%00", "..", "{00000000-0000-0000-0000-000000000000}", "a" * 36):
        path = re.sub(r"\{\w+\}", bad, route.path)
        answer = client.call(route.method, path, body=_BODIES.get(route.name))
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("route", _AUTHENTICATED, ids=lambda route: route.name)
def test_no_token_no_answer(route: Route, anonymous: ApiClient, ledger: Ledger) -> None:
    """Before anything is looked at: path, query or body."""
    video_id = ledger.video()
    ids = defaultdict(uuid4, {"video_id": video_id, "scene_id": ledger.scene(video_id)})
    path = _path(route, ids)
    answer = anonymous.call(route.method, f"{path}?unknown=1", raw=b"not json")
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_lists_and_counts_hold_nothing_foreign(stranger: ApiClient, ledger: Ledger) -> None:
    """Another tenant's videos are neither listed nor counted."""
    ledger.video(state="indexed", scene_count=4)
    assert stranger.get("/v1/videos").json["videos"] == []
    assert stranger.get("/v1/me").json["counts"]["videos"] == 0


def test_a_page_token_of_another_tenant_is_refused(
    client: ApiClient, stranger: ApiClient, ledger: Ledger
) -> None:
    """Though the list has the same address."""
    ledger.video()
    ledger.video()
    token = client.get("/v1/videos?page_size=1").json["next_page_token"]
    answer = stranger.get(f"/v1/videos?page_size=1&page_token={token}")
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_page_token")
