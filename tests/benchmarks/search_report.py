"""What the search benchmark prints."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.benchmarks import search_figures, search_http
from tests.benchmarks.search_data import FRAMES_PER_SCENE
from tests.benchmarks.search_figures import Disk, Figures
from tests.benchmarks.search_http import Load


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How many scenes each design holds."""

    ours: int
    plain: int
    hnsw: int
    #: Seconds that the HNSW indexes took.
    build_s: float


def report(
    stored: Stored,
    figures: Sequence[Figures],
    disks: Sequence[Disk],
    loads: dict[str, Load],
    *,
    searched: int,
) -> None:
    """The tables, and the JSON line.

    Args:
        stored: by whom.
        figures: of every design and tenant.
        disks: of every design.
        loads: whole requests.
        searched: scenes of the tenant that they searched.
    """
    sizes = sorted({each.scenes for each in figures})
    medians = {(each.scenes, each.design): each.p50_ms for each in figures}
    ratios = {size: medians[size, "plain exact"] / medians[size, "ours"] for size in sizes}
    print(
        f"scenes stored: {stored.ours:,} in ours, {stored.plain:,} in plain columns, "
        f"{stored.hnsw:,} under HNSW (indexes built in {stored.build_s:.0f} s); "
        f"{FRAMES_PER_SCENE} frames each\n"
    )
    search_figures.print_table(figures, ratios)
    search_figures.print_disk(disks)
    title = f"whole requests by HTTP, {searched:,} scenes"
    print(f"\n{title:40} clients  p50 ms  p95 ms  errors      /s")
    for name, load_ in loads.items():
        found = load_.summary()
        print(f"{LOADS[name]:40} " + " ".join(f"{found[key]:>7}" for key in _COLUMNS))
    for profile, needed in instances(loads).items():
        print(
            f"{search_http.CLIENTS} clients, p95 below {search_http.TARGET_S} s, encoders of the "
            f"{profile} profile ({search_http.ENCODING_MS[profile]} ms): {needed} instances"
        )
    print(json.dumps(summary(stored, figures, disks, loads, ratios)))


LOADS: Final = {
    "cached": "the same texts again (without encoding)",
    "encoded": "every text new",
    "many": "every text new, all clients at once",
}
_COLUMNS: Final = ("clients", "p50_ms", "p95_ms", "errors", "requests_per_s")


def summary(
    stored: Stored,
    figures: Sequence[Figures],
    disks: Sequence[Disk],
    loads: dict[str, Load],
    ratios: dict[int, float],
) -> dict[str, object]:
    """For JSON."""
    ours = [each for each in figures if each.design == "ours"]
    plain = {each.scenes: each for each in figures if each.design == "plain exact"}
    by_size = {f"ratio_{_short(size)}": round(ratio, 2) for size, ratio in ratios.items()}
    return {
        **dict.fromkeys(("ratio_1k", "ratio_10k", "ratio_100k")),
        **by_size,
        "recall_min": min(min(each.all_recalls) for each in ours),
        "recall_mean": round(
            statistics.fmean(recall for each in ours for recall in each.all_recalls), 4
        ),
        "short_results": sum(each.short for each in ours),
        "percentiles": {
            str(each.scenes): {
                "ours_p50_ms": round(each.p50_ms, 2),
                "ours_p95_ms": round(each.p95_ms, 2),
                "peer_p50_ms": round(plain[each.scenes].p50_ms, 2),
                "peer_p95_ms": round(plain[each.scenes].p95_ms, 2),
            }
            for each in ours
        },
        "scenes": {"ours": stored.ours, "plain": stored.plain, "hnsw": stored.hnsw},
        "hnsw": {
            "build_s": round(stored.build_s, 1),
            **{
                f"{each.scenes}, {each.design}": each.summary()
                for each in figures
                if each.design.startswith("HNSW")
            },
        },
        "disk_bytes_per_scene": {each.design: round(each.per_scene_bytes) for each in disks},
        "http": {name: each.summary() for name, each in loads.items()},
        "instances": instances(loads),
    }


def instances(loads: dict[str, Load]) -> dict[str, int]:
    """Instances that the target takes, by profile."""
    return {
        profile: search_http.instances(
            encoding_ms / 1_000, loads["cached"].mean_ms / 1_000, loads["many"].spread
        )
        for profile, encoding_ms in search_http.ENCODING_MS.items()
    }


def _short(size: int) -> str:
    return str(size) if size < 1_000 else f"{size // 1_000}k"
