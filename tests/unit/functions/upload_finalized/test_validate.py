"""Events of Cloud Storage, read."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from common.domain import PhotoRef
from common.errors import ContractError
from common.people.photos import object_name
from common.videos.uploads import subtitle_name, video_name
from functions.upload_finalized.validate import PhotoAccepted, UploadAccepted, read_event

USER, VIDEO = UUID(int=1), UUID(int=2)


def _data(**changes: Any) -> dict[str, Any]:
    return {
        "bucket": "uploads",
        "name": video_name(USER, VIDEO, "mp4"),
        "generation": "1700000000000001",
        "size": "123",
        "contentType": "video/mp4",
        "crc32c": "yZRlqg==",
        "metageneration": "1",
        **changes,
    }


def test_photos_of_people_are_read() -> None:
    """Tenant, person and photo are taken from the name."""
    person, photo = uuid4(), uuid4()
    name = object_name(USER, person, photo)
    accepted = read_event(_data(name=name), bucket="uploads")
    assert isinstance(accepted, PhotoAccepted)
    assert (accepted.user_id, accepted.stored.name) == (USER, name)
    assert accepted.photo == PhotoRef(person_id=person, photo_id=photo)
    for other in (f"{name}.jpg", f"{name}/x", name.upper(), f"faces/{USER}/{photo}"):
        assert read_event(_data(name=other), bucket="uploads") is None


@pytest.mark.parametrize(
    "name", [video_name(USER, VIDEO, "mkv"), subtitle_name(USER, VIDEO, 2, "srt")]
)
def test_the_names_that_the_api_makes_are_read(name: str) -> None:
    """Tenant and video are taken from the name; the rest is as Cloud Storage says."""
    accepted = read_event(_data(name=name), bucket="uploads")
    assert isinstance(accepted, UploadAccepted)
    assert (accepted.user_id, accepted.video_id, accepted.stored.name) == (USER, VIDEO, name)
    assert accepted.stored.generation == 1700000000000001
    assert accepted.stored.size_bytes == 123
    assert (accepted.stored.content_type, accepted.stored.crc32c) == ("video/mp4", "yZRlqg==")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "videos/x.mp4",
        f"videos/{USER}/{VIDEO}",
        f"videos/{USER}/{VIDEO}.mp4/../x",
        f"videos/{USER}/{VIDEO}.mp4\n",
        f"videos/{USER}/sub/{VIDEO}.mp4",
        f"videos/{str(USER).replace('0', 'A')}/{VIDEO}.mp4",
        f"subtitles/{USER}/{VIDEO}.srt",
        f"subtitles/{USER}/{VIDEO}/x.srt",
        f"/videos/{USER}/{VIDEO}.mp4",
    ],
)
def test_other_names_are_no_uploads(name: str) -> None:
    """Nothing but exactly such a name leads to a row, or to a deletion."""
    assert read_event(_data(name=name), bucket="uploads") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket": "other"},
        {"bucket": None},
        {"name": 3},
        {"generation": "x"},
        {"generation": "0"},
        {"generation": None},
        {"size": "-1"},
        {"contentType": {}},
    ],
    ids=repr,
)
def test_an_event_that_is_not_one_is_refused(changes: dict[str, Any]) -> None:
    """Missing or wrong fields, and other buckets' events, are one error."""
    with pytest.raises(ContractError, match="message_invalid"):
        read_event(_data(**changes), bucket="uploads")


@pytest.mark.parametrize("data", [None, b"", "text", [], 3])
def test_data_that_is_no_object_is_refused(data: object) -> None:
    """Whatever a CloudEvent carries."""
    with pytest.raises(ContractError, match="message_invalid"):
        read_event(data, bucket="uploads")
