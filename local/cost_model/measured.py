"""What a local cloud's runs took, beside what the model says of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cost_model.work import Work

_COSTED = '"run.costed"'


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Runs of a lane in the logs."""

    lane: str
    runs: int
    #: Wall-clock seconds of each stage, over all runs.
    seconds: dict[str, float]
    cost_usd: float


def read(logs: Path) -> list[Measured]:
    """All runs whose cost is in the logs below a directory, by lane."""
    runs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in _costed(sorted(logs.rglob("*.log"))):
        runs[event["lane"]].append(event)
    return [_sum(lane, events) for lane, events in sorted(runs.items())]


def report(measured: Iterable[Measured], minutes: float, work: Work) -> list[str]:
    """Lines that compare measured seconds a minute with the model's."""
    lines = [f"{'stage':52} {'s/min':>8} {'model, on Cloud Run':>20}"]
    for lane in measured:
        model = _per_stage(work, lane.lane)
        for stage, seconds in lane.seconds.items():
            expected = f"{model[stage]:20.2f}" if stage in model else f"{'–':>20}"
            lines.append(f"{stage:52} {seconds / minutes:8.2f} {expected}")
        lines.append(f"{lane.lane} lane, {lane.runs} runs: ${lane.cost_usd / minutes:.5f} a minute")
    return lines


def _per_stage(work: Work, lane: str) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for name in work.shapes:
        if name == lane:
            seconds = work.seconds_per_minute(name)
    # The decode pass is one function that produces three artifacts; runs log it by all their names.
    if "decode" in seconds:
        seconds["audio_extract+scene_detect+vision_sample_frames"] = seconds["decode"]
    return seconds


def _sum(lane: str, events: list[dict[str, Any]]) -> Measured:
    seconds: defaultdict[str, float] = defaultdict(float)
    for event in events:
        for stage, each in event["seconds"].items():
            seconds[stage] += each
    cost_usd = sum(event["cost_usd"] for event in events)
    return Measured(lane=lane, runs=len(events), seconds=dict(seconds), cost_usd=cost_usd)


def _costed(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if _COSTED in line:
                    yield from _event(line)


def _event(line: str) -> Iterator[dict[str, Any]]:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return  # cut off in the middle, by a kill
    if event.get("action") == "run.costed":
        yield event
