"""What processing a video costs, estimated from the seconds that its stages took.

Cloud Run bills a job's instance by the second for its GPU, its CPUs and its memory together,
whatever of them a stage uses. The estimate counts the stages only: starting an instance, loading
what no stage waits for and waiting for the next video come on top, and a free tier comes off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from common.config import Settings
from common.domain import Lane
from common.ledger.figures import StageFigures


@dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars for one unit during one second."""

    gpu_usd: float
    cpu_usd: float
    gib_usd: float


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an instance of a job has."""

    gpus: float = 0.0
    cpus: float
    memory_gib: float

    def usd_per_s(self, prices: Prices) -> float:
        """US dollars for one second of the instance."""
        return (
            self.gpus * prices.gpu_usd
            + self.cpus * prices.cpu_usd
            + self.memory_gib * prices.gib_usd
        )


@dataclass(frozen=True, kw_only=True)
class Rates:
    """US dollars for one second of each lane's instance."""

    usd_per_s: Mapping[Lane, float]
    #: GPUs of each lane's instance.
    gpus: Mapping[Lane, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Rates:
        """The rates that prices and shapes in the settings give."""
        prices = Prices(
            gpu_usd=settings.price_gpu_second_usd,
            cpu_usd=settings.price_cpu_second_usd,
            gib_usd=settings.price_gib_second_usd,
        )
        media = Shape(cpus=settings.media_job_cpus, memory_gib=settings.media_job_memory_gib)
        gpu = Shape(
            gpus=settings.gpu_job_gpus,
            cpus=settings.gpu_job_cpus,
            memory_gib=settings.gpu_job_memory_gib,
        )
        return cls(
            usd_per_s={"media": media.usd_per_s(prices), "gpu": gpu.usd_per_s(prices)},
            gpus={"media": media.gpus, "gpu": gpu.gpus},
        )

    def gpu_s(self, lane: Lane, seconds: Mapping[str, float]) -> float:
        """Seconds of GPUs that a lane's stages were billed, used or not."""
        return round(sum(seconds.values()) * self.gpus.get(lane, 0.0), 3)

    def cost_usd(self, lane: Lane, seconds: Mapping[str, float]) -> float:
        """What a lane's stages cost.

        A video's cost is the sum over its lanes.

        Args:
            lane: on whose instance they ran, one after another.
            seconds: wall-clock seconds by stage; stages that share a function count once.

        Returns:
            US dollars, to a millionth.
        """
        return round(sum(seconds.values()) * self.usd_per_s[lane], 6)


@dataclass(frozen=True, kw_only=True)
class LaneCost:
    """What a lane's completed stages took and cost."""

    lane: str
    seconds: float
    gpu_seconds: float
    cost_usd: float


def lane_costs(stages: Sequence[StageFigures], rates: Rates) -> tuple[LaneCost, ...]:
    """What all completed stages cost, by lane.

    Args:
        stages: as the ledger sums them up; rows that one function makes have its time each.
        rates: of a second.
    """
    # Imported here: the table loads every stage's libraries.
    from gpu_jobs.pipeline import PIPELINE

    totals = {each.stage: each.total_ms / 1_000 for each in stages}
    costs = []
    for lane in PIPELINE.lanes:
        groups = (
            [totals.get(stage.name, 0.0) for stage in group] for group in PIPELINE.groups(lane)
        )
        seconds = {str(number): max(group) for number, group in enumerate(groups)}
        costs.append(
            LaneCost(
                lane=lane,
                seconds=round(sum(seconds.values()), 3),
                gpu_seconds=rates.gpu_s(lane, seconds),
                cost_usd=rates.cost_usd(lane, seconds),
            )
        )
    return tuple(costs)
