"""The adapter when Cloud Storage misbehaves, and the stand-in when it is restarted."""

from __future__ import annotations

import gc
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from common.errors import NotFoundError, TransientError
from local.storage import Faults, StorageServer
from tests.contract.storage_rig import BUCKET, Rig, connected, server

MIB = 1024 * 1024


@pytest.fixture
def running(tmp_path: Path) -> Iterator[StorageServer]:
    """A stand-in."""
    with server(tmp_path / "storage") as started:
        yield started


@pytest.fixture
def rig(running: StorageServer) -> Iterator[Rig]:
    """The adapter on it."""
    with connected(running.url) as connection:
        yield connection


def write(rig: Rig, name: str, data: bytes) -> int:
    """Store bytes and return their generation."""
    stored = rig.store.write(BUCKET, name, data, content_type="text/plain", effect="object.write")
    return stored.generation


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's first pause is up to a second; with short ones the tests are as telling."""
    sleep = time.sleep
    monkeypatch.setattr(
        "google.api_core.retry.retry_unary.time.sleep", lambda pause_s: sleep(pause_s / 100)
    )


@pytest.mark.parametrize("status", [429, 500, 503])
def test_repeats_failed_requests(running: StorageServer, rig: Rig, status: int) -> None:
    """A few refusals that are worth a retry are not noticed by the caller."""
    faults = running.faults
    faults.fail_status = status
    faults.fail_requests = 2
    write(rig, "a", b"1")
    faults.fail_requests = 2
    assert rig.store.read(BUCKET, "a") == b"1"
    faults.fail_requests = 2
    assert [info.name for info in rig.store.list(BUCKET, "")] == ["a"]
    faults.fail_requests = 2
    rig.store.delete(BUCKET, "a", effect="object.delete")
    assert rig.store.stat(BUCKET, "a") is None
    assert faults.fail_requests == 0


def test_gives_up_in_time(running: StorageServer) -> None:
    """When nothing but 503 comes, the caller gets an error to retry later."""
    running.faults.fail_requests = 10**9
    with connected(running.url, retry_for_s=0.2) as rig:
        for call in (
            lambda: rig.store.stat(BUCKET, "a"),
            lambda: rig.store.read(BUCKET, "a"),
            lambda: list(rig.store.list(BUCKET, "")),
            lambda: rig.store.delete(BUCKET, "a", effect="object.delete"),
            lambda: write(rig, "a", b"1"),
        ):
            with pytest.raises(TransientError):
                call()


def test_a_failed_download_leaves_no_connection(running: StorageServer) -> None:
    """Whatever the refusal, nothing stays open until the garbage collector comes by."""
    gc.collect()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with connected(running.url, retry_for_s=0.2) as rig:
            write(rig, "empty", b"")
            assert rig.store.read(BUCKET, "empty", first_bytes=16) == b""
            with pytest.raises(NotFoundError):
                rig.store.read(BUCKET, "missing")
            running.faults.fail_requests = 10**9
            with pytest.raises(TransientError):
                rig.store.read(BUCKET, "empty")
        gc.collect()
    assert [str(warning.message) for warning in found] == []


def test_nobody_there(tmp_path: Path) -> None:
    """A server that is down is an error to retry later."""
    with server(tmp_path) as running:
        url = running.url
    with connected(url, retry_for_s=0.2) as rig, pytest.raises(TransientError):
        rig.store.stat(BUCKET, "a")


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_lost_answer_of_a_write(running: StorageServer, rig: Rig, size: int) -> None:
    """A write whose answer is lost counts as done once, small or in chunks."""
    data = os.urandom(size)
    running.faults.cut_replies = 1
    first = write(rig, "a", data)
    found = rig.store.stat(BUCKET, "a")
    assert found is not None
    assert (found.generation, found.size_bytes) == (first, size)
    assert rig.store.read(BUCKET, "a") == data


def test_lost_answer_of_the_last_chunk(running: StorageServer, rig: Rig) -> None:
    """When the final answer of a session is lost, the library gets it by asking again."""
    data = os.urandom(2 * MIB)
    blob = rig.client.bucket(BUCKET).blob("a", chunk_size=MIB)
    session = blob.create_resumable_upload_session(size=len(data), if_generation_match=0)
    requests.put(
        session,
        data=data[:MIB],
        headers={"Content-Range": f"bytes 0-{MIB - 1}/{2 * MIB}"},
        timeout=10,
    )
    running.faults.cut_replies = 1
    last = {"Content-Range": f"bytes {MIB}-{2 * MIB - 1}/{2 * MIB}"}
    with pytest.raises(requests.ConnectionError):
        requests.put(session, data=data[MIB:], headers=last, timeout=10)
    again = requests.put(session, data=data[MIB:], headers=last, timeout=10)
    assert (again.status_code, again.json()["size"]) == (200, str(2 * MIB))


def test_cut_upload_is_repeated(running: StorageServer, rig: Rig) -> None:
    """An upload in chunks survives cuts in the middle of chunks."""
    data = os.urandom(9 * MIB)
    running.faults.cut_after_bytes = MIB
    running.faults.cut_uploads = 1
    write(rig, "a", data)
    assert running.faults.cut_uploads == 0
    assert rig.store.read(BUCKET, "a") == data


def test_cut_download_is_resumed(running: StorageServer, rig: Rig, tmp_path: Path) -> None:
    """A download that is cut goes on where it stopped and is checked as a whole."""
    data = os.urandom(5 * MIB)
    write(rig, "a", data)
    running.faults.cut_after_bytes = 2 * MIB
    running.faults.cut_downloads = 2
    rig.store.download(BUCKET, "a", tmp_path / "a")
    assert running.faults.cut_downloads == 0
    assert (tmp_path / "a").read_bytes() == data


def test_damaged_bytes_are_noticed(running: StorageServer, rig: Rig, tmp_path: Path) -> None:
    """Bytes that changed at rest never arrive as a file, even if the download was resumed."""
    write(rig, "a", os.urandom(3 * MIB))
    (content,) = (tmp_path / "storage" / "contents").iterdir()
    damaged = bytearray(content.read_bytes())
    damaged[-1] ^= 1
    content.write_bytes(damaged)
    for cuts in (0, 1):
        running.faults.cut_after_bytes = MIB
        running.faults.cut_downloads = cuts
        with pytest.raises(TransientError):
            rig.store.download(BUCKET, "a", tmp_path / "a")
        assert list(tmp_path.glob("a*")) == []
    with pytest.raises(TransientError):
        rig.store.read(BUCKET, "a")


def test_a_single_put_that_is_cut_stores_nothing(
    running: StorageServer, rig: Rig, tmp_path: Path
) -> None:
    """Half of a file is no file, and leaves no bytes behind."""
    data = os.urandom(2 * MIB)
    upload = rig.store.sign_upload(
        BUCKET, "a", content_type="video/mp4", size_bytes=len(data), resumable=False
    )
    running.faults.cut_after_bytes = MIB
    running.faults.cut_uploads = 1
    with pytest.raises(requests.ConnectionError):
        requests.put(upload.url, data=data, headers=upload.headers, timeout=10)
    assert rig.store.stat(BUCKET, "a") is None
    assert list((tmp_path / "storage" / "contents").iterdir()) == []
    assert requests.put(upload.url, data=data, headers=upload.headers, timeout=10).ok


def test_faults_can_be_replaced(running: StorageServer, rig: Rig) -> None:
    """Faults are looked up anew for every request."""
    running.faults = Faults(fail_requests=1)
    write(rig, "a", b"1")
    assert running.faults.fail_requests == 0


# --- restart --------------------------------------------------------------------------------------


def test_restart_keeps_objects_and_sessions(tmp_path: Path) -> None:
    """After a restart objects, generations and half of an upload are still there."""
    data = os.urandom(2 * MIB + 7)
    with server(tmp_path) as running, connected(running.url) as rig:
        generation = write(rig, "a", b"1")
        blob = rig.client.bucket(BUCKET).blob("b")
        session = blob.create_resumable_upload_session(size=len(data), if_generation_match=0)
        running.faults.cut_after_bytes = MIB + 5
        running.faults.cut_uploads = 1
        with pytest.raises(requests.ConnectionError):
            requests.put(session, data=data, timeout=10)
        port = int(running.url.rpartition(":")[2])
    with server(tmp_path, port=port) as running, connected(running.url) as rig:
        assert rig.store.read(BUCKET, "a", generation=generation) == b"1"
        ask = {"Content-Range": f"bytes */{len(data)}"}
        status = requests.put(session, headers=ask, timeout=10)
        assert (status.status_code, status.headers["Range"]) == (308, f"bytes=0-{MIB - 1}")
        rest = {"Content-Range": f"bytes {MIB}-{len(data) - 1}/{len(data)}"}
        assert requests.put(session, data=data[MIB:], headers=rest, timeout=10).status_code == 200
        assert rig.store.read(BUCKET, "b") == data
        assert write(rig, "a", b"2") > generation


def test_stops_and_starts_again(tmp_path: Path) -> None:
    """One server object can be stopped and started; it keeps its port. Both repeat harmlessly."""
    running = StorageServer(tmp_path, public_key_for=lambda _: None, buckets=(BUCKET,))
    running.start()
    running.start()
    url = running.url
    with connected(url) as rig:
        write(rig, "a", b"1")
        running.stop()
        running.stop()
        running.start()
        assert running.url == url
        assert rig.store.read(BUCKET, "a") == b"1"
    running.stop()


# --- memory ---------------------------------------------------------------------------------------


def test_large_bodies_are_not_kept_in_memory(rig: Rig, tmp_path: Path) -> None:
    """Uploading and downloading 96 MiB takes far less memory than that, client included."""
    size = 96 * MIB
    upload = rig.store.sign_upload(
        BUCKET, "big", content_type="video/mp4", size_bytes=size, resumable=False
    )
    piece = os.urandom(64 * 1024)
    before = _peak_memory_bytes(reset=True)
    body = (piece for _ in range(size // len(piece)))
    answer = requests.put(upload.url, data=body, headers=upload.headers, timeout=60)
    assert answer.status_code == 200
    rig.store.download(BUCKET, "big", tmp_path / "big")
    assert (tmp_path / "big").stat().st_size == size
    assert _peak_memory_bytes() - before < size // 3


def _peak_memory_bytes(*, reset: bool = False) -> int:
    """This process's peak resident set, counted from now on if `reset`."""
    process = Path("/proc/self")
    if not (process / "clear_refs").exists():
        pytest.skip("needs Linux's /proc")
    if reset:
        (process / "clear_refs").write_text("5")
    lines = (process / "status").read_text().splitlines()
    (peak_kib,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak_kib) * 1024
