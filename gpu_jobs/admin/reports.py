"""Figures for operators: users, videos, failures, cost. Numbers, codes and ids; never content."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from common.errors import CODES
from common.ledger.figures import Figures, IndexedFigures
from gpu_jobs.admin.present import Result, table
from gpu_jobs.costs import LaneCost, Rates, lane_costs

if TYPE_CHECKING:
    from gpu_jobs.admin.command import Services

_MINUTE_MS = 60_000


def users(services: Services, options: argparse.Namespace) -> Result:
    """Who has how much."""
    found = Figures(services.db).users(options.limit)
    rows = [
        {
            "user_id": each.user_id,
            "tier": each.tier if each.deleted_at is None else "being erased",
            "videos": each.videos,
            "indexed": each.indexed,
            "failed": each.failed,
            "minutes": _minutes(each.video_ms),
            "since": each.created_at.date(),
            "last_upload": each.last_upload_at and each.last_upload_at.date(),
        }
        for each in found
    ]
    lines = table(rows) if rows else ["no users"]
    return Result(value={"users": [asdict(each) for each in found]}, lines=lines)


def videos(services: Services, options: argparse.Namespace) -> Result:
    """Videos by state, what waits, how long people waited, and how long each stage took."""
    figures = Figures(services.db)
    states, backlog, gauges = figures.states(), figures.backlog(), figures.gauges()
    stages, indexed = figures.stages(options.since), figures.indexed(options.since)
    lines = [
        *_titled(
            "videos",
            [
                {"state": x.state, "videos": x.videos, "minutes": _minutes(x.video_ms)}
                for x in states
            ],
        ),
        *_titled(
            "backlog",
            [
                {
                    "lane": x.lane,
                    "ready": x.ready,
                    "running": x.running,
                    "oldest_ready_s": round(x.oldest_ready_s, 1),
                }
                for x in backlog
            ],
        ),
        *_titled("unfinished", [{k: _rounded(v) for k, v in asdict(gauges).items()}]),
        *_titled("searchable after (s)", [_waited(indexed)]),
        *_titled(
            "stages (s)",
            [
                {
                    "lane": x.lane,
                    "stage": x.stage,
                    "done": x.done,
                    "p50": round(x.p50_ms / 1_000, 2),
                    "p95": round(x.p95_ms / 1_000, 2),
                }
                for x in stages
            ],
        ),
    ]
    value = {
        "states": [asdict(x) for x in states],
        "backlog": [asdict(x) for x in backlog],
        "unfinished": asdict(gauges),
        "searchable": asdict(indexed),
        "stages": [asdict(x) for x in stages],
    }
    return Result(value=value, lines=lines)


def failures(services: Services, options: argparse.Namespace) -> Result:
    """Why videos failed, and what quotas refused."""
    figures = Figures(services.db)
    failed, refused = figures.failures(options.since), figures.refusals(options.since)
    rows = [asdict(x) | {"meaning": _meaning(x.error_code)} for x in failed]
    refusals = [asdict(x) for x in refused]
    return Result(
        value={"failures": rows, "refusals": refusals},
        lines=[*_titled("failed videos", rows), *_titled("refused by quotas", refusals)],
    )


def cost(services: Services, options: argparse.Namespace) -> Result:
    """What processing cost, by the prices in the settings, and what a minute of video did."""
    figures = Figures(services.db)
    stages, indexed = figures.stages(options.since), figures.indexed(options.since)
    costs = lane_costs(stages, Rates.of(services.settings))
    per_minute = usd_per_minute(costs, indexed)
    lines = [
        *_titled("cost", [asdict(x) for x in costs]),
        f"indexed: {indexed.videos} videos, {_minutes(indexed.video_ms)} minutes",
        f"per indexed minute: {'-' if per_minute is None else f'{per_minute:.6f} USD'}",
        "Stages that were completed, at the prices in HEIMDEX_PRICE_…; failed attempts, starting",
        "and idling come on top, and what was deleted is not counted.",
    ]
    value = {
        "lanes": [asdict(x) for x in costs],
        "indexed_videos": indexed.videos,
        "indexed_minutes": _minutes(indexed.video_ms),
        "usd_per_minute": per_minute,
    }
    return Result(value=value, lines=lines)


def usd_per_minute(costs: Sequence[LaneCost], indexed: IndexedFigures) -> float | None:
    """What a minute of the indexed videos cost; None if there is none."""
    if not indexed.video_ms:
        return None
    total_usd = sum(each.cost_usd for each in costs)
    return round(total_usd / (indexed.video_ms / _MINUTE_MS), 6)


def _waited(indexed: IndexedFigures) -> dict[str, Any]:
    return {
        "videos": indexed.videos,
        "p50": _rounded(indexed.p50_s),
        "p95": _rounded(indexed.p95_s),
    }


def _titled(title: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    """A table under its title."""
    lines = table(rows) if rows else ["none"]
    return [f"{title}:", *(f"  {line}" for line in lines), ""]


def _minutes(video_ms: int) -> float:
    return round(video_ms / _MINUTE_MS, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _meaning(code: str) -> str:
    return CODES[code].en if code in CODES else "unknown code"
