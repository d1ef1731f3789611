"""A worker's surroundings: real Postgres, objects and messages in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from common.database import Database
from common.ledger.outbox import Outbox
from common.ledger.uploads import Uploads
from tests.conftest import TestDatabase
from tests.ledger import Upload, stand_upload, take_stored
from tests.tiny_pipeline import Rig


@pytest.fixture
def rig(worker_database: Database, tmp_path: Path) -> Rig:
    """Everything a worker needs."""
    return Rig(db=worker_database, directory=tmp_path)


@pytest.fixture
def new_upload(
    rig: Rig, database: TestDatabase, ingest_database: Database, user_id: UUID
) -> Callable[[], Upload]:
    """Makes an upload that has arrived: its run is ready and rung for."""

    def make() -> Upload:
        upload = stand_upload(rig.store, database, user_id)
        uploads = Uploads(ingest_database, grace_s=60.0)
        arrival = take_stored(rig.store, uploads, upload)
        assert arrival.outcome == "complete"
        Outbox(ingest_database, rig.bus).publish(user_id, arrival.message_ids)
        return upload

    return make
