"""What the stand-in and Cloud Storage both do, through the official client and the adapter.

Runs on Cloud Storage, too, when `HEIMDEX_CONTRACT_BUCKET` names a bucket that the default
credentials may write to.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from google.api_core import exceptions as api_errors

from common.errors import NotFoundError
from common.storage import ObjectExistsError, ObjectInfo, ObjectStore
from tests.conftest import settings
from tests.contract.storage_rig import BUCKET, Rig, connected, server

GOOGLE_BUCKET = os.environ.get("HEIMDEX_CONTRACT_BUCKET", "")
MIB = 1024 * 1024


@pytest.fixture(params=["stand-in", "google"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """The stand-in, and Cloud Storage where it is configured."""
    if request.param == "google":
        if not GOOGLE_BUCKET:
            pytest.skip("HEIMDEX_CONTRACT_BUCKET is not set")
        yield from _google()
        return
    with server(tmp_path / "storage") as running, connected(running.url) as rig:
        yield rig


def _google() -> Iterator[Rig]:
    store = ObjectStore.connect(settings(uploads_bucket=GOOGLE_BUCKET))
    prefix = f"contract/{uuid4().hex}/"
    yield Rig(store=store, client=store._client, bucket=GOOGLE_BUCKET, prefix=prefix)
    store.delete_prefix(GOOGLE_BUCKET, prefix, effect="object.delete")
    store.close()


def write(rig: Rig, name: str, data: bytes, *, if_absent: bool = False) -> int:
    """Store text and return its generation."""
    stored = rig.store.write(
        rig.bucket,
        rig.prefix + name,
        data,
        content_type="text/plain",
        effect="object.write",
        if_absent=if_absent,
    )
    return stored.generation


@pytest.mark.parametrize("name", ["a", "a b/c+d%2F?&#.txt", "영상/1.mp4", "/leading//slashes/"])
def test_round_trip(rig: Rig, name: str) -> None:
    """What is written under any name is what is read, with size, type and checksum."""
    generation = write(rig, name, b"hello")
    found = rig.store.stat(rig.bucket, rig.prefix + name)
    assert found is not None
    assert found.name == rig.prefix + name
    assert (found.generation, found.size_bytes) == (generation, 5)
    assert (found.content_type, found.crc32c) == ("text/plain", "mnG7TA==")
    assert rig.store.read(rig.bucket, rig.prefix + name) == b"hello"


def test_missing(rig: Rig) -> None:
    """A missing object is None to ask for, an error to read, and nothing to delete."""
    name = rig.prefix + "missing"
    assert rig.store.stat(rig.bucket, name) is None
    with pytest.raises(NotFoundError):
        rig.store.read(rig.bucket, name)
    rig.store.delete(rig.bucket, name, effect="object.delete")


def test_missing_bucket(rig: Rig) -> None:
    """A bucket that does not exist is an error to write to and to list."""
    bucket = f"heimdex-missing-{uuid4().hex}"
    with pytest.raises(NotFoundError):
        rig.store.write(bucket, "a", b"", content_type="text/plain", effect="object.write")
    with pytest.raises(NotFoundError):
        list(rig.store.list(bucket, ""))


@pytest.mark.parametrize(("size", "first"), [(0, 5), (3, 5), (10, 5), (10, 1)])
def test_first_bytes(rig: Rig, size: int, first: int) -> None:
    """The first bytes are there, however short or empty the object is."""
    data = os.urandom(size)
    write(rig, "a", data)
    assert rig.store.read(rig.bucket, rig.prefix + "a", first_bytes=first) == data[:first]


def test_overwriting_raises_the_generation(rig: Rig, tmp_path: Path) -> None:
    """A new content has a higher generation, and the old one cannot be had any more."""
    first = write(rig, "a", b"1")
    second = write(rig, "a", b"2")
    assert second > first
    name = rig.prefix + "a"
    assert rig.store.read(rig.bucket, name, generation=second) == b"2"
    with pytest.raises(NotFoundError):
        rig.store.download(rig.bucket, name, tmp_path / "a", generation=first)
    assert list(tmp_path.glob("a*")) == []


def test_if_absent(rig: Rig) -> None:
    """Writing the same bytes again is fine; other bytes never replace what is there."""
    first = write(rig, "a", b"1", if_absent=True)
    assert write(rig, "a", b"1", if_absent=True) == first
    with pytest.raises(ObjectExistsError) as caught:
        write(rig, "a", b"2", if_absent=True)
    assert caught.value.existing.generation == first
    assert rig.store.read(rig.bucket, rig.prefix + "a") == b"1"


def test_a_file_is_stored_once(rig: Rig, tmp_path: Path) -> None:
    """A file of several chunks arrives whole, and what is there already is never replaced."""
    file = tmp_path / "weights"
    file.write_bytes(os.urandom(9 * MIB))
    name = rig.prefix + "weights"

    def upload() -> ObjectInfo:
        return rig.store.upload(
            rig.bucket, name, file, content_type="application/octet-stream", effect="object.upload"
        )

    stored = upload()
    assert rig.store.read(rig.bucket, name) == file.read_bytes()
    file.write_bytes(b"other bytes")
    assert upload() == stored


def test_precondition(rig: Rig) -> None:
    """The client's own preconditions hold or fail."""
    generation = write(rig, "a", b"1")
    blob = rig.client.bucket(rig.bucket).blob(rig.prefix + "a")
    with pytest.raises(api_errors.PreconditionFailed):
        blob.upload_from_string(b"2", if_generation_match=generation - 1)
    blob.upload_from_string(b"3", if_generation_match=generation)
    with pytest.raises(api_errors.PreconditionFailed):
        blob.delete(if_generation_match=generation)
    assert blob.download_as_bytes() == b"3"


def test_resumable_upload_in_chunks(rig: Rig, tmp_path: Path) -> None:
    """The client uploads 9 MiB in chunks of 1 MiB, and the same bytes stream back to a file."""
    data = os.urandom(9 * MIB + 17)
    blob = rig.client.bucket(rig.bucket).blob(rig.prefix + "big", chunk_size=MIB)
    blob.metadata = {"intent": "테스트"}
    blob.upload_from_file(io.BytesIO(data), content_type="video/mp4", if_generation_match=0)
    path = tmp_path / "big"
    rig.store.download(rig.bucket, rig.prefix + "big", path)
    assert path.read_bytes() == data
    blob.reload()
    assert (blob.content_type, blob.size) == ("video/mp4", len(data))
    assert blob.metadata == {"intent": "테스트"}


def test_upload_of_unknown_size(rig: Rig) -> None:
    """A stream whose end is not known beforehand is complete when it ends."""
    data = os.urandom(MIB + 5)
    blob = rig.client.bucket(rig.bucket).blob(rig.prefix + "a", chunk_size=MIB // 2)
    with blob.open("wb", if_generation_match=0, content_type="text/plain") as file:
        file.write(data)
    assert rig.store.read(rig.bucket, rig.prefix + "a") == data


def test_compressed_upload_is_stored_as_it_is(rig: Rig) -> None:
    """Bytes with a content encoding are neither unpacked on the way in nor on the way out."""
    packed = gzip.compress(b"hello" * 100)
    blob = rig.client.bucket(rig.bucket).blob(rig.prefix + "a")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed, content_type="text/plain", if_generation_match=0)
    assert rig.store.read(rig.bucket, rig.prefix + "a") == packed
    found = rig.store.stat(rig.bucket, rig.prefix + "a")
    assert found is not None
    assert found.size_bytes == len(packed)


def test_range_of_an_object(rig: Rig) -> None:
    """The client reads ranges, and a file object that seeks in the content."""
    write(rig, "a", b"0123456789")
    blob = rig.client.bucket(rig.bucket).blob(rig.prefix + "a")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=7) == b"789"
    with pytest.raises(api_errors.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)
    with blob.open("rb") as file:
        file.seek(8)
        assert file.read() == b"89"


def test_list(rig: Rig) -> None:
    """Listing gives the objects of a prefix in order, over several pages, and common prefixes."""
    for name in ("v/2", "v/1", "v/sub/3", "w/1"):
        write(rig, name, b"x")
    found = [
        info.name.removeprefix(rig.prefix) for info in rig.store.list(rig.bucket, rig.prefix + "v/")
    ]
    assert found == ["v/1", "v/2", "v/sub/3"]
    pages = rig.client.list_blobs(rig.bucket, prefix=rig.prefix + "v/", delimiter="/", page_size=1)
    assert [blob.name.removeprefix(rig.prefix) for blob in pages] == ["v/1", "v/2"]
    assert pages.prefixes == {rig.prefix + "v/sub/"}


def test_page(rig: Rig) -> None:
    """A page begins at a name, whether or not it exists, and holds no more than asked for."""
    for name in ("v/1", "v/2", "v/4", "w/1"):
        write(rig, name, b"x")

    def page(start: str, limit: int = 10) -> list[str]:
        first = rig.prefix + start if start else ""
        found = rig.store.page(rig.bucket, rig.prefix + "v/", start=first, limit=limit)
        assert all(abs(datetime.now(UTC) - info.created_at) < timedelta(hours=1) for info in found)
        return [info.name.removeprefix(rig.prefix) for info in found]

    assert page("") == ["v/1", "v/2", "v/4"]
    assert page("v/2") == ["v/2", "v/4"]
    assert page("v/3") == ["v/4"]
    assert page("v/5") == []
    assert page("", limit=2) == ["v/1", "v/2"]
    assert page("v/2", limit=1) == ["v/2"]


def test_delete_prefix(rig: Rig) -> None:
    """All objects of a prefix are deleted and counted, and no others."""
    for name in ("v/1", "v/2", "w/1"):
        write(rig, name, b"x")
    count = rig.store.delete_prefix(rig.bucket, rig.prefix + "v/", effect="object.delete")
    assert count == 2
    left = [info.name for info in rig.store.list(rig.bucket, rig.prefix)]
    assert left == [rig.prefix + "w/1"]
    assert rig.store.delete_prefix(rig.bucket, rig.prefix + "v/", effect="object.delete") == 0


def test_checksum_of_the_client_is_checked(rig: Rig) -> None:
    """Bytes that do not fit the announced checksum are refused and not stored."""
    blob = rig.client.bucket(rig.bucket).blob(rig.prefix + "a")
    blob.crc32c = "AAAAAA=="
    with pytest.raises(api_errors.BadRequest):
        blob.upload_from_string(b"1", checksum=None)
    assert rig.store.stat(rig.bucket, rig.prefix + "a") is None


def test_no_credentials(rig: Rig) -> None:
    """Without a token the JSON API answers 401 in Google's format."""
    url = f"{rig.client.api_endpoint}/storage/v1/b/{rig.bucket}/o"
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == 401
    assert answer.json()["error"]["errors"][0]["reason"] == "required"


def test_buckets(tmp_path: Path) -> None:
    """Buckets are made once, found, listed, and missing ones are not found."""
    with server(tmp_path) as running, connected(running.url) as rig:
        assert rig.client.create_bucket("another-bucket").name == "another-bucket"
        with pytest.raises(api_errors.Conflict):
            rig.client.create_bucket("another-bucket")
        refused = requests.post(
            f"{running.url}/storage/v1/b?project=heimdex-test",
            json={"name": "Not_Allowed/.."},
            headers={"Authorization": "Bearer any-token"},
            timeout=10,
        )
        assert refused.status_code == 400
        assert rig.client.bucket("another-bucket").exists()
        assert not rig.client.bucket("missing-bucket").exists()
        assert [b.name for b in rig.client.list_buckets()] == ["another-bucket", BUCKET]
