"""Seconds and prices to what an indexed minute costs, scale-to-zero included.

An execution of a job is billed from its start to its end: starting the instance, loading models,
the stages of every video it gets, and waiting for the next one until it gives up. So what a minute
costs depends on how many videos share an execution, and on how long they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from common.config import Settings
from common.domain import Lane
from gpu_jobs.costs import Prices
from local.cost_model.work import Work

#: A worker waits this long for the next video, by default.
IDLE_S: float = Settings.model_fields["idle_exit_s"].default


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the lanes cost at some prices."""

    work: Work
    prices: Prices

    def busy_s(self, lane: Lane, minutes: float) -> float:
        """Seconds that the stages of a video take."""
        return sum(self.work.seconds_per_minute(lane).values()) * minutes

    def billed_s(self, lane: Lane, minutes: float, videos: float = 1.0) -> float:
        """Seconds that an execution is billed for, which gets some videos of a length."""
        execution = self.work.executions[lane]
        overhead = execution.start_s + execution.load_s + IDLE_S
        return max(execution.minimum_billed_s, overhead + videos * self.busy_s(lane, minutes))

    def usd_per_s(self, lane: Lane) -> float:
        """US dollars for a second of the lane's instance."""
        return self.work.shapes[lane].usd_per_s(self.prices)

    def usd_per_minute(self, lane: Lane, minutes: float, videos: float = 1.0) -> float:
        """US dollars for a minute of video."""
        billed = self.billed_s(lane, minutes, videos)
        return billed * self.usd_per_s(lane) / (minutes * videos)

    def busy_usd_per_minute(self) -> float:
        """US dollars for a minute of video while instances are never idle: the lower bound."""
        return sum(self.busy_s(lane, 1) * self.usd_per_s(lane) for lane in self.work.shapes)

    def videos_per_execution(self, lane: Lane, minutes: float, arrivals_per_s: float) -> float:
        """How many videos an execution gets, on average, when they come at random.

        It goes on as long as the next one comes while it is busy or waits; the chance that none
        does is exp(-rate * window), and the number of videos until then is geometric.
        """
        window_s = self.busy_s(lane, minutes) + IDLE_S
        return math.exp(arrivals_per_s * window_s)

    def estimates(self, minutes: float, videos: float = 1.0) -> Mapping[Lane, float]:
        """US dollars for a minute of video, by lane."""
        return {lane: self.usd_per_minute(lane, minutes, videos) for lane in self.work.shapes}
