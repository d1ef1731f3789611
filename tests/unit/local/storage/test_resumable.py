"""Resumable sessions without a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.storage.content import ALIGNMENT_BYTES
from local.storage.model import Checksums, LengthRange, StoredObject, UploadPlan
from local.storage.problems import StorageProblem
from local.storage.resumable import SESSION_LIFETIME, Chunk, Progress, parse_chunk
from local.storage.service import Service
from local.storage.uploads import UploadCut
from tests.unit.local.storage.stores import BUCKET, Clock, content, open_store, stream

NONE = Checksums()
PLAN = UploadPlan(bucket=BUCKET, name="a")


@pytest.mark.parametrize(
    ("header", "length", "first", "total", "is_last"),
    [
        (None, 7, 0, 7, True),
        (None, None, 0, None, True),
        ("bytes 0-6/7", 7, 0, 7, True),
        ("bytes 0-262143/300000", 262_144, 0, 300_000, False),
        ("bytes 0-262143/*", 262_144, 0, None, False),
        ("bytes 262144-299999/300000", None, 262_144, 300_000, True),
        ("bytes */7", 0, None, 7, False),
        ("bytes */*", 0, None, None, False),
    ],
)
def test_content_range(
    header: str | None, length: int | None, first: int | None, total: int | None, is_last: bool
) -> None:
    """Chunks, status queries and whole uploads are told apart."""
    chunk = parse_chunk(header, length, NONE)
    assert (chunk.first, chunk.total, chunk.is_last) == (first, total, is_last)


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ("bytes 0-6", 7),
        ("bytes 0-6/7", 8),
        ("bytes 0-7/7", 8),
        ("bytes 6-0/7", None),
        ("bytes 0-99/300000", 100),
        ("bytes 0-99/*", 100),
        ("items 0-6/7", 7),
        ("bytes -6/7", 7),
    ],
)
def test_content_range_refused(header: str, length: int | None) -> None:
    """A header that contradicts itself, the length or the chunk size is refused."""
    with pytest.raises(StorageProblem) as caught:
        parse_chunk(header, length, NONE)
    assert caught.value.status == 400


async def send(
    service: Service,
    session: str,
    data: bytes,
    first: int,
    total: int | None,
    cut: int | None = None,
) -> Progress | StoredObject:
    """Send a chunk, or only `cut` bytes of it."""
    chunk = Chunk(first=first, length=len(data), total=total, checksums=NONE)

    async def body() -> AsyncIterator[bytes]:
        end = len(data) if cut is None else cut
        for start in range(0, end, 100_000):
            yield data[start : min(start + 100_000, end)]
        if cut is not None:
            raise UploadCut

    return await service.sessions.put(session, chunk, body())


async def ask(service: Service, session: str, total: int | None = None) -> Progress | StoredObject:
    """Query the status."""
    chunk = Chunk(first=None, length=0, total=total, checksums=NONE)
    return await service.sessions.put(session, chunk, stream([]))


@given(
    size=st.integers(0, 5 * ALIGNMENT_BYTES),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=4),
    chunks=st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_any_cuts_and_restarts_give_the_same_object(
    size: int, cuts: list[tuple[float, bool]], chunks: int
) -> None:
    """However often the connection is cut or the server restarts, the object is whole."""
    data = os.urandom(size)
    with TemporaryDirectory() as root:
        service = open_store(Path(root), Clock())
        session = service.sessions.start(PLAN)
        service = asyncio.run(_upload(service, session, data, cuts, chunks, Path(root)))
        assert content(service, "a") == data
        service.state.close()


async def _upload(
    service: Service,
    session: str,
    data: bytes,
    cuts: list[tuple[float, bool]],
    chunks: int,
    root: Path,
) -> Service:
    pending = list(cuts)
    while True:
        progress = await ask(service, session, len(data))
        if isinstance(progress, StoredObject):
            return service
        start = progress.size_bytes
        end = min(len(data), start + chunks * ALIGNMENT_BYTES)
        cut, restart = pending.pop() if pending else (None, False)
        try:
            at = None if cut is None else int(cut * (end - start))
            await send(service, session, data[start:end], start, len(data), at)
        except UploadCut:
            pass
        if restart:
            service.state.close()
            service = open_store(root, Clock())
            service.state.sweep()


def test_only_whole_multiples_survive_a_cut(tmp_path: Path) -> None:
    """After a cut the client must ask, because less is kept than was sent."""
    service = open_store(tmp_path, Clock())
    session = service.sessions.start(PLAN)
    data = bytes(ALIGNMENT_BYTES * 2)

    async def run() -> Progress | StoredObject:
        with pytest.raises(UploadCut):
            await send(service, session, data, 0, len(data), cut=ALIGNMENT_BYTES + 5)
        return await ask(service, session)

    assert asyncio.run(run()) == Progress(size_bytes=ALIGNMENT_BYTES)
    service.state.close()


def test_overlapping_chunk_is_taken_once(tmp_path: Path) -> None:
    """Bytes that are sent again are skipped, as after a lost answer."""
    service = open_store(tmp_path, Clock())
    session = service.sessions.start(PLAN)
    data = os.urandom(ALIGNMENT_BYTES * 2)

    async def run() -> None:
        await send(service, session, data[:ALIGNMENT_BYTES], 0, len(data))
        await send(service, session, data[:ALIGNMENT_BYTES], 0, len(data))
        await send(service, session, data, 0, len(data))

    asyncio.run(run())
    assert content(service, "a") == data
    service.state.close()


def test_a_gap_is_refused(tmp_path: Path) -> None:
    """A chunk that starts behind what was received is refused."""
    service = open_store(tmp_path, Clock())
    session = service.sessions.start(PLAN)
    with pytest.raises(StorageProblem, match="exceeds already uploaded size of 0"):
        asyncio.run(send(service, session, b"x", ALIGNMENT_BYTES, ALIGNMENT_BYTES + 1))
    service.state.close()


def test_the_newest_writer_wins(tmp_path: Path) -> None:
    """A request that hangs on a dead connection cannot disturb the one that took over."""
    service = open_store(tmp_path, Clock())
    session = service.sessions.start(PLAN)
    data = os.urandom(ALIGNMENT_BYTES + 10)

    async def run() -> None:
        gate = asyncio.Event()

        async def hanging() -> AsyncIterator[bytes]:
            yield b"old"
            await gate.wait()
            yield b"never"

        chunk = Chunk(first=0, length=len(data), total=len(data), checksums=NONE)
        old = asyncio.create_task(service.sessions.put(session, chunk, hanging()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await send(service, session, data[:ALIGNMENT_BYTES], 0, len(data))
        gate.set()
        with pytest.raises(UploadCut):
            await old
        await send(service, session, data[ALIGNMENT_BYTES:], ALIGNMENT_BYTES, len(data))

    asyncio.run(run())
    assert content(service, "a") == data
    service.state.close()


@pytest.mark.parametrize("again", [b"12345", b"", b"something else"])
def test_the_final_answer_is_repeated(tmp_path: Path, again: bytes) -> None:
    """A client that lost the final answer gets it again, whatever it sends and after a restart."""
    service = open_store(tmp_path, Clock())
    session = service.sessions.start(PLAN)
    first = asyncio.run(send(service, session, b"12345", 0, 5))
    second = asyncio.run(send(service, session, again, 0, len(again)))
    service.state.close()
    service = open_store(tmp_path, Clock())
    third = asyncio.run(ask(service, session))
    assert isinstance(first, StoredObject)
    assert first == second == third
    assert content(service, "a") == b"12345"
    service.state.close()


def test_sessions_expire(tmp_path: Path) -> None:
    """After a week a session is gone, its bytes too; an unknown one never was."""
    clock = Clock()
    service = open_store(tmp_path, clock)
    session = service.sessions.start(PLAN)
    asyncio.run(send(service, session, bytes(ALIGNMENT_BYTES), 0, None))
    clock.advance(SESSION_LIFETIME)
    for expected in ((session, 410), (session, 410), ("unknown", 404)):
        with pytest.raises(StorageProblem) as caught:
            asyncio.run(ask(service, expected[0]))
        assert caught.value.status == expected[1]
    assert list((tmp_path / "contents").iterdir()) == []
    service.state.close()


def test_expired_sessions_are_forgotten(tmp_path: Path) -> None:
    """Starting a session clears what expired before, first the bytes and later the row."""
    clock = Clock()
    service = open_store(tmp_path, clock)
    session = service.sessions.start(PLAN)
    asyncio.run(send(service, session, bytes(ALIGNMENT_BYTES), 0, None))
    clock.advance(SESSION_LIFETIME + timedelta(seconds=1))
    service.sessions.start(PLAN)
    assert list((tmp_path / "contents").iterdir()) == []
    clock.advance(SESSION_LIFETIME)
    service.sessions.start(PLAN)
    with pytest.raises(StorageProblem, match="404"):
        asyncio.run(ask(service, session))
    service.state.close()


def test_cancelled_session_is_gone(tmp_path: Path) -> None:
    """A cancelled upload stores nothing and cannot go on."""
    service = open_store(tmp_path, Clock())
    session = service.sessions.start(PLAN)
    asyncio.run(send(service, session, bytes(ALIGNMENT_BYTES), 0, None))
    service.sessions.cancel(session)
    with pytest.raises(StorageProblem, match="410"):
        asyncio.run(send(service, session, b"x", ALIGNMENT_BYTES, ALIGNMENT_BYTES + 1))
    assert service.objects.find(BUCKET, "a") is None
    service.state.close()


def test_length_range_binds_the_session(tmp_path: Path) -> None:
    """A total outside of the promised range is refused before a byte is stored."""
    service = open_store(tmp_path, Clock())
    plan = UploadPlan(bucket=BUCKET, name="a", length_range=LengthRange(min_bytes=5, max_bytes=5))
    session = service.sessions.start(plan)
    for size, code in ((6, "EntityTooLarge"), (4, "EntityTooSmall")):
        with pytest.raises(StorageProblem, match=code):
            asyncio.run(send(service, session, bytes(size), 0, size))
    assert not list((tmp_path / "contents").iterdir())
    asyncio.run(send(service, session, b"12345", 0, 5))
    assert content(service, "a") == b"12345"
    service.state.close()


def test_a_stream_of_unknown_length_is_cut_off(tmp_path: Path) -> None:
    """Without an announced total the range still holds: what is too much is refused."""
    service = open_store(tmp_path, Clock())
    plan = UploadPlan(bucket=BUCKET, name="a", length_range=LengthRange(min_bytes=1, max_bytes=4))
    session = service.sessions.start(plan)
    chunk = Chunk(first=0, length=None, total=None, checksums=NONE)
    with pytest.raises(StorageProblem, match="EntityTooLarge"):
        asyncio.run(service.sessions.put(session, chunk, stream([b"123", b"45"])))
    assert service.objects.find(BUCKET, "a") is None
    service.state.close()


def test_wrong_checksum_ends_the_session(tmp_path: Path) -> None:
    """Bytes that do not hash to what was promised never become an object."""
    service = open_store(tmp_path, Clock())
    plan = UploadPlan(bucket=BUCKET, name="a", checksums=Checksums(crc32c="AAAAAA=="))
    session = service.sessions.start(plan)
    with pytest.raises(StorageProblem, match="BadDigest"):
        asyncio.run(send(service, session, b"12345", 0, 5))
    with pytest.raises(StorageProblem, match="410"):
        asyncio.run(ask(service, session))
    assert list((tmp_path / "contents").iterdir()) == []
    service.state.close()
