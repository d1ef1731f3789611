"""Objects arrive: the last one starts the first run, exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from common.database import Database
from common.ledger.uploads import Uploads
from tests.conftest import TestDatabase
from tests.ledger import declare, run_row, video_row


@pytest.fixture
def uploads(ingest_database: Database) -> Uploads:
    """The uploads, as the event functions see them."""
    return Uploads(ingest_database, grace_s=60.0)


def _counts(database: TestDatabase) -> tuple[int, int]:
    """How many runs and messages there are."""
    runs, messages = (
        database.owner_rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("runs", "outbox")
    )
    return runs, messages


def test_the_last_object_starts_the_run(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """Processing starts when all declared objects are there, whichever comes last."""
    upload = declare(database, user_id, subtitles=1)
    first = uploads.finalize(user_id, upload.video_id, upload.stored_video(), traceparent="t1")
    assert first.outcome == "accepted"
    assert _counts(database) == (0, 0)
    last = uploads.finalize(user_id, upload.video_id, upload.stored_subtitle(), traceparent="t2")
    assert last.outcome == "complete"
    assert _counts(database) == (1, 1)
    video = video_row(database, upload.video_id)
    assert (video.state, video.generation) == ("queued", 7)
    (outbox,) = database.owner_rows("SELECT id, topic, traceparent FROM outbox")
    assert tuple(outbox) == (last.message_ids[0], "heimdex-media", "t2")


def test_the_same_event_ten_times_at_once(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """Concurrent duplicates make one run and one message."""
    upload = declare(database, user_id)

    def finalize(_: int) -> str:
        return uploads.finalize(user_id, upload.video_id, upload.stored_video()).outcome

    with ThreadPoolExecutor(10) as pool:
        outcomes = sorted(pool.map(finalize, range(10)))
    assert outcomes == ["complete"] + ["repeated"] * 9
    assert _counts(database) == (1, 1)


def test_two_last_objects_at_once(database: TestDatabase, uploads: Uploads, user_id: UUID) -> None:
    """Video and subtitles that arrive in the same moment still make one run."""
    for _ in range(5):
        upload = declare(database, user_id, subtitles=1)
        arriving = [upload.stored_video(), upload.stored_subtitle()]
        with ThreadPoolExecutor(2) as pool:
            arrivals = list(
                pool.map(lambda x: uploads.finalize(user_id, upload.video_id, x), arriving)  # noqa: B023
            )
        assert sorted(arrival.outcome for arrival in arrivals) == ["accepted", "complete"]
    assert _counts(database) == (5, 5)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size_bytes": 99}, "size_mismatch"),
        ({"size_bytes": 0}, "empty_file"),
        ({"crc32c": "BBBBBB=="}, "hash_mismatch"),
        ({"content_type": "text/html"}, "type_mismatch"),
    ],
)
def test_an_object_that_is_not_as_declared_fails_the_video(
    database: TestDatabase, uploads: Uploads, user_id: UUID, changes: dict[str, Any], code: str
) -> None:
    """What was stored is compared with what was declared, and the difference has a code."""
    upload = declare(database, user_id)
    arrival = uploads.finalize(user_id, upload.video_id, upload.stored_video(**changes))
    assert (arrival.outcome, arrival.code) == ("rejected", code)
    video = video_row(database, upload.video_id)
    assert (video.state, video.error_code) == ("failed", code)
    assert _counts(database) == (0, 0)


def test_what_the_first_bytes_say_fails_the_video(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """A playlist under a video's name does not start a run."""
    upload = declare(database, user_id)
    stored = upload.stored_video()
    arrival = uploads.finalize(user_id, upload.video_id, stored, content_code="external_reference")
    assert arrival.code == "external_reference"
    assert video_row(database, upload.video_id).state == "failed"


def test_a_failed_video_stays_failed(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """Objects that arrive after the first was refused start nothing."""
    upload = declare(database, user_id, subtitles=1)
    uploads.finalize(user_id, upload.video_id, upload.stored_subtitle(size_bytes=1))
    arrival = uploads.finalize(user_id, upload.video_id, upload.stored_video())
    assert arrival.outcome == "accepted"
    assert video_row(database, upload.video_id).state == "failed"
    assert _counts(database) == (0, 0)


def test_an_upload_that_expired_is_not_revived(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """People were told that it failed: an object that arrives after all starts nothing."""
    upload = declare(database, user_id)
    database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '61 s'")
    assert uploads.expire(user_id, upload.video_id)
    arrival = uploads.finalize(user_id, upload.video_id, upload.stored_video())
    assert arrival.outcome == "accepted"
    assert video_row(database, upload.video_id).state == "failed"
    assert _counts(database) == (0, 0)


def test_an_undeclared_object_is_unknown(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """An object without a row, or of a deleted video, is told apart from a declared one."""
    upload = declare(database, user_id)
    other = upload.stored_video(name="videos/x.mp4")
    assert uploads.finalize(user_id, upload.video_id, other).outcome == "unknown"
    assert uploads.finalize(user_id, uuid4(), upload.stored_video()).outcome == "unknown"
    assert uploads.finalize(uuid4(), upload.video_id, upload.stored_video()).outcome == "unknown"
    database.owner_rows("UPDATE videos SET deleted_at = now()")
    assert uploads.finalize(user_id, upload.video_id, upload.stored_video()).outcome == "unknown"


def test_generations_go_forward_only(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """A late event of an older generation is ignored; a newer one replaces run and inputs."""
    upload = declare(database, user_id)
    uploads.finalize(user_id, upload.video_id, upload.stored_video(generation=7))
    old = uploads.finalize(user_id, upload.video_id, upload.stored_video(generation=6))
    assert old.outcome == "repeated"
    new = uploads.finalize(user_id, upload.video_id, upload.stored_video(generation=9))
    assert new.outcome == "complete"
    rows = database.owner_rows("SELECT generation, state FROM runs ORDER BY generation")
    assert [tuple(row) for row in rows] == [(7, "cancelled"), (9, "ready")]


def test_an_upload_that_never_arrives_expires(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """After the grace time the video fails with its own code; before, nothing happens."""
    upload = declare(database, user_id)
    assert not uploads.expire(user_id, upload.video_id)
    database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '61 s'")
    assert uploads.expire(user_id, upload.video_id)
    video = video_row(database, upload.video_id)
    assert (video.state, video.error_code) == ("failed", "upload_expired")
    assert not uploads.expire(user_id, upload.video_id)


def test_a_complete_upload_does_not_expire(
    database: TestDatabase, uploads: Uploads, user_id: UUID
) -> None:
    """Expiry is about what is missing, not about age."""
    upload = declare(database, user_id, subtitles=1)
    uploads.finalize(user_id, upload.video_id, upload.stored_video())
    database.owner_rows(
        "UPDATE upload_objects SET expires_at = now() - interval '1 day' WHERE ordinal = 0"
    )
    assert not uploads.expire(user_id, upload.video_id)
    (video, subtitle) = uploads.objects(user_id, upload.video_id)
    assert (video.finalized, video.expired, subtitle.finalized) == (True, False, False)
    uploads.finalize(user_id, upload.video_id, upload.stored_subtitle())
    database.owner_rows("UPDATE upload_objects SET expires_at = now() - interval '1 day'")
    assert not uploads.expire(user_id, upload.video_id)
    (row,) = database.owner_rows("SELECT id FROM runs")
    assert run_row(database, row[0]).state == "ready"
