"""Everything that a schedule plays with: the real SQL and functions, stand-ins, uploads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Literal
from uuid import UUID

from common.arrivals import Arrivals
from common.database import Database, engine
from common.domain import Lane, MediaLimits
from common.ledger.claims import Claims
from common.ledger.endings import Endings
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.policy import LeasePolicy
from common.ledger.stages import Stages
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from common.videos.erasing import erase_video
from common.videos.records import DeclaredObject
from common.videos.uploads import announce, subtitle_name, video_name
from functions.start_jobs.doorbell import Doorbell
from functions.start_jobs.sweeping import Buckets, Sweeper, Timing
from functions.upload_finalized.main import Services
from gpu_jobs.costs import Rates
from gpu_jobs.pipeline import PHOTO_PIPELINE
from gpu_jobs.runner import Runner, Tools
from gpu_jobs.worker import Ports, Schedule, Worker
from local.pubsub.faults import DeliveryFaults
from local.storage.content import Digest
from local.storage.resources import object_resource
from tests.conftest import TestDatabase, settings
from tests.fakes import call_in_process
from tests.ledger import record_transitions
from tests.schedules.stages import PIPELINE, POISON
from tests.schedules.stand_ins import Bus, Clock, Executions, SteppedDatabase, Store
from tests.tiny_pipeline import INDEX_VERSION, TinyModels

#: Far longer than a schedule takes, and with pauses of 0.5 to 1.5 times these, so that only
#: `pass_time` makes anything due, whatever the machine's speed. Few attempts: some run is to die.
POLICY: Final = LeasePolicy(lease_s=600.0, max_attempts=3, retry_backoff_s=60.0)
RING_AGAIN_S: Final = 600.0
UPLOAD_GRACE_S: Final = 60.0
#: Longer than every lease, pause and time-out above, and than it takes erasures to settle.
LONG_S: Final = 2_000.0
SIZE_BYTES: Final = 100

Kind = Literal["good", "poison", "size", "hash", "type"]

_SHIFT = """
CREATE FUNCTION shift_time(by_s double precision) RETURNS void LANGUAGE sql AS $$
    UPDATE runs SET lease_until = lease_until - make_interval(secs => by_s),
        heartbeat_at = heartbeat_at - make_interval(secs => by_s),
        not_before = not_before - make_interval(secs => by_s),
        rung_at = rung_at - make_interval(secs => by_s);
    UPDATE outbox SET created_at = created_at - make_interval(secs => by_s),
        published_at = published_at - make_interval(secs => by_s);
    UPDATE videos SET created_at = created_at - make_interval(secs => by_s);
    UPDATE upload_objects SET expires_at = expires_at - make_interval(secs => by_s);
    UPDATE erasures SET created_at = created_at - make_interval(secs => by_s);
$$
"""


@dataclass(kw_only=True)
class Upload:
    """What a client declared, and what became of it outside of the ledger."""

    label: str
    user_id: UUID
    video_id: UUID
    kind: Kind
    subtitles: int
    #: How often time had passed when it was declared.
    declared_at: int
    #: The same when the last of its objects arrived; None before.
    stored_at: int | None = None
    #: Objects that have not been put, the next one last.
    missing: list[str] = field(default_factory=list)
    #: How often the video was put again.
    replaced: int = 0

    @property
    def name(self) -> str:
        """Object name of the video."""
        return video_name(self.user_id, self.video_id, "mp4")

    def content(self, name: str) -> bytes:
        """What the client puts under a name."""
        start = POISON if self.kind == "poison" and name == self.name else b"upload"
        text = start + f" {self.label} {self.replaced} {name == self.name}".encode()
        data = text.ljust(SIZE_BYTES, b".")
        return data + b"." if self.kind == "size" and name == self.name else data

    def content_type(self, name: str) -> str:
        """What the client says it is."""
        if name != self.name:
            return "application/x-subrip"
        return "video/webm" if self.kind == "type" else "video/mp4"


@dataclass(frozen=True, kw_only=True)
class Pools:
    """A database as each runtime role, with what schedules add to the schema."""

    database: TestDatabase
    api: Database
    ingest: Database
    worker: Database

    def empty(self) -> None:
        """Forget everything that an earlier schedule left."""
        self.database.owner_rows("DELETE FROM users")
        self.database.owner_rows("TRUNCATE transitions")


@contextmanager
def pools(database: TestDatabase) -> Iterator[Pools]:
    """Pools that stop at points, on a database that notes transitions."""
    record_transitions(database)
    database.owner_rows(_SHIFT)
    api, ingest, worker = (
        SteppedDatabase(engine(settings(database_url=database.url(role))))
        for role in ("heimdex_api", "heimdex_ingest", "heimdex_worker")
    )
    try:
        yield Pools(database=database, api=api, ingest=ingest, worker=worker)
    finally:
        for pool in (api, ingest, worker):
            pool.close()


class World:
    """One schedule's surroundings.

    Args:
        pools: emptied.
        directory: for objects.
        random: of the schedule; ids come from it, so that a replay has the same.
    """

    def __init__(self, pools: Pools, directory: Path, random: Random) -> None:
        self.pools = pools
        self.random = random
        self.clock = Clock()
        #: How often `pass_time` was called.
        self.ticks = 0
        self.faulty = DeliveryFaults(duplicate=0.15, reorder=0.2, seed=random.getrandbits(32))
        self.store = Store(directory, self.clock)
        self.bus = Bus(self.clock, self.faulty)
        self.jobs = Executions()
        self.uploads: list[Upload] = []
        self.claims = Claims(pools.worker, POLICY)
        uploads = Uploads(pools.ingest, grace_s=UPLOAD_GRACE_S)
        photos = Photos(pools.ingest, grace_s=UPLOAD_GRACE_S)
        outbox = Outbox(pools.ingest, self.bus)
        arrivals = Arrivals(uploads, photos, outbox)
        self.finalized = Services(arrivals=arrivals, store=self.store, bucket="uploads")
        self.doorbell = Doorbell(Claims(pools.ingest, POLICY), self.jobs)
        self.sweeper = Sweeper(
            sweep=Sweep(pools.ingest),
            uploads=uploads,
            photos=photos,
            arrivals=arrivals,
            outbox=outbox,
            buckets=Buckets(store=self.store, uploads="uploads", artifacts="artifacts"),
            timing=Timing(
                ring_again_after_s=RING_AGAIN_S, lease_s=POLICY.lease_s, grace_s=UPLOAD_GRACE_S
            ),
        )
        self.users = [self.new_id() for _ in range(2)]
        for user in self.users:
            self.owner("INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=user, uid=user)

    def new_id(self) -> UUID:
        """An id that a replay makes again."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def owner(self, sql: str, **values: object) -> list[Any]:
        """Rows as the owner of the tables sees them; UUIDs may be given for text."""
        texts = {"uid": str(values["uid"])} if "uid" in values else {}
        return self.pools.database.owner_rows(sql, **values | texts)

    def pass_time(self) -> None:
        """Let everything become due that waits for time."""
        self.ticks += 1
        self.clock.now_s += LONG_S
        self.owner("SELECT shift_time(:by_s)", by_s=LONG_S)

    # --- clients --------------------------------------------------------------------------------

    def declare(self, kind: Kind, *, subtitles: int) -> Upload:
        """Declare an upload, as the API does."""
        upload = Upload(
            label=f"v{len(self.uploads)}",
            user_id=self.random.choice(self.users),
            video_id=self.new_id(),
            kind=kind,
            subtitles=subtitles,
            declared_at=self.ticks,
        )
        names = [upload.name]
        for ordinal in range(1, subtitles + 1):
            names.append(subtitle_name(upload.user_id, upload.video_id, ordinal, "srt"))
        objects = [_declared(upload, ordinal, name) for ordinal, name in enumerate(names)]
        with self.pools.api.tenant(upload.user_id, effect="upload.announce") as tx:
            announce(
                tx,
                upload.user_id,
                upload.video_id,
                title="v",
                objects=objects,
                expires_in_s=600,
                reserved_ms=0,
            )
        upload.missing = names
        self.random.shuffle(upload.missing)
        self.uploads.append(upload)
        return upload

    def put(self, upload: Upload, name: str) -> dict[str, Any]:
        """Store an object of an upload; returns the data of its finalize event."""
        stored = self.store.put("uploads", name, upload.content(name), upload.content_type(name))
        upload.stored_at = self.ticks
        data: dict[str, Any] = json.loads(json.dumps(object_resource(stored, "https://x")))
        return data

    def erase(self, upload: Upload) -> None:
        """Delete a video, as the API does."""
        with self.pools.api.tenant(upload.user_id, effect="video.erase") as tx:
            erase_video(tx, upload.user_id, upload.video_id)

    def is_erased(self, upload: Upload) -> bool:
        """Whether that happened; in the end not even the row is left."""
        sql = "SELECT deleted_at FROM videos WHERE id = :id"
        return all(row.deleted_at is not None for row in self.owner(sql, id=upload.video_id))

    # --- workers --------------------------------------------------------------------------------

    def worker(self, lane: Lane, owner: str) -> Worker:
        """One execution of a lane's job; it ends when no message is there."""
        pool = self.pools.worker
        endings = Endings(pool, POLICY)
        tools = Tools(
            stages=Stages(pool),
            endings=endings,
            uploads=Uploads(pool, grace_s=UPLOAD_GRACE_S),
            photos=Photos(pool, grace_s=UPLOAD_GRACE_S),
            store=self.store,
            uploads_bucket="uploads",
            artifacts_bucket="artifacts",
            rates=Rates(usd_per_s={"media": 0.0, "gpu": 0.0}),
            sandbox=call_in_process,
            load_models=TinyModels,
            names=lambda _: (),
            consent=lambda _: False,
            limits=MediaLimits(),
            photo_limits=MediaLimits(),
            index_version=INDEX_VERSION,
        )
        ports = Ports(
            bus=self.bus,
            claims=self.claims,
            endings=endings,
            outbox=Outbox(pool, self.bus),
            runner=Runner(PIPELINE, tools, photos=PHOTO_PIPELINE),
        )
        return Worker(
            lane=lane,
            subscription=f"heimdex-{lane}-work",
            owner=owner,
            ports=ports,
            schedule=Schedule(idle_exit_s=0.0, stop_claiming_after_s=3_600.0),
        )

    def close(self) -> None:
        """Close the stand-ins."""
        self.store.close()
        self.bus.close()
        assert not [t for t in threading.enumerate() if t.name == "heartbeat"]


def _declared(upload: Upload, ordinal: int, name: str) -> DeclaredObject:
    digest = Digest()
    digest.update(b"other" if upload.kind == "hash" and not ordinal else upload.content(name))
    return DeclaredObject(
        ordinal=ordinal,
        kind="subtitle" if ordinal else "video",
        language="en" if ordinal else None,
        object_name=name,
        content_type="application/x-subrip" if ordinal else "video/mp4",
        size_bytes=SIZE_BYTES,
        # A replaced video has another checksum, so that one declares none.
        crc32c=digest.crc32c if upload.kind == "hash" or ordinal else None,
    )
