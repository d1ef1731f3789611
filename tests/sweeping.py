"""A sweeper on real rows, with objects and messages in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from common.arrivals import Arrivals
from common.database import Database
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from functions.start_jobs.sweeping import Buckets, Sweeper, Timing
from tests.conftest import TestDatabase
from tests.fakes import FileBus, FileStore
from tests.ledger import Upload


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The sweeper and what it works with."""

    sweep: Sweep
    sweeper: Sweeper
    store: FileStore
    uploads: Uploads


def make_sweeper(db: Database, directory: Path, store: FileStore | None = None) -> Swept:
    """Wire a sweeper.

    Args:
        db: as `heimdex_ingest`.
        directory: for objects and messages.
        store: the objects, if not in the directory.
    """
    store = store or FileStore(directory / "objects")
    bus = FileBus(directory / "messages", ack_deadline_s=0.0)
    uploads, outbox, sweep = Uploads(db, grace_s=60.0), Outbox(db, bus), Sweep(db)
    photos = Photos(db, grace_s=60.0)
    sweeper = Sweeper(
        sweep=sweep,
        uploads=uploads,
        photos=photos,
        arrivals=Arrivals(uploads, photos, outbox),
        outbox=outbox,
        buckets=Buckets(store=store, uploads="uploads", artifacts="artifacts"),
        timing=Timing(ring_again_after_s=60.0, lease_s=60.0),
    )
    return Swept(sweep=sweep, sweeper=sweeper, store=store, uploads=uploads)


def tiny_scene(database: TestDatabase, upload: Upload) -> None:
    """A scene of the upload's video."""
    database.owner_rows(
        "INSERT INTO scenes (user_id, id, video_id, index_version, ordinal, start_ms, end_ms, "
        "transcript, languages, screen_text, tags, best_frame_ms, transcript_length, "
        "screen_length) VALUES (:user_id, :id, :video_id, 'v', 0, 0, 1000, '[]', '{}', '[]', "
        "'[]', 0, 0, 0)",
        user_id=upload.user_id,
        id=uuid4(),
        video_id=upload.video_id,
    )
