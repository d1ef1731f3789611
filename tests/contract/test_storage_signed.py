"""Signed URLs end to end: signed by Google's code, used by a plain HTTP client, verified."""

from __future__ import annotations

import base64
import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import google_crc32c
import pytest
import requests

from common.storage import ObjectStore, SignedUpload
from local.storage import StorageServer
from tests.contract.storage_rig import BUCKET, connected, server, signer

MIB = 1024 * 1024
TIMEOUT_S = 10


@dataclass
class Clock:
    """Real time, moved forward when told to."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    """The stand-in's clock."""
    return Clock()


@pytest.fixture
def running(tmp_path: Path, clock: Clock) -> Iterator[StorageServer]:
    """A stand-in that one web page may use."""
    with server(tmp_path / "storage", clock=clock, cors_origins=("https://app.test",)) as started:
        yield started


@pytest.fixture
def store(running: StorageServer) -> Iterator[ObjectStore]:
    """The adapter on it."""
    with connected(running.url) as rig:
        yield rig.store


def sign(
    store: ObjectStore, data: bytes, *, resumable: bool = False, crc32c: str | None = None
) -> SignedUpload:
    """A signed upload for exactly these bytes."""
    return store.sign_upload(
        BUCKET,
        "videos/비디오 1.mp4",
        content_type="video/mp4",
        size_bytes=len(data),
        resumable=resumable,
        crc32c=crc32c,
    )


def put(upload: SignedUpload, data: bytes, **headers: str) -> requests.Response:
    """Use a signed PUT as a client does."""
    sent = {**upload.headers, **headers}
    return requests.put(upload.url, data=data, headers=sent, timeout=TIMEOUT_S)


def start(upload: SignedUpload) -> str:
    """Start a resumable upload and return the session's URI."""
    answer = requests.post(upload.url, headers=upload.headers, timeout=TIMEOUT_S)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def send(session: str, data: bytes, content_range: str) -> requests.Response:
    """Send a chunk."""
    headers = {"Content-Range": content_range}
    return requests.put(session, data=data, headers=headers, timeout=TIMEOUT_S)


def code(answer: requests.Response) -> tuple[int, str | None]:
    """Status and name of a refusal in the XML API."""
    return answer.status_code, ElementTree.fromstring(answer.content).findtext("Code")


def stored(store: ObjectStore) -> bytes | None:
    """What is in the bucket."""
    info = store.stat(BUCKET, "videos/비디오 1.mp4")
    return None if info is None else store.read(BUCKET, info.name)


# --- single PUT -----------------------------------------------------------------------------------


def test_put(store: ObjectStore) -> None:
    """A signed PUT stores exactly the bytes, with their type."""
    data = os.urandom(3 * MIB)
    answer = put(sign(store, data), data)
    assert answer.status_code == 200
    info = store.stat(BUCKET, "videos/비디오 1.mp4")
    assert info is not None
    assert info.content_type == "video/mp4"
    assert answer.headers["x-goog-generation"] == str(info.generation)
    assert f"crc32c={info.crc32c}" in answer.headers["x-goog-hash"]
    assert stored(store) == data


def test_put_with_curl(store: ObjectStore, tmp_path: Path) -> None:
    """curl, which waits for 100 Continue, uploads with nothing but the URL and the headers."""
    if (curl := shutil.which("curl")) is None:
        pytest.skip("curl is not installed")
    data = os.urandom(2 * MIB)
    path = tmp_path / "video"
    path.write_bytes(data)
    upload = sign(store, data)
    headers = [part for n, v in upload.headers.items() for part in ("-H", f"{n}: {v}")]
    command = [curl, "-sS", "-f", "--noproxy", "*", "-X", upload.method, *headers]
    subprocess.run([*command, "--data-binary", f"@{path}", upload.url], check=True, timeout=30)
    assert stored(store) == data


def test_compressed_put_is_not_unpacked(store: ObjectStore) -> None:
    """A compressed body counts and is stored as it comes, so it cannot swell on our side."""
    packed = gzip.compress(bytes(MIB))
    upload = sign(store, packed)
    answer = put(upload, packed, **{"content-encoding": "gzip"})
    assert answer.status_code == 200
    assert stored(store) == packed


def test_put_twice(store: ObjectStore) -> None:
    """A signed upload creates its object once and never replaces it."""
    upload = sign(store, b"12345")
    assert put(upload, b"12345").status_code == 200
    assert code(put(upload, b"54321")) == (412, "PreconditionFailed")
    assert stored(store) == b"12345"


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"123456", "EntityTooLarge"), (b"1234", "EntityTooSmall"), (b"", "EntityTooSmall")],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_put_of_another_size(
    store: ObjectStore, data: bytes, expected: str, streamed: bool
) -> None:
    """Only the declared size is stored, whether the client announces it or streams."""
    upload = sign(store, b"12345")
    body = iter([data]) if streamed else data
    answer = requests.put(upload.url, data=body, headers=upload.headers, timeout=TIMEOUT_S)
    assert code(answer) == (400, expected)
    assert stored(store) is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [(2, "EntityTooSmall"), (3, None), (5, None), (6, "EntityTooLarge")],
)
@pytest.mark.parametrize("resumable", [False, True])
def test_both_ends_of_a_length_range(
    running: StorageServer, size: int, expected: str | None, resumable: bool
) -> None:
    """One byte below and one above are refused; the least and the most are stored."""
    headers = {"x-goog-content-length-range": "3,5"}
    if resumable:
        headers["x-goog-resumable"] = "start"
    method = "POST" if resumable else "PUT"
    with connected(running.url) as rig:
        blob = rig.client.bucket(BUCKET).blob(f"range-{size}")
        url = blob.generate_signed_url(
            version="v4",
            expiration=timedelta(minutes=1),
            method=method,
            headers=headers,
            credentials=signer(),
            api_access_endpoint=running.url,
        )
        body = b"" if resumable else b"x" * size
        answer = requests.request(method, url, data=body, headers=headers, timeout=TIMEOUT_S)
        if resumable:
            session = answer.headers["Location"]
            answer = requests.put(session, data=b"x" * size, timeout=TIMEOUT_S)
        if expected is None:
            assert answer.status_code == 200
        else:
            assert code(answer) == (400, expected)
        assert blob.exists() == (expected is None)


def test_excess_of_a_stream_is_never_stored(store: ObjectStore, tmp_path: Path) -> None:
    """A client that streams far more than declared leaves nothing on the disk."""
    upload = sign(store, b"12345")
    body = (bytes(MIB) for _ in range(32))
    answer = requests.put(upload.url, data=body, headers=upload.headers, timeout=TIMEOUT_S)
    assert code(answer) == (400, "EntityTooLarge")
    assert list((tmp_path / "storage" / "contents").iterdir()) == []


@pytest.mark.parametrize(
    "header",
    ["content-type", "x-goog-content-length-range", "x-goog-if-generation-match", "x-goog-hash"],
)
def test_every_returned_header_is_needed(store: ObjectStore, header: str) -> None:
    """Leaving out or changing any of the returned headers is refused."""
    upload = sign(store, b"12345", crc32c=crc32c(b"12345"))
    rest = {n: v for n, v in upload.headers.items() if n != header}
    missing = requests.put(upload.url, data=b"12345", headers=rest, timeout=TIMEOUT_S)
    assert code(missing) == (400, "MalformedSecurityHeader")
    changed = put(upload, b"12345", **{header: upload.headers[header] + "0"})
    assert code(changed) == (403, "SignatureDoesNotMatch")
    assert stored(store) is None


def crc32c(data: bytes) -> str:
    """Base64 of the big-endian checksum."""
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def test_declared_checksum(store: ObjectStore) -> None:
    """With a declared checksum only bytes that have it are stored."""
    upload = sign(store, b"12345", crc32c=crc32c(b"12345"))
    assert code(put(upload, b"54321")) == (400, "BadDigest")
    assert stored(store) is None
    assert put(upload, b"12345").status_code == 200


def test_expired(store: ObjectStore, clock: Clock) -> None:
    """After its ten minutes a URL is refused as expired."""
    upload = sign(store, b"12345")
    assert upload.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    clock.ahead = timedelta(minutes=10, seconds=2)
    assert code(put(upload, b"12345")) == (400, "ExpiredToken")
    assert stored(store) is None


def test_another_object(store: ObjectStore, running: StorageServer) -> None:
    """A URL is good for its object only."""
    upload = sign(store, b"12345")
    other = upload.url.replace("/videos/", "/other/")
    assert other != upload.url
    answer = requests.put(other, data=b"12345", headers=upload.headers, timeout=TIMEOUT_S)
    assert code(answer) == (403, "SignatureDoesNotMatch")


def test_without_signature(running: StorageServer) -> None:
    """Nobody reads or writes without a signature or a token."""
    url = f"{running.url}/{BUCKET}/a"
    for method in ("GET", "HEAD", "PUT", "POST"):
        answer = requests.request(method, url, timeout=TIMEOUT_S)
        assert answer.status_code == 403
    assert code(requests.get(url, timeout=TIMEOUT_S)) == (403, "AccessDenied")


# --- resumable ------------------------------------------------------------------------------------


def test_resumable_with_a_cut(store: ObjectStore, running: StorageServer) -> None:
    """After a cut in the middle the client asks, goes on from there, and the object is whole."""
    data = os.urandom(5 * MIB + 3)
    session = start(sign(store, data, resumable=True))
    running.faults.cut_after_bytes = 2 * MIB + 100_000
    running.faults.cut_uploads = 1
    with pytest.raises(requests.ConnectionError):
        requests.put(session, data=data, timeout=TIMEOUT_S)
    status = send(session, b"", f"bytes */{len(data)}")
    assert status.status_code == 308
    received = int(status.headers["Range"].removeprefix("bytes=0-")) + 1
    assert received == 2 * MIB
    rest = f"bytes {received}-{len(data) - 1}/{len(data)}"
    final = send(session, data[received:], rest)
    assert final.status_code == 200
    assert stored(store) == data
    again = send(session, data[received:], rest)
    assert again.status_code == 200
    assert again.headers["x-goog-generation"] == final.headers["x-goog-generation"]


def test_resumable_in_chunks(store: ObjectStore) -> None:
    """Chunks are acknowledged one by one with the range that is safe."""
    data = os.urandom(MIB // 2 + 1)
    session = start(sign(store, data, resumable=True))
    fresh = send(session, b"", "bytes */*")
    assert (fresh.status_code, "Range" in fresh.headers) == (308, False)
    half = MIB // 4
    first = send(session, data[:half], f"bytes 0-{half - 1}/{len(data)}")
    assert (first.status_code, first.headers["Range"]) == (308, f"bytes=0-{half - 1}")
    odd = send(session, data[half:-2], f"bytes {half}-{len(data) - 3}/{len(data)}")
    assert odd.status_code == 400
    last = send(session, data[half:], f"bytes {half}-{len(data) - 1}/{len(data)}")
    assert last.status_code == 200
    assert stored(store) == data


def test_resumable_size_is_binding(store: ObjectStore) -> None:
    """A session takes no other total than the declared one."""
    session = start(sign(store, b"12345", resumable=True))
    too_much = requests.put(session, data=b"123456", timeout=TIMEOUT_S)
    assert code(too_much) == (400, "EntityTooLarge")
    too_little = send(session, b"1234", "bytes 0-3/4")
    assert code(too_little) == (400, "EntityTooSmall")
    more_than_announced = send(session, b"123456", "bytes 0-4/5")
    assert more_than_announced.status_code == 400
    assert stored(store) is None
    assert requests.put(session, data=b"12345", timeout=TIMEOUT_S).status_code == 200


def test_resumable_outlives_its_url(store: ObjectStore, clock: Clock) -> None:
    """A started session goes on after the URL expired, but not for more than a week."""
    sessions = [start(sign(store, b"12345", resumable=True)) for _ in range(2)]
    clock.ahead = timedelta(days=1)
    assert requests.put(sessions[0], data=b"12345", timeout=TIMEOUT_S).status_code == 200
    clock.ahead = timedelta(days=7, seconds=1)
    assert code(requests.put(sessions[1], data=b"12345", timeout=TIMEOUT_S)) == (410, "Gone")


def test_resumable_loses_a_race(store: ObjectStore) -> None:
    """If the object appears during the upload, the upload fails at its end and replaces nothing."""
    session = start(sign(store, b"12345", resumable=True))
    assert put(sign(store, b"first"), b"first").status_code == 200
    lost = requests.put(session, data=b"12345", timeout=TIMEOUT_S)
    assert code(lost) == (412, "PreconditionFailed")
    assert stored(store) == b"first"
    taken = sign(store, b"12345", resumable=True)
    answer = requests.post(taken.url, headers=taken.headers, timeout=TIMEOUT_S)
    assert code(answer) == (412, "PreconditionFailed")


def test_unknown_and_cancelled_sessions(store: ObjectStore) -> None:
    """An unknown session is not found; a cancelled one is gone."""
    session = start(sign(store, b"12345", resumable=True))
    unknown = session[:-1] + ("0" if session[-1] != "0" else "1")
    assert requests.put(unknown, data=b"12345", timeout=TIMEOUT_S).status_code == 404
    assert requests.delete(session, timeout=TIMEOUT_S).status_code == 499
    assert requests.put(session, data=b"12345", timeout=TIMEOUT_S).status_code == 410


# --- download -------------------------------------------------------------------------------------


@pytest.fixture
def preview(store: ObjectStore) -> str:
    """A signed GET of ten bytes."""
    store.write(BUCKET, "a b.mp4", b"0123456789", content_type="text/html", effect="object.write")
    return store.sign_download(BUCKET, "a b.mp4", content_type="video/mp4", filename="영상.mp4")


def test_download(preview: str) -> None:
    """A preview is shown inline as the type that was signed, not the one that was stored."""
    answer = requests.get(preview, timeout=TIMEOUT_S)
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["Content-Type"] == "video/mp4"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "inline; filename*=UTF-8''%EC%98%81%EC%83%81.mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("wanted", "content", "content_range"),
    [
        ("bytes=0-", b"0123456789", "bytes 0-9/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_range(preview: str, wanted: str, content: bytes, content_range: str) -> None:
    """A player that seeks gets exactly its range."""
    answer = requests.get(preview, headers={"Range": wanted}, timeout=TIMEOUT_S)
    assert (answer.status_code, answer.content) == (206, content)
    assert answer.headers["Content-Range"] == content_range


def test_unsatisfiable_range(preview: str) -> None:
    """Seeking behind the end is refused with the size."""
    answer = requests.get(preview, headers={"Range": "bytes=10-"}, timeout=TIMEOUT_S)
    assert code(answer) == (416, "InvalidRange")
    assert answer.headers["Content-Range"] == "bytes */10"


def test_if_range(preview: str) -> None:
    """A player that resumes gets its range of the same bytes, and everything once they changed."""
    entity = requests.get(preview, timeout=TIMEOUT_S).headers["ETag"]
    same = {"Range": "bytes=2-4", "If-Range": entity}
    assert requests.get(preview, headers=same, timeout=TIMEOUT_S).content == b"234"
    other = {"Range": "bytes=2-4", "If-Range": '"other"'}
    assert requests.get(preview, headers=other, timeout=TIMEOUT_S).content == b"0123456789"


def test_download_cannot_be_widened(preview: str) -> None:
    """The type, the disposition and the object of a preview cannot be changed."""
    for old, new in (("video%2Fmp4", "text%2Fhtml"), ("inline", "attachment"), ("a%20b", "a")):
        assert old in preview
        answer = requests.get(preview.replace(old, new), timeout=TIMEOUT_S)
        assert code(answer) == (403, "SignatureDoesNotMatch")
    assert requests.head(preview, timeout=TIMEOUT_S).status_code == 403


def test_head_with_a_token(preview: str, running: StorageServer) -> None:
    """HEAD says what GET would, without the bytes."""
    headers = {"Authorization": "Bearer any-token", "Range": "bytes=2-4"}
    answer = requests.head(f"{running.url}/{BUCKET}/a%20b.mp4", headers=headers, timeout=TIMEOUT_S)
    assert (answer.status_code, answer.content) == (206, b"")
    assert answer.headers["Content-Length"] == "3"
    assert answer.headers["Content-Type"] == "text/html"


def test_download_of_nothing(store: ObjectStore) -> None:
    """A signature for an object that does not exist finds nothing."""
    url = store.sign_download(BUCKET, "missing", content_type="video/mp4")
    assert code(requests.get(url, timeout=TIMEOUT_S)) == (404, "NoSuchKey")


# --- browsers -------------------------------------------------------------------------------------


def test_preflight(store: ObjectStore) -> None:
    """A browser on an allowed page may send every header that an upload needs."""
    upload = sign(store, b"12345", resumable=True, crc32c="AAAAAA==")
    needed = {*upload.headers, "content-range"}
    asked = {
        "Origin": "https://app.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ", ".join(needed) + ", x-evil",
    }
    answer = requests.options(upload.url, headers=asked, timeout=TIMEOUT_S)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.test"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) == needed


def test_answers_are_readable_for_the_page(store: ObjectStore) -> None:
    """The page may read the session's URI, the progress, and refusals."""
    upload = sign(store, b"12345", resumable=True)
    headers = {**upload.headers, "Origin": "https://app.test"}
    answer = requests.post(upload.url, headers=headers, timeout=TIMEOUT_S)
    refused = requests.post(upload.url, headers={"Origin": "https://app.test"}, timeout=TIMEOUT_S)
    assert (answer.status_code, refused.status_code) == (201, 400)
    for seen in (answer, refused):
        assert seen.headers["Access-Control-Allow-Origin"] == "https://app.test"
        exposed = seen.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "Range", "ETag", "x-goog-generation"} <= set(exposed)


def test_other_pages_learn_nothing(preview: str) -> None:
    """A page of another origin gets no permission, neither before nor with the answer."""
    asked = {"Origin": "https://evil.test", "Access-Control-Request-Method": "GET"}
    for method in ("OPTIONS", "GET"):
        answer = requests.request(method, preview, headers=asked, timeout=TIMEOUT_S)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
