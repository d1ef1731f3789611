"""Runs the stages of one claimed run: skip what is done, read inputs, call, store, check off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from common import log
from common.domain import Lease, Media, MediaLimits, RunRef
from common.errors import LeaseLostError, TransientError
from common.ledger.endings import Endings
from common.ledger.photos import Photos
from common.ledger.stages import FinishedStage, StagePlan, Stages
from common.ledger.uploads import Uploads
from common.ports import Objects
from gpu_jobs.checkpoints import Checkpoints
from gpu_jobs.costs import Rates
from gpu_jobs.hold import Hold
from gpu_jobs.stage import Facts, Features, PhotoFacts, Pipeline, Stage, VideoFacts
from gpu_jobs.upload import downloaded, downloaded_photo

#: Progress is written at most this often.
_PROGRESS_INTERVAL_S: Final = 0.5


class Sandbox(Protocol):
    """`gpu_jobs.sandbox.call`: calls a function on hostile bytes in a limited child process."""

    def __call__(
        self,
        function: str,
        *,
        media: Media,
        inputs: Mapping[str, object],
        result: type[Any],
        on_progress: Callable[[float], None] | None,
    ) -> Any:
        """Call "package.module:name"; `on_progress` may raise to end the call."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the runner works with."""

    stages: Stages
    endings: Endings
    uploads: Uploads
    photos: Photos
    store: Objects
    uploads_bucket: str
    artifacts_bucket: str
    #: What a second of each lane costs.
    rates: Rates
    sandbox: Sandbox
    #: Called once, before the first stage that asks for models.
    load_models: Callable[[], Any]
    #: Names of a user's people, the newest first.
    names: Callable[[UUID], tuple[str, ...]]
    #: Whether faces may be told apart in a run, now.
    consent: Callable[[RunRef], bool]
    limits: MediaLimits
    photo_limits: MediaLimits
    index_version: str
    features: Features = field(default_factory=Features)


class Runner:
    """Brings runs to their end.

    Args:
        pipeline: the table of stages of a video.
        tools: the ledger, the buckets, the sandbox and the models.
        photos: the table of stages of a photo.
    """

    def __init__(self, pipeline: Pipeline, tools: Tools, *, photos: Pipeline) -> None:
        self._pipeline = pipeline
        self._photos = photos
        self._tools = tools
        self._models: Any = None

    def run(self, lease: Lease, hold: Hold) -> tuple[UUID, ...]:
        """Do what is left of a run and complete it, or send it back to the lane before.

        Returns:
            The ids of the messages to publish.

        Raises:
            HeimdexError: the run failed, or its lease was lost.
            StopRequested: the process is to end; what is done is checked off.
        """
        lane = lease.run.lane
        pipeline = self._photos if lease.run.photo is not None else self._pipeline
        plan = [
            StagePlan(stage=stage.name, ordinal=ordinal, version=stage.version)
            for ordinal, stage in enumerate(pipeline.stages)
            if stage.lane == lane
        ]
        records = self._tools.stages.plan(lease, plan)
        bucket = self._tools.artifacts_bucket
        checkpoints = Checkpoints(self._tools.store, bucket, lease, records)
        with ExitStack() as resources:
            work = _Work(
                lease=lease,
                hold=hold,
                pipeline=pipeline,
                checkpoints=checkpoints,
                resources=resources,
            )
            # However the run ends: what failed was paid for too.
            resources.callback(self._log_cost, work)
            resources.callback(self._release_memory)
            for group in pipeline.groups(lane):
                if not [stage for stage in group if not checkpoints.find(stage)]:
                    continue
                if missing := _missing_input(group[0], work):
                    log.event("run.sent_back", severity="WARNING", stage=missing.name)
                    return self._tools.endings.send_back(lease, missing.lane)
                with work.timed(group):
                    self._make(group, work)
        return self._complete(work)

    def _make(self, group: Sequence[Stage], work: _Work) -> None:
        """Call the function that the rows share, and check them off together."""
        names = [stage.name for stage in group]
        work.hold.check()
        self._tools.stages.start(work.lease, names)
        log.event("stage.started", stage=names[0], attempt=work.lease.attempt)
        started_at = time.monotonic()
        finished = self._produce(group, work, names)
        try:
            for stage in group:
                self._export(stage, work)
            work.hold.check()
            self._tools.stages.finish(work.lease, finished)
        except LeaseLostError:
            self._discard_if_deleted(work, finished)
            raise
        duration_ms = round((time.monotonic() - started_at) * 1000)
        for done in finished:
            log.event(
                "stage.finished",
                stage=done.stage,
                version=done.version,
                duration_ms=duration_ms,
                artifact_bytes=done.artifact_bytes,
                note=done.note,
            )

    def _produce(
        self, group: Sequence[Stage], work: _Work, names: Sequence[str]
    ) -> list[FinishedStage]:
        """Call the function and store what it gives.

        Consent that is withdrawn meanwhile counts: what was found without it is overwritten at
        once, under the same key. From then on, who withdraws it removes what is stored.
        """
        consent = self._consents(group[0], work)
        finished = self._store(group, work, self._call(group[0], work, names, consent=consent))
        if consent and not self._consents(group[0], work):
            log.event("consent.withdrawn", stage=names[0])
            nothing = self._call(group[0], work, names, consent=False)
            finished = self._store(group, work, nothing)
        return finished

    def _store(self, group: Sequence[Stage], work: _Work, result: Any) -> list[FinishedStage]:
        return [
            work.checkpoints.store(stage, stage.artifact_of(result), work.hold) for stage in group
        ]

    def _consents(self, stage: Stage, work: _Work) -> bool:
        return stage.is_biometric and self._tools.consent(work.lease.run)

    def _discard_if_deleted(self, work: _Work, finished: Sequence[FinishedStage]) -> None:
        """A photo's deletion may have been carried out before this was written."""
        run = work.lease.run
        if run.photo is None or self._tools.photos.exists(run.user_id, run.photo.photo_id):
            return
        for each in finished:
            bucket = self._tools.artifacts_bucket
            self._tools.store.delete(bucket, each.artifact_key, effect="artifact.discard")

    def _call(self, stage: Stage, work: _Work, names: Sequence[str], *, consent: bool) -> Any:
        inputs: dict[str, Any] = {need: work.checkpoints.value(need) for need in stage.needs}
        progress = _Progress(partial(self._tools.stages.progress, work.lease, names), work.hold)
        if stage.lane == "media":
            return self._tools.sandbox(
                f"{stage.run.__module__}:{stage.run.__name__}",
                media=self._media(work),
                inputs=inputs,
                result=stage.result_type,
                on_progress=progress if "progress" in stage.arguments else None,
            )
        if "models" in stage.arguments:
            inputs["models"] = self._loaded_models()
        if "names" in stage.arguments:
            inputs["names"] = self._tools.names(work.lease.run.user_id)
        if "video" in stage.arguments:
            inputs["video"] = self._facts(work.lease)
        if "features" in stage.arguments:
            inputs["features"] = self._tools.features
        if "consent" in stage.arguments:
            inputs["consent"] = consent
        if "progress" in stage.arguments:
            inputs["progress"] = progress
        return stage.run(**inputs)

    def _export(self, stage: Stage, work: _Work) -> None:
        if stage.exports is None:
            return
        value = work.checkpoints.value(stage.name)
        for export in stage.exports(self._facts(work.lease), value):
            work.hold.check()
            self._tools.store.write(
                self._tools.artifacts_bucket,
                export.name,
                export.data,
                content_type=export.content_type,
                effect="export.write",
            )

    def _complete(self, work: _Work) -> tuple[UUID, ...]:
        lane = work.lease.run.lane
        apply = None
        for stage in work.pipeline.lane(lane):
            if stage.apply is not None:
                value = work.checkpoints.value(stage.name)
                apply = partial(stage.apply, self._facts(work.lease), value)
        work.hold.check()
        next_lane = work.pipeline.next_lane(lane)
        return self._tools.endings.complete(work.lease, next_lane=next_lane, apply=apply)

    def _log_cost(self, work: _Work) -> None:
        cost_usd = self._tools.rates.cost_usd(work.lease.run.lane, work.seconds)
        log.event("run.costed", seconds=work.seconds, cost_usd=cost_usd)

    def _media(self, work: _Work) -> Media:
        """The upload, downloaded once per run."""
        if work.media is None:
            work.media = work.resources.enter_context(self._downloaded(work.lease.run))
        return work.media

    def _downloaded(self, run: RunRef) -> AbstractContextManager[Media]:
        tools = self._tools
        if run.photo is not None:
            photo = tools.photos.stored(run.user_id, run.photo.photo_id)
            return downloaded_photo(tools.store, tools.uploads_bucket, photo, tools.photo_limits)
        assert run.video_id is not None
        objects = tools.uploads.objects(run.user_id, run.video_id)
        return downloaded(tools.store, tools.uploads_bucket, objects, tools.limits)

    def _release_memory(self) -> None:
        """One video's leftovers are not to be the next one's lack of memory."""
        if self._models is not None:
            self._models.release()

    def _loaded_models(self) -> Any:
        if self._models is None:
            self._models = self._tools.load_models()
        return self._models

    def _facts(self, lease: Lease) -> Facts:
        run = lease.run
        if run.photo is not None:
            return PhotoFacts(
                user_id=run.user_id,
                person_id=run.photo.person_id,
                photo_id=run.photo.photo_id,
            )
        assert run.video_id is not None
        return VideoFacts(
            user_id=run.user_id,
            video_id=run.video_id,
            generation=run.generation,
            index_version=self._tools.index_version,
        )


def _missing_input(stage: Stage, work: _Work) -> Stage | None:
    """An input from another lane that is damaged, gone or of another version."""
    needs = (work.pipeline.stage(need) for need in stage.needs)
    return next((need for need in needs if not work.checkpoints.find(need)), None)


@dataclass(kw_only=True)
class _Work:
    """What belongs to one run while it is worked on."""

    lease: Lease
    hold: Hold
    pipeline: Pipeline
    checkpoints: Checkpoints
    resources: ExitStack
    media: Media | None = None
    #: What each stage of this attempt took, by name; rows that share a function have one entry.
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, group: Sequence[Stage]) -> Iterator[None]:
        """Count the body's time for a group of rows, also when it fails."""
        started_at = time.monotonic()
        try:
            yield
        finally:
            name = "+".join(stage.name for stage in group)
            self.seconds[name] = round(time.monotonic() - started_at, 3)


class _Progress:
    """Passes progress on, not too often; raises what the hold raises, which ends the stage."""

    def __init__(self, write: Callable[[float], None], hold: Hold) -> None:
        self._write = write
        self._hold = hold
        self._written = 0.0
        self._written_at = time.monotonic()

    def __call__(self, fraction: float) -> None:
        self._hold.check()
        now = time.monotonic()
        if fraction == self._written or now - self._written_at < _PROGRESS_INTERVAL_S:
            return
        self._written, self._written_at = fraction, now
        try:
            self._write(fraction)
        except TransientError as error:
            log.event("stage.progress_failed", severity="WARNING", error=error)
