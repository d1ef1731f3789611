"""What happens to people in a story: they are named, enrolled by photos, and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from common.people.consent import POLICY_VERSION
from tests.faults.photo_stages import KNOCKS
from tests.faults.wiring import ARTIFACTS, UPLOADS

if TYPE_CHECKING:
    from tests.faults.story import Story

_CONSENT: Final = {"policy_version": POLICY_VERSION}
#: Beyond the time in which an announced photo may arrive.
_EXPIRED_S: Final = 7_200.0
_PHOTO: Final = "a photo ".ljust(60, ".")


def enrol(story: Story) -> None:
    """A person is made from a photo; one photo never arrives; then all of it is taken back."""
    path = _person(story)
    story.ask("person", "PATCH", path, (200,), body={"name": "another"})
    photo = _add(story, path, _PHOTO)
    story.settle()
    _expect(story, photo, "accepted")
    missing = _declare(story, path, _PHOTO)["photo"]
    story.world.pass_time(_EXPIRED_S)
    # The second one finds what the first did not get to.
    for _ in range(2):
        story.sweep()
    _expect(story, f"{path}/photos/{missing['id']}", "rejected")
    story.ask("person", "DELETE", photo, (204, 404))
    story.ask("person", "DELETE", f"{path}/consent", (204,))
    story.ask("person", "POST", f"{path}/consent", (200,), body=_CONSENT)
    _forget(story, path)


def unlearn(story: Story) -> None:
    """A photo is deleted while the model looks at it."""
    path = _person(story)
    door = f"{story.world.wiring.endpoints.doors}meanwhile"
    photo = _add(story, path, f"{KNOCKS} {door} ".ljust(90, "."))
    story.photo = photo
    story.settle()
    story.ask("person", "DELETE", photo, (204, 404))
    _forget(story, path)


def delete_photo(story: Story) -> None:
    """The user deletes the photo that is under way."""
    story.ask("person", "DELETE", story.photo, (204, 404))


def _person(story: Story) -> str:
    """The path of a new person, who consents, of a user who does."""
    story.ask("person", "POST", "/v1/faces/consent", (200,), body=_CONSENT)
    made = _once(story, "/v1/people", {"name": "somebody", "consent": _CONSENT})
    return f"/v1/people/{made['id']}"


def _add(story: Story, path: str, content: str) -> str:
    """Declare and send a photo; its path."""
    made = _declare(story, path, content)
    upload = made["upload"]
    put = {"url": upload["url"], "headers": upload["headers"], "data": content}
    story.send(put)
    return f"{path}/photos/{made['photo']['id']}"


def _declare(story: Story, path: str, content: str) -> dict[str, Any]:
    body = {"content_type": "image/jpeg", "size_bytes": len(content)}
    return _once(story, f"{path}/photos", body)


def _once(story: Story, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make something, however often it has to be asked for."""
    key = {"Idempotency-Key": uuid4().hex}
    answer = story.ask("person", "POST", path, (201,), body=body, headers=key)
    return dict(answer["body"])


def _expect(story: Story, photo: str, state: str) -> None:
    found = story.ask("person", "GET", photo, (200,))["body"]["state"]
    if found != state:
        story.complaints.append(f"a photo is {found}, not {state}")


def _forget(story: Story, path: str) -> None:
    """The person and all consent go, and nothing is left of either."""
    story.ask("person", "DELETE", path, (204, 404))
    story.ask("person", "DELETE", "/v1/faces/consent", (204,))
    story.settle()
    person = path.rpartition("/")[2]
    for bucket in (UPLOADS, ARTIFACTS):
        left = [x.name for x in story.world.store.list(bucket, "") if person in x.name]
        story.complaints += [f"left of a person: {name}" for name in left]
    for table in ("people", "person_photos", "photo_faces", "face_erasures"):
        (row,) = story.world.rows(
            f"SELECT count(*) AS number FROM {table} WHERE user_id = :id", id=story.user_id
        )
        if row.number:
            story.complaints.append(f"left of a person: {row.number} rows in {table}")
