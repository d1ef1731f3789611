"""A person is enrolled by signed URL through real processes, and forgotten when they say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from google.cloud import storage
from google.oauth2.credentials import Credentials

from common.people.consent import POLICY_VERSION
from local.client import Client
from local.cloud import Cloud
from local.environment import ARTIFACTS_BUCKET, PROJECT, UPLOADS_BUCKET
from tests import heic
from tests.e2e.conftest import INDEX_TIMEOUT_S
from tests.people import encoded, portrait

pytestmark = pytest.mark.xdist_group("e2e")

_CONSENT = {"policy_version": POLICY_VERSION}


class Browser:
    """What a page does: the API, and the URLs it is given."""

    def __init__(self, cloud: Cloud, client: Client) -> None:
        self._base = f"{cloud.address.endpoints.api_url}/v1"
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {client.token}"

    def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """The API's answer."""
        answer = self._http.request(method, self._base + path, json=body, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def send(self, upload: dict[str, Any], data: bytes) -> int:
        """PUT the bytes; the status."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.put(upload["url"], headers=upload["headers"], data=data, timeout=60)
            return answer.status_code

    def add_photo(self, person: str, data: bytes, kind: str) -> str:
        """Declare and send a photo; its path."""
        body = {"content_type": kind, "size_bytes": len(data)}
        made = self.call("POST", f"/people/{person}/photos", body, status=201)
        assert self.send(made["upload"], data + b"!") != 200
        assert self.send(made["upload"], data) == 200
        assert self.send(made["upload"], data) == 412
        return f"/people/{person}/photos/{made['photo']['id']}"

    def wait(self, photo: str) -> dict[str, Any]:
        """The photo, once it is accepted or rejected."""
        over = ("accepted", "rejected")
        ended = until(lambda: self.call("GET", photo), lambda now: now["state"] in over)
        return dict(ended)


def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Ask until the answer is good."""
    deadline = time.monotonic() + INDEX_TIMEOUT_S
    while not good(answer := ask()):
        assert time.monotonic() < deadline, f"stuck: {answer}"
        time.sleep(0.2)
    return answer


def test_a_person_is_enrolled_and_forgotten(cloud: Cloud, new_client: Callable[[], Client]) -> None:
    """JPEG and HEIC are accepted, a bad photo says why; withdrawal leaves no object of them."""
    browser = Browser(cloud, new_client())
    person = browser.call("POST", "/people", {"name": "민지", "consent": _CONSENT}, status=201)[
        "id"
    ]
    refused = browser.call(
        "POST",
        f"/people/{person}/photos",
        {"content_type": "image/jpeg", "size_bytes": 10},
        status=409,
    )
    assert refused["code"] == "consent_required"
    browser.call("POST", "/faces/consent", _CONSENT)

    photos = [
        browser.add_photo(person, encoded(portrait()), "image/jpeg"),
        browser.add_photo(person, heic.encode_grid(portrait(), tile_px=512), "image/heic"),
        browser.add_photo(person, encoded(portrait((4, 3), (12, 6)), "PNG"), "image/png"),
    ]
    jpeg, tiles, group = [browser.wait(photo) for photo in photos]
    assert jpeg["state"] == tiles["state"] == "accepted", (jpeg, tiles)
    assert 0 < jpeg["face"]["width"] < 0.2
    assert group["problem"]["code"] == "several_faces"
    assert group["problem"]["messages"]["ko"]
    assert browser.call("GET", f"/people/{person}")["accepted_photos"] == 2

    objects = storage.Client(
        project=PROJECT,
        credentials=Credentials(token="local"),
        client_options={"api_endpoint": cloud.address.storage_url},
    )

    def left() -> list[str]:
        buckets = (UPLOADS_BUCKET, ARTIFACTS_BUCKET)
        names = [blob.name for bucket in buckets for blob in objects.list_blobs(bucket)]
        return [name for name in names if person in name]

    assert len(left()) == 3 * 3
    browser.call("DELETE", f"/people/{person}/consent", status=204)
    assert browser.call("GET", f"/people/{person}")["photos"] == 0
    until(left, lambda names: not names)
    objects.close()
    browser.call("DELETE", f"/people/{person}", status=204)
    subjects = [each["subject"] for each in browser.call("GET", "/erasures")["erasures"]]
    assert subjects == ["person", "person"]
