"""People, their photos and consent, as a client of the API has them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import flask
import pytest

from common.config import Settings
from common.database import Database
from common.errors import CODES
from common.people import photos, records
from common.people.consent import POLICY_VERSION
from common.people.problems import PROBLEMS
from common.storage import ObjectStore
from common.web.app import create_app
from functions.api.routes import routes
from functions.api.services import Api
from tests.conftest import TestDatabase
from tests.integration.api.world import ApiClient, Ledger, authenticate, upload_request

_CONSENT = {"policy_version": POLICY_VERSION}
_PHOTO = {"content_type": "image/heic", "size_bytes": 5000, "crc32c": "AAAAAA=="}


def new_person(client: ApiClient, **body: object) -> str:
    """The id of a person who consents."""
    answer = client.post("/v1/people", {"name": "민지", "consent": _CONSENT} | body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/people/{answer.json['id']}"
    return str(answer.json["id"])


def audited(database: TestDatabase) -> list[tuple[str, str | None]]:
    """What was written down, in order."""
    rows = database.owner_rows("SELECT action, code FROM audit_events ORDER BY at")
    return [(row.action, row.code) for row in rows]


def test_people_are_made_listed_renamed_and_deleted(
    client: ApiClient, database: TestDatabase
) -> None:
    """Names in NFC, aliases each once; pages newest first; deletion leaves a receipt."""
    first = new_person(client, name=" 민지 ", aliases=["Minji", "민디", "Minji"])
    second = new_person(client, name="Ana", consent=None)
    shown = client.get(f"/v1/people/{first}").json
    assert (shown["name"], shown["aliases"]) == ("민지", ["Minji", "민디"])
    assert shown["consent"]["policy_version"] == POLICY_VERSION
    assert client.get(f"/v1/people/{second}").json["consent"] is None

    page = client.get("/v1/people?page_size=1").json
    assert [each["id"] for each in page["people"]] == [second]
    page = client.get(f"/v1/people?page_size=1&page_token={page['next_page_token']}").json
    assert ([each["id"] for each in page["people"]], page["next_page_token"]) == ([first], None)

    tag = client.get(f"/v1/people/{first}").headers["ETag"]
    renamed = client.patch(f"/v1/people/{first}", {"aliases": []}, headers={"If-Match": tag})
    assert (renamed.json["name"], renamed.json["aliases"]) == ("민지", [])
    stale = client.patch(f"/v1/people/{first}", {"name": "x"}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json["code"]) == (412, "precondition_failed")

    assert client.delete(f"/v1/people/{first}").status_code == 204
    assert client.get(f"/v1/people/{first}").status_code == 404
    assert client.delete(f"/v1/people/{first}").status_code == 404
    (receipt,) = client.get("/v1/erasures").json["erasures"]
    assert (receipt["subject"], receipt["removed"]) == ("person", {"people": 1})
    assert ("person.deleted", None) in audited(database)


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\u202eb"},
        {"name": "ok", "aliases": ["x"] * 21},
        {"name": "ok", "aliases": [" "]},
        {"name": "ok", "consent": {"policy_version": "1999-01"}},
        {},
    ],
)
def test_names_and_consent_are_checked(client: ApiClient, body: object) -> None:
    """What cannot be shown, is too long or agrees to no known policy is refused."""
    answer = client.post("/v1/people", body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_request")


def test_a_repeated_request_makes_one_person(client: ApiClient, ledger: Ledger) -> None:
    """Idempotency-Key holds for people; once deleted, the answer with the name is gone."""
    key = {"Idempotency-Key": "once"}
    first = client.post("/v1/people", {"name": "민지"}, headers=key)
    assert client.post("/v1/people", {"name": "민지"}, headers=key).data == first.data
    assert ledger.count("people") == 1
    client.delete(f"/v1/people/{first.json['id']}")
    again = client.post("/v1/people", {"name": "민지"}, headers=key)
    assert (again.status_code, again.json["code"]) == (422, "idempotency_key_reused")


def test_a_photo_is_declared_before_it_is_sent(client: ApiClient, database: TestDatabase) -> None:
    """The row is there before the URL, which takes exactly this object, once."""
    client.post("/v1/faces/consent", _CONSENT)
    person = new_person(client)
    answer = client.post(f"/v1/people/{person}/photos", _PHOTO)
    assert answer.status_code == 201
    made, upload = answer.json["photo"], answer.json["upload"]
    assert answer.headers["Location"] == f"/v1/people/{person}/photos/{made['id']}"
    assert (made["state"], made["problem"], made["face"]) == ("uploading", None, None)
    (row,) = database.owner_rows("SELECT * FROM person_photos")
    assert row.object_name == f"faces/{row.user_id}/{person}/{made['id']}"

    url = urlsplit(upload["url"])
    assert url.path.endswith(f"/{row.object_name}")
    signed = parse_qs(url.query)["X-Goog-SignedHeaders"][0].split(";")
    headers = {name.lower(): value for name, value in upload["headers"].items()}
    assert upload["method"] == "PUT"
    assert headers["x-goog-content-length-range"] == "5000,5000"
    assert headers["x-goog-if-generation-match"] == "0"
    assert headers["content-type"] == "image/heic"
    assert set(headers) <= {*signed, "host"}

    assert client.get(f"/v1/people/{person}/photos/{made['id']}").json == made
    assert client.get(f"/v1/people/{person}/photos").json["photos"] == [made]
    assert client.get(f"/v1/people/{new_person(client)}/photos/{made['id']}").status_code == 404


def test_photos_take_both_consents(client: ApiClient) -> None:
    """The user's and the person's: without one of them no photo is taken."""
    path = f"/v1/people/{new_person(client)}/photos"
    refused = client.post(path, _PHOTO)
    assert (refused.status_code, refused.json["code"]) == (409, "consent_required")
    client.post("/v1/faces/consent", _CONSENT)
    assert client.post(path, _PHOTO).status_code == 201
    other = new_person(client, consent=None)
    assert client.post(f"/v1/people/{other}/photos", _PHOTO).json["code"] == "consent_required"
    agreed = client.post(f"/v1/people/{other}/consent", _CONSENT)
    assert agreed.json["consent"]["policy_version"] == POLICY_VERSION
    assert client.post(f"/v1/people/{other}/photos", _PHOTO).status_code == 201


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"content_type": "image/gif"}, 415, "photo_type_not_allowed"),
        ({"content_type": "image/svg+xml"}, 415, "photo_type_not_allowed"),
        ({"size_bytes": 0}, 422, "empty_file"),
        ({"size_bytes": 100_001}, 413, "photo_file_too_large"),
        ({"crc32c": "x"}, 400, "invalid_request"),
    ],
)
def test_a_photo_is_checked_when_declared(
    client: ApiClient, change: dict[str, object], status: int, code: str
) -> None:
    """Type, size and checksum, before anything is written."""
    client.post("/v1/faces/consent", _CONSENT)
    answer = client.post(f"/v1/people/{new_person(client)}/photos", _PHOTO | change)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_what_became_of_a_photo_is_told_in_words(client: ApiClient, database: TestDatabase) -> None:
    """A rejected photo says why in both languages, an accepted one where the face is."""
    client.post("/v1/faces/consent", _CONSENT)
    person = new_person(client)
    path = f"/v1/people/{person}/photos"
    photo = client.post(path, _PHOTO).json["photo"]["id"]
    database.owner_rows("UPDATE person_photos SET state = 'rejected', problem = 'face_blurred'")
    problem = client.get(f"{path}/{photo}").json["problem"]
    assert problem["code"] == "face_blurred"
    assert problem["messages"]["en"] == CODES["face_blurred"].en
    assert "흐립니다" in problem["messages"]["ko"]
    database.owner_rows("UPDATE person_photos SET state = 'accepted', problem = NULL")
    database.owner_rows(
        "INSERT INTO photo_faces (user_id, photo_id, person_id, model, quality, box, vector) "
        "SELECT user_id, id, person_id, 'm', 0.5, '{0.25,0.25,0.5,0.5}', "
        "CAST(array_fill(1.0, ARRAY[512]) AS halfvec(512)) FROM person_photos"
    )
    shown = client.get(f"{path}/{photo}").json
    assert shown["face"] == {"quality": 0.5, "x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}
    assert client.get(f"/v1/people/{person}").json["accepted_photos"] == 1
    assert b"vector" not in client.get(path).data


def test_every_problem_has_words() -> None:
    """The closed list of what can be wrong with a photo is in the closed list of codes."""
    assert set(CODES) >= PROBLEMS


def test_there_are_only_so_many(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """People of an account and photos of a person; rejected photos do not count."""
    client.post("/v1/faces/consent", _CONSENT)
    monkeypatch.setattr(records, "MAX_PEOPLE", 1)
    monkeypatch.setattr(photos, "MAX_PHOTOS", 1)
    person = new_person(client)
    assert client.post("/v1/people", {"name": "x"}).json["code"] == "too_many_people"
    path = f"/v1/people/{person}/photos"
    photo = client.post(path, _PHOTO).json["photo"]["id"]
    assert client.post(path, _PHOTO).json["code"] == "too_many_photos"
    assert client.delete(f"{path}/{photo}").status_code == 204
    assert client.post(path, _PHOTO).status_code == 201


def test_the_users_consent_is_recorded_and_taken_back(
    client: ApiClient, database: TestDatabase
) -> None:
    """Given once however often it is sent; withdrawn, it is gone, and both are written down."""
    assert client.get("/v1/faces/consent").json["consent"] is None
    first = client.post("/v1/faces/consent", _CONSENT).json
    assert first["consent"]["policy_version"] == first["policy_version"] == POLICY_VERSION
    assert client.post("/v1/faces/consent", _CONSENT).json == first
    assert client.delete("/v1/faces/consent").status_code == 204
    assert client.delete("/v1/faces/consent").status_code == 204
    assert client.get("/v1/faces/consent").json["consent"] is None
    assert audited(database) == [
        ("faces.consent_given", POLICY_VERSION),
        ("faces.consent_withdrawn", None),
    ]
    assert client.post("/v1/faces/consent", _CONSENT).json["consent"] is not None


def test_switched_off_features_refuse_and_keep(
    api_database: Database,
    api_settings: Settings,
    signer: ObjectStore,
    client: ApiClient,
    user_id: UUID,
    ledger: Ledger,
) -> None:
    """Without faces, or without enrolment, no photo is taken; what is there is read and deleted."""
    client.post("/v1/faces/consent", _CONSENT)
    person = new_person(client)
    path = f"/v1/people/{person}/photos"
    kept = client.post(path, _PHOTO).json["photo"]["id"]
    for feature in ("feature_face", "feature_face_enrollment"):
        switched = ApiClient(
            _app(api_database, api_settings.model_copy(update={feature: False}), signer),
            str(user_id),
        )
        refused = switched.post(path, _PHOTO)
        assert (refused.status_code, refused.json["code"]) == (403, "feature_disabled")
        assert [each["id"] for each in switched.get(path).json["photos"]] == [kept]
        assert switched.get(f"/v1/people/{person}").json["name"] == "민지"
    off = ApiClient(
        _app(api_database, api_settings.model_copy(update={"feature_face": False}), signer),
        str(user_id),
    )
    assert off.get("/v1/faces/consent").json["available"] is False
    assert off.post("/v1/faces/consent", _CONSENT).json["code"] == "feature_disabled"
    assert ledger.count("person_photos") == 1
    # Whoever wants to leave may always.
    assert off.delete(f"{path}/{kept}").status_code == 204
    assert off.delete("/v1/faces/consent").status_code == 204


def test_an_unverified_address_uploads_nothing(
    api_database: Database,
    api_settings: Settings,
    signer: ObjectStore,
    user_id: UUID,
    ledger: Ledger,
    unverified: ApiClient,
) -> None:
    """Neither videos nor photos, if verification is asked for; reading stays possible."""
    app = _app(
        api_database, api_settings.model_copy(update={"feature_email_verification": True}), signer
    )
    refused = ApiClient(app, f"unverified-{user_id}").post("/v1/uploads", upload_request())
    assert (refused.status_code, refused.json["code"]) == (403, "email_unverified")
    assert ledger.count("videos") == 0
    verified = ApiClient(app, str(user_id))
    assert verified.post("/v1/uploads", upload_request()).status_code == 201
    verified.post("/v1/faces/consent", _CONSENT)
    path = f"/v1/people/{new_person(verified)}/photos"
    refused = ApiClient(app, f"unverified-{user_id}").post(path, _PHOTO)
    assert (refused.status_code, refused.json["code"]) == (403, "email_unverified")
    assert ApiClient(app, f"unverified-{user_id}").get("/v1/videos").status_code == 200
    # Off, as it is by default, nobody asks.
    assert unverified.post("/v1/uploads", upload_request()).status_code == 201


def test_a_person_of_another_tenant_has_no_photos_of_mine(
    client: ApiClient, stranger: ApiClient
) -> None:
    """A photo cannot be added to a person that is not there for the tenant."""
    for each in (client, stranger):
        each.post("/v1/faces/consent", _CONSENT)
    person = new_person(client)
    assert stranger.post(f"/v1/people/{person}/photos", _PHOTO).status_code == 404
    assert client.post(f"/v1/people/{uuid4()}/photos", _PHOTO).status_code == 404


def _app(database: Database, changed: Settings, signer: ObjectStore) -> flask.Flask:
    return create_app(
        "api",
        routes,
        Api(settings=changed, signer=signer),
        settings=changed,
        authenticate=authenticate,
        database=database,
    )
