"""What an indexed minute takes, lane by lane, on a GPU and without one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.domain import LANES, Lane
from gpu_jobs.costs import Shape

_TABLE: Final = Path(__file__).with_name("work.toml")


@dataclass(frozen=True, kw_only=True)
class Video:
    """The video that stages are reckoned with."""

    minutes: float
    scenes: int
    frames_per_scene: int
    tokens_per_scene: int

    def amount(self, stage: str) -> float:
        """Items of a model's stage in the whole video, in the unit of its rate."""
        return {
            "asr_transcribe": self.minutes * 60,
            "embed_text": float(self.scenes * self.tokens_per_scene),
            "vision_embed_frames": float(self.scenes * self.frames_per_scene),
        }[stage]


@dataclass(frozen=True, kw_only=True)
class CpuStage:
    """A stage that only uses the CPU."""

    stage: str
    lane: Lane
    #: Of one CPU; more CPUs are taken to share it evenly.
    seconds_per_minute: float
    measured: str


@dataclass(frozen=True, kw_only=True)
class ModelStage:
    """A stage of a downloaded model."""

    stage: str
    unit: str
    per_second_on_l4: float
    #: For the whole video, in the cpu profile, on two cores.
    seconds_on_cpu: float
    measured: str
    published: str


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What an execution of a job is billed for beside its stages."""

    start_s: float
    load_s: float
    minimum_billed_s: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """The whole table."""

    video: Video
    cpu: Sequence[CpuStage]
    models: Sequence[ModelStage]
    shapes: Mapping[Lane, Shape]
    executions: Mapping[Lane, Execution]
    bounds_source: str

    def seconds_per_minute(self, lane: Lane) -> dict[str, float]:
        """Wall-clock seconds of each stage for a minute of video, with an L4 in the gpu lane."""
        cpus = self.shapes[lane].cpus
        seconds = {
            each.stage: each.seconds_per_minute / cpus for each in self.cpu if each.lane == lane
        }
        if lane == "gpu":
            for each in self.models:
                amount = self.video.amount(each.stage) / self.video.minutes
                seconds[each.stage] = amount / each.per_second_on_l4
        return seconds

    def cpu_profile_seconds(self) -> dict[str, float]:
        """Measured seconds of the models' stages for the whole video, without a GPU."""
        return {each.stage: each.seconds_on_cpu for each in self.models}


def load(table: Path = _TABLE) -> Work:
    """The table as it is committed."""
    data = tomllib.loads(table.read_text(encoding="utf-8"))
    bounds = data["execution"]["bounds"]
    return Work(
        video=Video(**data["video"]),
        cpu=[CpuStage(**row) for row in data["cpu"]],
        models=[ModelStage(**row) for row in data["model"]],
        shapes={lane: Shape(**data["shape"][lane]) for lane in LANES if lane in data["shape"]},
        executions={
            lane: _execution(data["execution"][lane], bounds)
            for lane in LANES
            if lane in data["execution"]
        },
        bounds_source=bounds["source"],
    )


def _execution(row: Mapping[str, Any], bounds: Mapping[str, Any]) -> Execution:
    return Execution(minimum_billed_s=bounds["minimum_billed_s"], **row)
