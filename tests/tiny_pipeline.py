"""A pipeline of both lanes with trivial stages, and a worker on files, for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from common import search_index
from common.database import Database
from common.domain import IndexRows, Lane, Media, MediaLimits, RunRef, SceneRow
from common.index_version import scene_id
from common.ledger.claims import Claims
from common.ledger.endings import Endings, Indexed
from common.ledger.outbox import Outbox
from common.ledger.photos import Photos
from common.ledger.policy import LeasePolicy
from common.ledger.stages import Stages
from common.ledger.uploads import Uploads
from gpu_jobs.costs import Rates
from gpu_jobs.pipeline import PHOTO_PIPELINE
from gpu_jobs.runner import Runner, Tools
from gpu_jobs.stage import Export, Pipeline, Stage, VideoFacts
from gpu_jobs.worker import Ports, Schedule, Worker
from tests.fakes import FileBus, FileStore, call_in_process

UPLOADS, ARTIFACTS = "uploads", "artifacts"
INDEX_VERSION = "tiny-1"
CONTENT = b"a video of 100 bytes".ljust(100, b".")


@dataclass(frozen=True, kw_only=True)
class Size:
    size_bytes: int
    subtitles: int


@dataclass(frozen=True, kw_only=True)
class Half:
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Halves:
    first: Half
    second: Half


@dataclass(frozen=True, kw_only=True)
class Joined:
    content: bytes
    note: str = ""


def measure(media: Media) -> Size:
    """Size of the upload."""
    return Size(size_bytes=media.path.stat().st_size, subtitles=len(media.subtitles))


def split(media: Media, *, size: Size, progress: Callable[[float], None]) -> Halves:
    """The upload in two parts."""
    content, middle = media.path.read_bytes(), size.size_bytes // 2
    progress(0.5)
    return Halves(first=Half(content=content[:middle]), second=Half(content=content[middle:]))


class TinyModels:
    """What the join asks for; there is nothing to load."""

    note = "tiny models"

    def release(self) -> None:
        """Nothing is kept."""


def join(*, first: Half, second: Half, models: Any) -> Joined:
    """The parts together again."""
    return Joined(content=first.content + second.content, note=models.note)


def index(*, join: Joined, video: VideoFacts) -> IndexRows:
    """One scene."""
    scene = SceneRow(
        scene_id=scene_id(video.video_id, video.generation, video.index_version, 0),
        ordinal=0,
        start_ms=0,
        end_ms=len(join.content),
        transcript=(),
        languages=(),
        screen_text=(),
        tags=(),
        terms=(),
        text_vector=None,
        frame_times_ms=(0,),
        frame_vectors=np.full((1, 1152), 1152**-0.5, np.float32),
        best_frame_ms=0,
    )
    return IndexRows(
        index_version=video.index_version,
        duration_ms=100,
        text_model="t",
        image_model="i",
        scenes=(scene,),
    )


def _exports(video: VideoFacts, joined: Joined) -> Iterator[Export]:
    name = f"sidecars/{video.user_id}/{video.video_id}/scene.json"
    yield Export(name=name, data=joined.content, content_type="application/json")


def _apply(video: VideoFacts, rows: IndexRows, tx: Connection) -> Indexed:
    search_index.replace_video(tx, user_id=video.user_id, video_id=video.video_id, rows=rows)
    return Indexed(index_version=rows.index_version, scene_count=1, duration_ms=rows.duration_ms)


STAGES = (
    Stage(name="size", lane="media", version=1, run=measure),
    Stage(name="first", lane="media", version=1, run=split, part="first"),
    Stage(name="second", lane="media", version=1, run=split, part="second"),
    Stage(name="join", lane="gpu", version=1, run=join, exports=_exports),
    Stage(name="index", lane="gpu", version=1, run=index, apply=_apply),
)
PIPELINE = Pipeline(STAGES)
#: Leases that no test waits for, retries without a pause.
POLICY = LeasePolicy(lease_s=60.0, max_attempts=5, retry_backoff_s=0.0)


@dataclass(kw_only=True)
class Rig:
    """A worker's surroundings in one directory and one database.

    Args:
        db: as `heimdex_worker`.
        directory: for objects and messages.
    """

    db: Database
    directory: Path
    pipeline: Pipeline = PIPELINE
    photos: Pipeline = PHOTO_PIPELINE
    policy: LeasePolicy = POLICY
    load_models: Callable[[], Any] = TinyModels
    #: By default nobody consents to anything.
    consent: Callable[[RunRef], bool] = lambda run: False

    def __post_init__(self) -> None:
        self.store = FileStore(self.directory / "objects")
        # Redelivered at once: a dead worker's messages are not waited for.
        self.bus = FileBus(self.directory / "messages", ack_deadline_s=0.0)
        self.claims = Claims(self.db, self.policy)
        self.endings = Endings(self.db, self.policy)
        self.stages = Stages(self.db)
        self.outbox = Outbox(self.db, self.bus)

    def runner(self) -> Runner:
        """A runner of the pipeline."""
        tools = Tools(
            stages=self.stages,
            endings=self.endings,
            uploads=Uploads(self.db, grace_s=60.0),
            photos=Photos(self.db, grace_s=60.0),
            store=self.store,
            uploads_bucket=UPLOADS,
            artifacts_bucket=ARTIFACTS,
            rates=Rates(usd_per_s={"media": 0.001, "gpu": 0.01}),
            sandbox=call_in_process,
            load_models=self.load_models,
            names=lambda user_id: (f"friend of {user_id}",),
            consent=self.consent,
            limits=MediaLimits(),
            photo_limits=MediaLimits(),
            index_version=INDEX_VERSION,
        )
        return Runner(self.pipeline, tools, photos=self.photos)

    def worker(self, lane: Lane, *, once: bool = False, idle_exit_s: float = 0.0) -> Worker:
        """A worker of a lane that ends when no message is there."""
        ports = Ports(
            bus=self.bus,
            claims=self.claims,
            endings=self.endings,
            outbox=self.outbox,
            runner=self.runner(),
        )
        return Worker(
            lane=lane,
            subscription=f"heimdex-{lane}-work",
            owner=f"test/{threading.get_ident()}",
            ports=ports,
            schedule=Schedule(idle_exit_s=idle_exit_s, stop_claiming_after_s=600.0, once=once),
        )

    def work(self) -> None:
        """Both lanes, until no message is there."""
        self.worker("media").run()
        self.worker("gpu").run()
