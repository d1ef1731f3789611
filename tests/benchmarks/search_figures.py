"""What the search benchmark found, as a table and as one JSON object."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

#: Scores nearer than this are a tie: five standard deviations of the error of an inner product of
#: unit vectors of this width in half precision. (Plain colours tie exactly by hundreds.)
TIE = 2e-5


@dataclass(kw_only=True)
class Figures:
    """One design's figures for one tenant."""

    design: str
    scenes: int
    times_ms: list[float] = field(default_factory=list)
    #: Of each question, by leg.
    recalls: dict[str, list[float]] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    #: Results with fewer rows than asked for and there.
    short: int = 0
    #: Indexes that the planner chose, by leg.
    plans: dict[str, str] = field(default_factory=dict)

    @property
    def p50_ms(self) -> float:
        """The median."""
        return percentile(self.times_ms, 50)

    @property
    def p95_ms(self) -> float:
        """Of all times."""
        return percentile(self.times_ms, 95)

    @property
    def all_recalls(self) -> list[float]:
        """Of all legs together."""
        return [each for recalls in self.recalls.values() for each in recalls]

    def judge(
        self, leg: str, found: Sequence[int], scores: npt.NDArray[np.float64], k: int
    ) -> None:
        """Take a result into account.

        Args:
            leg: whose it is.
            found: scenes, by number.
            scores: of all scenes, exact.
            k: scenes asked for.
        """
        wanted = min(k, len(scores))
        self.rows.append(len(found))
        self.short += len(found) < wanted
        self.recalls.setdefault(leg, []).append(recall(found, scores, wanted))

    def summary(self) -> dict[str, object]:
        """For JSON."""
        return {
            "p50_ms": round(self.p50_ms, 2),
            "p95_ms": round(self.p95_ms, 2),
            "recall_min": {leg: round(min(each), 4) for leg, each in self.recalls.items()},
            "recall_mean": {
                leg: round(statistics.fmean(each), 4) for leg, each in self.recalls.items()
            },
            "rows_min": min(self.rows),
            "rows_mean": round(statistics.fmean(self.rows), 2),
            "short_results": self.short,
            **({"plans": self.plans} if self.plans else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What a design's tables and their indexes take."""

    design: str
    scenes: int
    size_bytes: int

    @property
    def per_scene_bytes(self) -> float:
        """With its three frames."""
        return self.size_bytes / self.scenes


def recall(found: Collection[int], scores: npt.NDArray[np.float64], k: int) -> float:
    """Share of the k best that was found; scenes that tie with the k-th best are as good as it is.

    Args:
        found: distinct or not; each counts once.
        scores: of all scenes, higher is better.
        k: 1 to len(scores).
    """
    least = np.partition(scores, -k)[-k]
    good = sum(bool(scores[scene] >= least - TIE) for scene in set(found))
    return min(good, k) / k


def percentile(values: Sequence[float], share: float) -> float:
    """Linearly interpolated."""
    return float(np.percentile(values, share))


def print_table(all_figures: Sequence[Figures], ratios: dict[int, float]) -> None:
    """Every design at every size, for people."""
    legs = list(all_figures[0].recalls)
    recalls = [f"{leg} {what}" for leg in legs for what in ("min", "mean")]
    row = "{:>8}  {:24} {:>9} {:>9} {:>7}" + " {:>11}" * len(recalls) + " {:>9} {:>6}"
    print(f"{'':63}recall")
    print(row.format("scenes", "design", "p50 ms", "p95 ms", "ratio", *recalls, "rows", "short"))
    for each in all_figures:
        ratio = f"{ratios[each.scenes]:.1f}" if each.design == "ours" else ""
        found = [
            f"{measure(each.recalls[leg]):.3f}"
            for leg in legs
            for measure in (min, statistics.fmean)
        ]
        times = (f"{each.p50_ms:.2f}", f"{each.p95_ms:.2f}")
        rows = f"{statistics.fmean(each.rows):.1f}"
        print(row.format(each.scenes, each.design, *times, ratio, *found, rows, each.short))
        for leg, plan in each.plans.items():
            print(f"{'':>10}planner, {leg}: {plan}")


def print_disk(disks: Sequence[Disk]) -> None:
    """Size on disk by design."""
    print(f"\n{'on disk, indexes included':40} {'scenes':>9} {'MB':>9} {'kB/scene':>9}")
    for disk in disks:
        size, each = disk.size_bytes / 1e6, disk.per_scene_bytes / 1e3
        print(f"{disk.design:40} {disk.scenes:>9} {size:>9.0f} {each:>9.2f}")
