"""Exports: from the request over the sweep and the function to an archive, and its end."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import functions_framework
import pytest

from common import effects
from common.arrivals import Arrivals
from common.database import Database
from common.errors import LeaseLostError, TransientError
from common.ledger.exports import Exports
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from common.messages import ExportRequested, encode
from common.videos.erasing import erase_video
from functions.build_export import content
from functions.build_export import main as build_export
from functions.build_export.archive import Builder
from functions.start_jobs.sweeping import Buckets, Sweeper, Timing
from tests.conftest import TestDatabase
from tests.fakes import FileBus, FileStore
from tests.integration.api.world import ApiClient, Ledger, upload_request
from tests.residue import residue

_BUCKET = "artifacts"


@dataclass(frozen=True, kw_only=True)
class Works:
    """The sweep and the function that builds, over one bucket."""

    sweeper: Sweeper
    bus: FileBus
    store: FileStore
    builder: Builder
    function: Any

    def deliver(self) -> list[int]:
        """Sweep, and push what is waiting; returns the function's statuses."""
        self.sweeper.sweep()
        statuses = []
        while (received := self.bus.pull("heimdex-export-push", wait_s=0)) is not None:
            statuses.append(self.push(received.data))
            self.bus.ack("heimdex-export-push", received, effect="test.ack")
        return statuses

    def push(self, data: bytes) -> int:
        """Push a message by hand."""
        message = {"data": base64.b64encode(data).decode(), "messageId": "1"}
        body = {"message": message, "subscription": "projects/p/subscriptions/x"}
        return int(self.function.post("/", json=body).status_code)

    def archives(self) -> list[str]:
        """Names of all archives there are."""
        return [info.name for info in self.store.list(_BUCKET, "exports/")]

    def open(self) -> zipfile.ZipFile:
        """The only archive."""
        (name,) = self.archives()
        return zipfile.ZipFile(io.BytesIO(self.store.read(_BUCKET, name)))


@pytest.fixture
def works(
    api_database: Database,
    ingest_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Works:
    """Everything behind the API that an export needs."""
    store = FileStore(tmp_path / "objects")
    bus = FileBus(tmp_path / "messages", ack_deadline_s=0.0)
    uploads, outbox = Uploads(ingest_database, grace_s=60.0), Outbox(ingest_database, bus)
    photos = Photos(ingest_database, grace_s=60.0)
    builder = Builder(api_database, store, _BUCKET)
    monkeypatch.setattr(build_export, "_builder", lambda: builder)
    source = tmp_path / "build_export.py"
    source.write_text("from functions.build_export.main import build_export\n")
    return Works(
        sweeper=Sweeper(
            sweep=Sweep(ingest_database),
            uploads=uploads,
            photos=photos,
            arrivals=Arrivals(uploads, photos, outbox),
            outbox=outbox,
            buckets=Buckets(store=store, uploads="uploads", artifacts=_BUCKET),
            timing=Timing(ring_again_after_s=60.0, lease_s=60.0, grace_s=60.0),
        ),
        bus=bus,
        store=store,
        builder=builder,
        function=functions_framework.create_app("build_export", str(source), "http").test_client(),
    )


def _request(client: ApiClient) -> str:
    answer = client.post("/v1/exports", {})
    assert (answer.status_code, answer.json["state"]) == (202, "pending")
    assert answer.headers["Location"] == f"/v1/exports/{answer.json['id']}"
    return str(answer.json["id"])


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


def test_everything_a_user_has_is_in_the_archive(
    client: ApiClient,
    ledger: Ledger,
    works: Works,
    database: TestDatabase,
    user_id: UUID,
    stranger_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every video with every scene, people, the list of originals; nothing of anybody else."""
    monkeypatch.setattr(content, "_VIDEOS_AT_ONCE", 2)
    monkeypatch.setattr(content, "_SCENES_AT_ONCE", 2)
    videos = [ledger.video(title=f"생일 {n}", index_version="offline-1") for n in range(5)]
    scenes = [ledger.scene(videos[0], ordinal) for ordinal in range(5)]
    uploaded = UUID(client.post("/v1/uploads", upload_request()).json["video"]["id"])
    database.owner_rows("UPDATE upload_objects SET finalized_at = now()")
    person = uuid4()
    for statement in (
        "INSERT INTO people (user_id, id, name) VALUES (:user_id, :id, '민지')",
        "INSERT INTO scene_people (user_id, person_id, scene_id, confidence) "
        "VALUES (:user_id, :id, :scene_id, 1)",
        "INSERT INTO face_consents (user_id, id, policy_version) VALUES (:user_id, :id, 'v')",
        "INSERT INTO person_photos (user_id, id, person_id, object_name, content_type, "
        "size_bytes, expires_at, state, finalized_at) "
        "VALUES (:user_id, :id, :id, 'n', 'image/png', 1, now(), 'accepted', now())",
        "INSERT INTO photo_faces (user_id, photo_id, person_id, model, quality, box, vector) "
        "VALUES (:user_id, :id, :id, 'm', 1, '{0, 0, 1, 1}', "
        "CAST(array_fill(0.5, ARRAY[512]) AS halfvec(512)))",
        "INSERT INTO face_observations "
        "(user_id, id, video_id, time_ms, model, quality, box, vector) "
        "VALUES (:user_id, :id, :video_id, 7, 'm', 1, '{0, 0, 0.5, 1}', "
        "CAST(array_fill(0.5, ARRAY[512]) AS halfvec(512)))",
    ):
        named = {"scene_id": scenes[0], "video_id": videos[0]}
        values = {name: value for name, value in named.items() if f":{name}" in statement}
        database.owner_rows(statement, user_id=user_id, id=person, **values)
    theirs = Ledger(database=database, user_id=stranger_id)
    theirs.scene(theirs.video(title="not yours", index_version="offline-1"))

    export_id = _request(client)
    assert works.deliver() == [204]
    export = client.get(f"/v1/exports/{export_id}").json
    assert (export["state"], export["video_count"], export["error"]) == ("ready", 6, None)
    (name,) = works.archives()
    assert f"/heimdex-test-artifacts/{name}?" in export["download"]["url"]
    info = works.store.stat(_BUCKET, name)
    assert info is not None
    assert export["download"]["size_bytes"] == info.size_bytes

    with works.open() as archive:
        names = set(archive.namelist())
        shown = {f"videos/{video}.json" for video in (*videos, uploaded)}
        whole = {"README.txt", "account.json", "people.json", "consents.json", "originals.json"}
        assert names == shown | whole
        video = _json(archive, f"videos/{videos[0]}.json")
        assert video["title"] == "생일 0"
        assert [scene["id"] for scene in video["scenes"]] == [str(scene) for scene in scenes]
        assert video["scenes"][0]["transcript"][0]["text"] == "안녕"
        (said,) = _json(archive, "people.json")
        assert (said["name"], said["scene_ids"]) == ("민지", [str(scenes[0])])
        (photo,) = said["photos"]
        assert (photo["state"], photo["vector"][:2]) == ("accepted", [0.5, 0.5])
        assert photo["fetch"] == f"GET /v1/people/{person}/photos/{person}/original"
        assert [each["policy_version"] for each in _json(archive, "consents.json")] == ["v"]
        (face,) = video["faces"]
        assert (face["time_ms"], face["box"], len(face["vector"])) == (7, [0, 0, 0.5, 1], 512)
        (original,) = _json(archive, "originals.json")
        assert original["fetch"] == f"GET /v1/videos/{uploaded}/original"
        everything = "".join(archive.read(each).decode() for each in names)
        assert "not yours" not in everything
        assert str(stranger_id) not in everything
    assert client.get(original["fetch"].removeprefix("GET ")).json["size_bytes"] == 1000


def test_an_original_that_has_not_arrived_cannot_be_fetched(client: ApiClient) -> None:
    """A URL to nothing would only confuse."""
    video_id = client.post("/v1/uploads", upload_request()).json["video"]["id"]
    answer = client.get(f"/v1/videos/{video_id}/original")
    assert (answer.status_code, answer.json["code"]) == (409, "wrong_state")


def test_asking_twice_makes_one_archive(client: ApiClient, works: Works) -> None:
    """While one waits it is the answer; a repeated message builds nothing again."""
    first = _request(client)
    assert _request(client) == first
    assert works.deliver() == [204]
    assert works.deliver() == []
    (name,) = works.archives()
    user_id = name.split("/")[1]
    message = ExportRequested(user_id=UUID(user_id), export_id=UUID(first))
    assert works.push(encode(message).encode()) == 204
    assert works.archives() == [name]
    assert _request(client) != first


def test_an_archive_is_deleted_after_a_week(
    client: ApiClient, works: Works, database: TestDatabase
) -> None:
    """From then on no URL is given out, and the sweep removes the object."""
    export_id = _request(client)
    works.deliver()
    export = client.get(f"/v1/exports/{export_id}").json
    assert export["expires_at"] > export["finished_at"]
    database.owner_rows("UPDATE exports SET expires_at = now()")
    export = client.get(f"/v1/exports/{export_id}").json
    assert (export["state"], export["download"]) == ("expired", None)
    assert len(works.archives()) == 1
    works.deliver()
    assert works.archives() == []
    database.owner_rows("UPDATE exports SET created_at = now() - interval '31 days'")
    works.deliver()
    assert client.get(f"/v1/exports/{export_id}").status_code == 404


def test_deleting_a_video_takes_it_out_of_every_archive(
    client: ApiClient, ledger: Ledger, works: Works, database: TestDatabase
) -> None:
    """A ready archive expires at once, and the next one is without it."""
    video_id = ledger.video(title="a secret birthday")
    export_id = _request(client)
    works.deliver()
    client.delete(f"/v1/videos/{video_id}")
    assert client.get(f"/v1/exports/{export_id}").json["download"] is None
    works.deliver()
    assert works.archives() == []
    _request(client)
    works.deliver()
    with works.open() as archive:
        assert not any("videos/" in name for name in archive.namelist())


@pytest.mark.parametrize("point", ["before:export.store", "after:export.store"])
def test_a_video_deleted_while_an_archive_is_built_is_not_in_it(
    client: ApiClient,
    ledger: Ledger,
    works: Works,
    database: TestDatabase,
    api_database: Database,
    user_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    """The builder loses its claim, leaves nothing behind, and the next begins anew."""
    video_id = ledger.video(title="a secret birthday")
    export_id = _request(client)

    def delete(reached: str) -> None:
        if reached == point:
            monkeypatch.setattr(effects, "_point", lambda point: None)
            with api_database.tenant(user_id, effect="video.erase") as tx:
                erase_video(tx, user_id, video_id)

    monkeypatch.setattr(effects, "_point", delete)
    assert works.deliver() == [204]
    assert works.archives() == []
    assert client.get(f"/v1/exports/{export_id}").json["state"] == "pending"
    assert works.deliver() == [204]
    assert client.get(f"/v1/exports/{export_id}").json["video_count"] == 0
    database.owner_rows("UPDATE erasures SET created_at = now() - interval '1 h'")
    works.deliver()
    assert residue(database, works.store, [video_id]) == {}


def test_a_builder_that_died_is_replaced_and_five_are_enough(
    client: ApiClient, works: Works, api_database: Database, database: TestDatabase, user_id: UUID
) -> None:
    """The archive is built by the next; what kills every builder ends with a code."""
    export_id = _request(client)
    exports = Exports(api_database)
    dead = exports.claim(user_id, UUID(export_id))
    assert dead is not None
    assert exports.claim(user_id, UUID(export_id)) is None
    database.owner_rows("UPDATE exports SET lease_until = now() - interval '1 s'")
    database.owner_rows("UPDATE exports SET rung_at = now() - interval '61 s'")
    assert works.deliver() == [204]
    with pytest.raises(LeaseLostError):
        exports.finish(dead, size_bytes=1, video_count=1)
    assert client.get(f"/v1/exports/{export_id}").json["state"] == "ready"

    export_id = _request(client)
    for _ in range(5):
        assert exports.claim(user_id, UUID(export_id)) is not None
        database.owner_rows("UPDATE exports SET lease_until = now() - interval '1 s'")
    database.owner_rows("UPDATE exports SET rung_at = NULL")
    assert works.deliver() == [204]
    export = client.get(f"/v1/exports/{export_id}").json
    assert (export["state"], export["error"]["code"]) == ("failed", "export_failed")


def test_without_storage_an_archive_is_built_later(
    client: ApiClient, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pub/Sub is told to push again, and the claim is given back."""
    export_id = _request(client)

    def upload(*_: object, **__: object) -> None:
        raise TransientError

    with monkeypatch.context() as patch:
        patch.setattr(works.store, "upload", upload)
        works.sweeper.sweep()
        received = works.bus.pull("heimdex-export-push", wait_s=0)
        assert received is not None
        assert works.push(received.data) == 503
    assert client.get(f"/v1/exports/{export_id}").json["state"] == "pending"
    assert works.push(received.data) == 204
    assert client.get(f"/v1/exports/{export_id}").json["state"] == "ready"


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff"])
def test_an_unreadable_message_is_not_repeated(works: Works, data: bytes) -> None:
    """What no retry can mend is answered with success."""
    assert works.push(data) == 204
    assert works.function.post("/", data=b"no push").status_code == 204
