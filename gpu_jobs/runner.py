"""Runs the stages of one claimed run: skip what is done, read inputs, call, store, check off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from common import log, tracing
from common.domain import Lease, Media, MediaLimits
from common.errors import TransientError
from common.ledger.endings import Endings
from common.ledger.stages import StagePlan, Stages
from common.ledger.uploads import Uploads
from common.ports import Objects
from gpu_jobs.checkpoints import Checkpoints
from gpu_jobs.costs import Rates
from gpu_jobs.hold import Hold
from gpu_jobs.stage import Pipeline, Stage, VideoFacts
from gpu_jobs.upload import downloaded

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
    limits: MediaLimits
    index_version: str


class Runner:
    """Brings runs to their end.

    Args:
        pipeline: the table of stages.
        tools: the ledger, the buckets, the sandbox and the models.
    """

    def __init__(self, pipeline: Pipeline, tools: Tools) -> None:
        self._pipeline = pipeline
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
        plan = [
            StagePlan(stage=stage.name, ordinal=ordinal, version=stage.version)
            for ordinal, stage in enumerate(self._pipeline.stages)
            if stage.lane == lane
        ]
        records = self._tools.stages.plan(lease, plan)
        bucket = self._tools.artifacts_bucket
        checkpoints = Checkpoints(self._tools.store, bucket, lease, records)
        with ExitStack() as resources:
            work = _Work(lease=lease, hold=hold, checkpoints=checkpoints, resources=resources)
            # However the run ends: what failed was paid for too.
            resources.callback(self._log_cost, work)
            resources.callback(self._release_memory)
            for group in self._pipeline.groups(lane):
                if not [stage for stage in group if not checkpoints.find(stage)]:
                    continue
                if missing := self._missing_input(group[0], checkpoints):
                    log.event("run.sent_back", severity="WARNING", stage=missing.name)
                    return self._tools.endings.send_back(lease, missing.lane)
                name = "+".join(stage.name for stage in group)
                with (
                    work.timed(name),
                    log.bound(stage=group[0].name),
                    tracing.span(f"stage {name}", video_id=lease.run.video_id),
                ):
                    self._make(group, work)
            with tracing.span("run.complete", video_id=lease.run.video_id):
                return self._complete(work)

    def _missing_input(self, stage: Stage, checkpoints: Checkpoints) -> Stage | None:
        """An input from another lane that is damaged, gone or of another version."""
        needs = (self._pipeline.stage(need) for need in stage.needs)
        return next((need for need in needs if not checkpoints.find(need)), None)

    def _make(self, group: Sequence[Stage], work: _Work) -> None:
        """Call the function that the rows share, and check them off together."""
        names = [stage.name for stage in group]
        work.hold.check()
        self._tools.stages.start(work.lease, names)
        log.event("stage.started", attempt=work.lease.attempt)
        started_at = time.monotonic()
        result = self._call(group[0], work, names)
        finished = [
            work.checkpoints.store(stage, stage.artifact_of(result), work.hold) for stage in group
        ]
        for stage in group:
            self._export(stage, work)
        work.hold.check()
        self._tools.stages.finish(work.lease, finished)
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

    def _call(self, stage: Stage, work: _Work, names: Sequence[str]) -> Any:
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
        for stage in self._pipeline.lane(lane):
            if stage.apply is not None:
                value = work.checkpoints.value(stage.name)
                apply = partial(stage.apply, self._facts(work.lease), value)
        work.hold.check()
        next_lane = self._pipeline.next_lane(lane)
        return self._tools.endings.complete(work.lease, next_lane=next_lane, apply=apply)

    def _log_cost(self, work: _Work) -> None:
        lane, rates = work.lease.run.lane, self._tools.rates
        log.event(
            "run.costed",
            lane=lane,
            seconds=work.seconds,
            gpu_s=rates.gpu_s(lane, work.seconds),
            cost_usd=rates.cost_usd(lane, work.seconds),
        )

    def _media(self, work: _Work) -> Media:
        """The upload, downloaded once per run."""
        if work.media is None:
            run = work.lease.run
            objects = self._tools.uploads.objects(run.user_id, run.video_id)
            upload = downloaded(
                self._tools.store, self._tools.uploads_bucket, objects, self._tools.limits
            )
            work.media = work.resources.enter_context(upload)
        return work.media

    def _release_memory(self) -> None:
        """One video's leftovers are not to be the next one's lack of memory."""
        if self._models is not None:
            self._models.release()

    def _loaded_models(self) -> Any:
        if self._models is None:
            self._models = self._tools.load_models()
        return self._models

    def _facts(self, lease: Lease) -> VideoFacts:
        return VideoFacts(
            user_id=lease.run.user_id,
            video_id=lease.run.video_id,
            generation=lease.run.generation,
            index_version=self._tools.index_version,
        )


@dataclass(kw_only=True)
class _Work:
    """What belongs to one run while it is worked on."""

    lease: Lease
    hold: Hold
    checkpoints: Checkpoints
    resources: ExitStack
    media: Media | None = None
    #: What each stage of this attempt took, by name; rows that share a function have one entry.
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the body's time, also when it fails."""
        started_at = time.monotonic()
        try:
            yield
        finally:
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
