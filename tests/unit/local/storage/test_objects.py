"""Live objects: generations, conditions, listing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.storage.model import Checksums, LengthRange, Preconditions, UploadPlan
from local.storage.problems import StorageProblem
from tests.unit.local.storage.stores import BUCKET, Clock, content, open_store, put, stream


def test_generations_increase_when_the_clock_does_not(tmp_path: Path) -> None:
    """Generations rise strictly over overwrites, objects, restarts and a clock set back."""
    clock = Clock()
    service = open_store(tmp_path, clock)
    seen = [asyncio.run(put(service, name)).generation for name in "aab"]
    clock.advance(-timedelta(days=1))
    seen.append(asyncio.run(put(service, "a")).generation)
    service.state.close()
    service = open_store(tmp_path, clock)
    seen.append(asyncio.run(put(service, "c")).generation)
    service.state.close()
    assert seen == sorted(set(seen))


def test_overwriting_and_deleting_leave_no_files(tmp_path: Path) -> None:
    """Only the bytes of live objects stay on disk."""
    service = open_store(tmp_path, Clock())
    asyncio.run(put(service, "a", b"1"))
    asyncio.run(put(service, "a", b"22"))
    assert content(service, "a") == b"22"
    assert len(list((tmp_path / "contents").iterdir())) == 1
    service.objects.delete(BUCKET, "a", generation=None, conditions=Preconditions())
    assert list((tmp_path / "contents").iterdir()) == []
    service.state.close()


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (UploadPlan(bucket="missing", name="a"), "NoSuchBucket"),
        (
            UploadPlan(bucket=BUCKET, name="a", length_range=LengthRange(min_bytes=0, max_bytes=4)),
            "EntityTooLarge",
        ),
        (
            UploadPlan(bucket=BUCKET, name="a", length_range=LengthRange(min_bytes=6, max_bytes=9)),
            "EntityTooSmall",
        ),
        (UploadPlan(bucket=BUCKET, name="a", checksums=Checksums(crc32c="AAAAAA==")), "BadDigest"),
        (UploadPlan(bucket=BUCKET, name="a", checksums=Checksums(md5="AAAA")), "BadDigest"),
        (
            UploadPlan(bucket=BUCKET, name="a", preconditions=Preconditions(generation_match=5)),
            "PreconditionFailed",
        ),
    ],
)
def test_a_broken_plan_stores_nothing(tmp_path: Path, plan: UploadPlan, code: str) -> None:
    """An upload of unknown length that breaks its plan leaves neither object nor file."""
    service = open_store(tmp_path, Clock())
    with pytest.raises(StorageProblem, match=code):
        asyncio.run(service.uploads.store(plan, stream([b"123", b"45"]), None))
    assert service.objects.find(BUCKET, "a") is None
    assert list((tmp_path / "contents").iterdir()) == []
    service.state.close()


def test_announced_size_is_refused_before_the_first_byte(tmp_path: Path) -> None:
    """A size that cannot fit is refused without reading the body."""
    service = open_store(tmp_path, Clock())
    plan = UploadPlan(bucket=BUCKET, name="a", length_range=LengthRange(min_bytes=2, max_bytes=2))
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"123"

    with pytest.raises(StorageProblem, match="EntityTooLarge"):
        asyncio.run(service.uploads.store(plan, body(), 3))
    assert read == []
    service.state.close()


def test_a_race_is_decided_at_the_commit(tmp_path: Path) -> None:
    """Of two uploads that both saw nothing, only the first to finish creates the object."""
    service = open_store(tmp_path, Clock())
    plan = UploadPlan(bucket=BUCKET, name="a", preconditions=Preconditions(generation_match=0))

    async def race() -> None:
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"slow"
            await gate.wait()

        loser = asyncio.create_task(service.uploads.store(plan, slow(), None))
        await asyncio.sleep(0)
        await service.uploads.store(plan, stream([b"fast"]), None)
        gate.set()
        with pytest.raises(StorageProblem, match="PreconditionFailed"):
            await loser

    asyncio.run(race())
    assert content(service, "a") == b"fast"
    service.state.close()


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (Preconditions(generation_match=1), 412),
        (Preconditions(generation_match=0), 412),
        (Preconditions(metageneration_match=2), 412),
        (Preconditions(metageneration_not_match=1), 304),
        (Preconditions(metageneration_match=1, generation_not_match=1), 200),
    ],
)
def test_conditions_on_reading(tmp_path: Path, conditions: Preconditions, status: int) -> None:
    """Reading under a condition that does not hold is refused, or said to be unmodified."""
    service = open_store(tmp_path, Clock())
    asyncio.run(put(service, "a"))
    try:
        service.objects.get(BUCKET, "a", conditions=conditions)
        found = 200
    except StorageProblem as problem:
        found = problem.status
    assert found == status
    service.state.close()


names = st.lists(st.text("ab/ü", min_size=1, max_size=5), max_size=8, unique=True)


@given(
    stored=names,
    prefix=st.text("ab/ü", max_size=2),
    delimiter=st.sampled_from(["", "/", "ab"]),
    limit=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_pages_together_are_the_listing(
    stored: list[str], prefix: str, delimiter: str, limit: int
) -> None:
    """Pages of any size give each object and each common prefix once, in order."""
    with TemporaryDirectory() as root:
        service = open_store(Path(root), Clock())
        for name in stored:
            asyncio.run(put(service, name))
        objects: list[str] = []
        prefixes: list[str] = []
        after, more = "", True
        while more:
            page = service.objects.page(
                BUCKET, prefix=prefix, delimiter=delimiter, after=after, limit=limit
            )
            assert len(page.objects) + len(page.prefixes) <= limit
            objects += [found.name for found in page.objects]
            prefixes += page.prefixes
            after, more = page.after, bool(page.after)
        service.state.close()
    assert (objects, prefixes) == expected_listing(stored, prefix, delimiter)


def expected_listing(stored: list[str], prefix: str, delimiter: str) -> tuple[list[str], list[str]]:
    """The listing by its definition."""
    objects: list[str] = []
    prefixes: set[str] = set()
    for name in stored:
        if not name.startswith(prefix):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        if found:
            prefixes.add(prefix + head + found)
        else:
            objects.append(name)
    return sorted(objects, key=str.encode), sorted(prefixes, key=str.encode)
