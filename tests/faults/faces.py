"""What happens in a story about people: enrolled, told apart, forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from common.domain import FaceObservation
from common.people import sightings
from common.people.consent import POLICY_VERSION
from tests.faults.stages import PHOTO, looks

if TYPE_CHECKING:
    from tests.faults.story import Story

_CONSENT: Final = {"policy_version": POLICY_VERSION}
#: Beyond the time in which an announced photo may arrive.
_EXPIRED_S: Final = 7_200.0
#: Faces of two people, none of whom is enrolled, in frames of their own.
_FACES: Final = 4


def enrol(story: Story) -> None:
    """Somebody is made known, by one photo that arrives and one that never does; then forgotten."""
    _agree(story)
    person = _new_person(story, "민지", agrees=False)
    path = f"/v1/people/{person}"
    _post(story, f"{path}/consent", _CONSENT)
    story.ask("people", "PATCH", path, (200,), body={"name": "민지2"})
    _send_photo(story, person)
    _declare_photo(story, person)
    story.settle()
    story.world.pass_time(_EXPIRED_S)
    story.sweep_late()
    states = sorted(photo["state"] for photo in _get(story, f"{path}/photos")["photos"])
    if states != ["accepted", "rejected"]:
        story.complaints.append(f"the photos are {states}")
    (accepted,) = (x for x in _get(story, f"{path}/photos")["photos"] if x["state"] == "accepted")
    _delete(story, f"{path}/photos/{accepted['id']}")
    _send_photo(story, person)
    story.settle()
    _delete(story, f"{path}/consent")
    _forget(story, person)


def change_mind(story: Story) -> None:
    """A photo is deleted while it is looked at: what the worker stores of it after that goes."""
    _agree(story)
    person = _new_person(story, "민지", agrees=True)
    _send_photo(story, person)
    story.settle()
    _forget(story, person)


def delete_photos(story: Story) -> None:
    """The user deletes whatever photos there are, and the sweep carries it out."""
    for person in _get(story, "/v1/people")["people"]:
        for photo in _get(story, f"/v1/people/{person['id']}/photos")["photos"]:
            _delete(story, f"/v1/people/{person['id']}/photos/{photo['id']}")
    story.sweep_late()


def tell_apart(story: Story) -> None:
    """Faces of a video are named, joined, parted, denied, undone, done again; then forgotten."""
    _agree(story)
    _see_faces(story)
    clusters = _get(story, "/v1/faces/clusters")["clusters"]
    one, other = (f"/v1/faces/clusters/{cluster['id']}" for cluster in clusters)
    first = _post(story, f"{one}/name", {"new_person": {"name": "민지", "consent": _CONSENT}})
    faces = [face["id"] for face in _get(story, f"{one}/faces")["faces"]]
    _post(story, f"{one}/split", {"face_ids": faces[:1]})
    _post(story, f"{one}/merge", {"cluster_id": other.rpartition("/")[2]})
    person = first["person_id"]
    _post(story, f"/v1/people/{person}/not-them", {"face_ids": faces[1:]})
    second = _new_person(story, "현우", agrees=True)
    _post(story, f"/v1/people/{person}/merge", {"person_id": second})
    _post(story, "/v1/faces/undo", {})
    _post(story, "/v1/faces/redo", {})
    _forget(story, person)


def _agree(story: Story) -> None:
    _post(story, "/v1/faces/consent", _CONSENT)


def _new_person(story: Story, name: str, *, agrees: bool) -> str:
    body: dict[str, Any] = {"name": name} | ({"consent": _CONSENT} if agrees else {})
    return str(_post(story, "/v1/people", body)["id"])


def _declare_photo(story: Story, person: str) -> Mapping[str, Any]:
    body = {"content_type": "image/jpeg", "size_bytes": len(PHOTO)}
    return _post(story, f"/v1/people/{person}/photos", body)


def _send_photo(story: Story, person: str) -> None:
    upload = _declare_photo(story, person)["upload"]
    story.send({"url": upload["url"], "headers": upload["headers"], "data": PHOTO})


def _see_faces(story: Story) -> None:
    """As the commit of a video does in which faces were looked for."""
    faces = [
        FaceObservation(
            scene_ordinal=0,
            time_ms=100 * number,
            box=(0.1, 0.1, 0.2, 0.2),
            quality=0.9,
            vector=looks(number % 2),
        )
        for number in range(_FACES)
    ]
    assert story.video_id is not None
    database = story.world.wiring.worker_database
    with database.tenant(story.user_id, effect="test.see") as tx:
        sightings.replace_video(
            tx, user_id=story.user_id, video_id=story.video_id, faces=faces, model="sface"
        )


def _forget(story: Story, person: str) -> None:
    """The person goes, and then everything that was made of faces."""
    _delete(story, f"/v1/people/{person}")
    _delete(story, "/v1/faces/consent")
    story.settle()
    story.world.pass_time(_EXPIRED_S)
    story.sweep_late()
    for table in ("face_observations", "photo_faces", "person_photos", "face_erasures"):
        (row,) = story.world.rows(
            f"SELECT count(*) AS number FROM {table} WHERE user_id = :id", id=story.user_id
        )
        if row.number:
            story.complaints.append(f"{row.number} rows are left in {table}")


def _post(story: Story, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    # A key makes of a request that is repeated the same one.
    key = {"Idempotency-Key": f"{UUID(int=story.next_number())}"}
    answer = story.ask("people", "POST", path, (200, 201, 204), body=body, headers=key)
    return answer["body"] or {}


def _get(story: Story, path: str) -> Mapping[str, Any]:
    body: Mapping[str, Any] = story.ask("look", "GET", path, (200,))["body"]
    return body


def _delete(story: Story, path: str) -> None:
    story.ask("people", "DELETE", path, (204, 404))
