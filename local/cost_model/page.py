"""`docs/cost.md`: every number in it is computed, none is typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from local.cost_model.model import IDLE_S, Model
from local.cost_model.month import Month, bill
from local.cost_model.prices import Place, Price, per_second
from local.cost_model.work import Work

_PLACES: Final[Mapping[Place, str]] = {"iowa": "us-central1", "seoul": "asia-northeast3"}
#: Lengths of video, in minutes, and how many share an execution.
_CASES: Final = ((1, 1), (3, 1), (10, 1), (10, 5))


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All data of the page."""

    prices: Mapping[str, Price]
    work: Work
    month: Month

    def model(self, place: Place) -> Model:
        """The model at a place's prices."""
        return Model(work=self.work, prices=per_second(self.prices, place))


def rendered(tables: Tables) -> str:
    """The page as it is committed."""
    parts = [
        _head(),
        _minute(tables),
        _stages(tables.work),
        _measured(tables.work),
        _bill(tables),
        _assumptions(tables.month),
        _prices(tables.prices),
        _unknown(),
    ]
    return "\n".join(parts)


def _head() -> str:
    return """\
# What it costs

Made by `make costs` from [local/cost_model](../local/cost_model): prices, work and the month as
data, and a model over them. `make check` fails when this page is not what they make. List prices,
before free tiers, discounts and tax.

**Nothing here was billed.** Heimdex was never deployed to a live project, and nothing of it ran on
an L4: the GPU's seconds come from other people's published numbers, the CPU's from our measurements
on two cores. What a deployment measures itself is in its logs: every run writes `run.costed` with
its stages' seconds and their price.
"""


def _minute(tables: Tables) -> str:
    rows = []
    for minutes, videos in _CASES:
        what = (
            f"{minutes} min, alone" if videos == 1 else f"{minutes} min, {videos} in one execution"
        )
        cells = [_usd(sum(tables.model(p).estimates(minutes, videos).values())) for p in _PLACES]
        seconds = tables.model("iowa").billed_s("gpu", minutes, videos)
        rows.append([what, f"{seconds:.0f} s", *cells])
    busy = [_usd(tables.model(place).busy_usd_per_minute()) for place in _PLACES]
    rows.append(["instances never idle", "–", *busy])
    execution = tables.work.executions["gpu"]
    overhead = execution.start_s + execution.load_s + IDLE_S
    return f"""\
## An indexed minute

Both lanes together, in US dollars for a minute of video. Jobs scale to zero, so whoever comes alone
pays for the start too: in the GPU lane {execution.start_s:.0f} s for the instance,
{execution.load_s:.0f} s for the models and {IDLE_S:.0f} s of waiting for the next video,
{overhead:.0f} s in all; and no execution is billed for less than
{execution.minimum_billed_s:.0f} s. Sources: {tables.work.bounds_source}.

{_table(["video", "GPU billed", *_PLACES.values()], rows)}
"""


def _stages(work: Work) -> str:
    rows = []
    for lane in work.shapes:
        seconds = work.seconds_per_minute(lane)
        rows += [
            [stage, lane, f"{each:.2f}", _origin(work, stage)] for stage, each in seconds.items()
        ]
        rows.append([f"**{lane}**", "", f"**{sum(seconds.values()):.2f}**", _shape(work, lane)])
    return f"""\
## Where the seconds go

Seconds of the instance for a minute of 1080p, in the `gpu` profile. Faces are off, as by default.

{_table(["stage", "lane", "s", "from"], rows)}
"""


def _measured(work: Work) -> str:
    seconds = work.cpu_profile_seconds()
    video = work.video
    rows = [
        [
            each.stage,
            f"{each.seconds_on_cpu:.0f} s",
            f"{_on_l4(work, each.stage):.1f} s",
            each.measured,
        ]
        for each in work.models
    ]
    rows.append(["sum", f"{sum(seconds.values()):.0f} s", "", ""])
    return f"""\
## Measured, and reckoned

The models' stages for a video of {video.minutes} minutes with {video.scenes} scenes,
{video.frames_per_scene} frames and {video.tokens_per_scene} tokens each: measured without a GPU in
the `cpu` profile (smaller models), and reckoned for an L4 in the `gpu` profile. The first column is
that of [performance.md](performance.md); a test compares them.

{_table(["stage", "measured, 2 cores", "reckoned, L4", "measured with"], rows)}

`python -m local.cost_model --measured .heimdex` puts the model beside what the runs of a local
cloud took.
"""


def _bill(tables: Tables) -> str:
    bills = {p: bill(tables.month, tables.work, tables.prices, p) for p in _PLACES}
    rows = [
        [line.what, line.how, *(f"{bills[place][index].usd:,.0f}" for place in _PLACES)]
        for index, line in enumerate(bills["iowa"])
    ]
    totals = [f"**{sum(line.usd for line in bills[place]):,.0f}**" for place in _PLACES]
    rows.append(["**sum**", "", *totals])
    daily = tables.month.facts["people"]["daily"]
    fixed = ("Cloud SQL", "Load balancer", "VPC connector", "Search function")
    standing = sum(line.usd for line in bills["seoul"] if line.what in fixed)
    return f"""\
## A month with {daily:,.0f} people a day

US dollars. The amounts are those of us-central1; the columns differ by their prices.

{_table(["what", "how much", *_PLACES.values()], rows)}

About ${standing:,.0f} of Seoul's sum are for what stands there whether many come or few (database,
warm search, load balancer, connector). Not in the bill: builds, logs and metrics beyond their free
share, messages, erased objects until soft delete ends, support.
"""


def _assumptions(month: Month) -> str:
    rows = [
        [f"{group}.{name}", f"{value:,g}"]
        for group, facts in month.facts.items()
        for name, value in facts.items()
    ]
    return f"""\
## What the month assumes

Guesses, in [month.toml](../local/cost_model/month.toml).

{_table(["what", "value"], rows)}
"""


def _prices(prices: Mapping[str, Price]) -> str:
    rows = [
        [
            each.what,
            each.unit,
            *(_price(each.usd[place]) for place in _PLACES),
            f"{each.source}, {each.read}" if each.read else f"{each.source}: **look it up**",
            each.seoul,
        ]
        for each in prices.values()
    ]
    return f"""\
## Prices

{_table(["what", "unit", *_PLACES.values(), "source, read", "Seoul"], rows)}

Seoul is a region of tier 2 of Cloud Run. It has no L4, so the GPU lane runs elsewhere
([regional-move.md](runbooks/regional-move.md)); asia-southeast1 is of tier 2 as well.
"""


def _unknown() -> str:
    return """\
## Not known

- How long anything takes on an L4, in a Cloud Run instance, or with real weights; how long an
  instance takes to start with our image, and to load models from a bucket.
- The L4's price outside tier 1, and every price marked *assumed* or *look it up*.
- Whether a Cloud Run vCPU decodes as fast as one of our cores: if it is half as fast, the stages
  of the media lane cost twice as much.
- What people do.
"""


def _on_l4(work: Work, stage: str) -> float:
    return work.seconds_per_minute("gpu")[stage] * work.video.minutes


def _origin(work: Work, stage: str) -> str:
    for cpu in work.cpu:
        if cpu.stage == stage:
            return f"measured: {cpu.measured}"
    for model in work.models:
        if model.stage == stage:
            rate = f"{model.per_second_on_l4:,g} {model.unit}/s"
            return f"**not measured by us**, {rate}: {model.published}"
    raise KeyError(stage)


def _shape(work: Work, lane: str) -> str:
    shape = next(shape for name, shape in work.shapes.items() if name == lane)
    gpus = f"{shape.gpus:.0f} L4, " if shape.gpus else ""
    return f"{gpus}{shape.cpus:.0f} vCPU, {shape.memory_gib:.0f} GiB"


def _usd(value: float) -> str:
    return f"{value:.4f}"


def _price(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
