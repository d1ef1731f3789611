"""What processing a video costs, and that every run says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from common import log
from common.domain import Lease, MediaLimits, RunRef
from common.errors import TransientError
from gpu_jobs.costs import Prices, Rates, Shape
from gpu_jobs.runner import Runner, Tools
from gpu_jobs.stage import Pipeline, Stage
from tests.conftest import settings
from tests.fakes import FileStore, call_in_process

_LEASE = Lease(
    run=RunRef(
        user_id=UUID(int=1), run_id=UUID(int=2), video_id=UUID(int=3), generation=4, lane="gpu"
    ),
    owner="test",
    fencing_token=1,
    attempt=1,
    traceparent="",
)


def test_a_second_costs_all_of_an_instance() -> None:
    """An instance is paid for with its GPUs, CPUs and memory, used or not."""
    prices = Prices(gpu_usd=1.0, cpu_usd=0.1, gib_usd=0.01)
    assert Shape(gpus=2, cpus=3, memory_gib=4).usd_per_s(prices) == pytest.approx(2.34)
    assert Shape(cpus=3, memory_gib=4).usd_per_s(prices) == pytest.approx(0.34)


def test_cloud_run_is_the_default() -> None:
    """With the settings' defaults an hour of each lane costs what Cloud Run's price list says."""
    rates = Rates.of(settings())
    # An L4 0.672 $/h, 4 vCPU 0.2592 $/h, 16 GiB 0.1152 $/h; and 2 vCPU with 4 GiB.
    assert rates.cost_usd("gpu", {"a": 3_600}) == pytest.approx(1.0465, abs=1e-4)
    assert rates.cost_usd("media", {"a": 3_600}) == pytest.approx(0.1584, abs=1e-4)


@pytest.mark.parametrize(
    ("lane", "name", "expected"),
    [
        ("gpu", "price_gpu_second_usd", 10.0),
        ("gpu", "price_cpu_second_usd", 40.0),
        ("gpu", "price_gib_second_usd", 160.0),
        ("media", "price_gpu_second_usd", 0.0),
        ("media", "price_cpu_second_usd", 20.0),
        ("media", "price_gib_second_usd", 40.0),
    ],
)
def test_prices_and_shapes_are_settings(lane: Any, name: str, expected: float) -> None:
    """Each price counts as often as the lane's instance has what it is for."""
    free = {f"price_{each}_second_usd": 0.0 for each in ("gpu", "cpu", "gib")}
    rates = Rates.of(settings(**(free | {name: 1.0})))
    assert rates.cost_usd(lane, {"a": 4.0, "b": 6.0}) == pytest.approx(expected)
    none = settings(**(free | {name: 1.0}), gpu_job_gpus=0, gpu_job_cpus=1, gpu_job_memory_gib=2)
    assert Rates.of(none).cost_usd("gpu", {"a": 1.0}) == pytest.approx(
        {"price_gpu_second_usd": 0, "price_cpu_second_usd": 1, "price_gib_second_usd": 2}[name]
    )


def test_nothing_costs_nothing() -> None:
    """A run that found everything done cost nothing."""
    assert Rates.of(settings()).cost_usd("gpu", {}) == 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    content: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    one: Part
    two: Part


class Clock:
    """Time that only stages let pass."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class Ledger:
    """The runner's ledger, when all goes well and nothing was done before."""

    def plan(self, _lease: Lease, _plan: object) -> Mapping[str, Any]:
        return {}

    def start(self, _lease: Lease, _names: object) -> None:
        """Written down nowhere."""

    def finish(self, _lease: Lease, _finished: object) -> None:
        """Written down nowhere."""

    def progress(self, _lease: Lease, _names: object, _fraction: float) -> None:
        """Written down nowhere."""

    def complete(self, _lease: Lease, **_: object) -> tuple[UUID, ...]:
        return ()

    def check(self) -> None:
        """Go on."""


def run_with(directory: Path, pipeline: Pipeline) -> None:
    """Work on a run of the gpu lane."""
    ledger: Any = Ledger()
    tools = Tools(
        stages=ledger,
        endings=ledger,
        uploads=ledger,
        store=FileStore(directory),
        uploads_bucket="uploads",
        artifacts_bucket="artifacts",
        rates=Rates(usd_per_s={"media": 7.0, "gpu": 0.5}, gpus={"gpu": 2.0}),
        sandbox=call_in_process,
        load_models=lambda: None,
        names=lambda _: (),
        limits=MediaLimits(),
        index_version="test",
    )
    Runner(pipeline, tools).run(_LEASE, ledger)


def pipeline_on(clock: Clock, *, fails: bool = False) -> Pipeline:
    """Two rows that share a function of 3 s, and one of 1.5 s."""

    def both() -> Parts:
        clock.now_s += 3.0
        return Parts(one=Part(content=b"1"), two=Part(content=b"2"))

    def last(two: Part) -> Part:
        clock.now_s += 1.5
        if fails:
            raise TransientError("stage_failed")
        return two

    return Pipeline(
        (
            Stage(name="one", lane="gpu", version=1, run=both, part="one"),
            Stage(name="two", lane="gpu", version=1, run=both, part="two"),
            Stage(name="last", lane="gpu", version=1, run=last),
        )
    )


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """What is logged, as (action, fields)."""
    seen: list[tuple[str, dict[str, object]]] = []

    def event(action: str, /, **fields: object) -> None:
        seen.append((action, fields))

    monkeypatch.setattr(log, "event", event)
    return seen


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_says_what_it_cost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    events: list[tuple[str, dict[str, object]]],
    fails: bool,
) -> None:
    """A run logs once the seconds of each stage and its lane's cost; also when a stage failed."""
    clock = Clock()
    monkeypatch.setattr("gpu_jobs.runner.time", clock)
    pipeline = pipeline_on(clock, fails=fails)
    if fails:
        with pytest.raises(TransientError):
            run_with(tmp_path, pipeline)
    else:
        run_with(tmp_path, pipeline)
    (costed,) = [fields for action, fields in events if action == "run.costed"]
    assert costed == {
        "lane": "gpu",
        "seconds": {"one+two": 3.0, "last": 1.5},
        "gpu_s": 9.0,
        "cost_usd": 2.25,
    }
