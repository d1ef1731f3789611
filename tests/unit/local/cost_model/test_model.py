"""What an indexed minute costs, and that the data behind it was measured and is deployed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.config import Settings
from gpu_jobs.costs import Prices, Rates, Shape
from gpu_jobs.pipeline import PIPELINE
from local.cost_model import month, page, prices, work
from local.cost_model.__main__ import PAGE
from local.cost_model.model import IDLE_S, Model
from tests.benchmarks import bench_models
from tests.conftest import settings

_ROOT = Path(__file__).parents[4]


def _model(place: prices.Place = "iowa") -> Model:
    return Model(work=work.load(), prices=prices.per_second(prices.load(), place))


def test_the_page_is_what_the_tables_make() -> None:
    """The committed page is not typed and not stale."""
    tables = page.Tables(prices=prices.load(), work=work.load(), month=month.load())
    assert PAGE.read_text(encoding="utf-8") == page.rendered(tables)


def test_there_is_one_price_of_a_second() -> None:
    """The model and a run's estimate in the logs use the same prices."""
    instance = Settings.model_fields
    shape = Shape(
        gpus=1,
        cpus=instance["gpu_job_cpus"].default,
        memory_gib=instance["gpu_job_memory_gib"].default,
    )
    assert shape.usd_per_s(_model().prices) == pytest.approx(Rates.of(settings()).usd_per_s["gpu"])


def test_every_price_says_where_it_is_from() -> None:
    """A price has a source and a date, or admits that nobody looked it up."""
    for price in prices.load().values():
        assert price.source
        assert price.seoul
        assert bool(re.fullmatch(r"20\d\d-\d\d", price.read)) != (price.source == "from memory")


def test_the_measured_seconds_are_those_of_the_benchmark() -> None:
    """The column of measured seconds is that of the published page, for the benchmark's video."""
    table = work.load()
    assert {stage: table.video.amount(stage) for stage in bench_models.WORK} == bench_models.WORK
    published = (_ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \|.*\| (\d+) s \| \d+ % \|$", published, flags=re.MULTILINE)
    assert table.cpu_profile_seconds() == {stage: float(seconds) for stage, seconds in rows}


def test_an_execution_is_billed_from_start_to_end() -> None:
    """Start, models, every video's stages and the last wait; and never less than the minimum."""
    model = _model()
    gpu = model.work.executions["gpu"]
    overhead = gpu.start_s + gpu.load_s + IDLE_S
    long = 120 * model.busy_s("gpu", 1)
    assert model.billed_s("gpu", 40, videos=3) == pytest.approx(overhead + long)
    assert model.billed_s("gpu", 0.1) == gpu.minimum_billed_s


def test_company_makes_a_minute_cheaper_and_solitude_dearer() -> None:
    """A minute costs least with instances never idle, and more the shorter a lone video is."""
    model = _model()
    costs = [
        model.busy_usd_per_minute(),
        sum(model.estimates(10, videos=5).values()),
        sum(model.estimates(10).values()),
        sum(model.estimates(3).values()),
        sum(model.estimates(1).values()),
    ]
    assert costs == sorted(costs)


def _declared(variable: str) -> dict[str, str]:
    """Defaults of the fields of one of the environment's variables."""
    modules = _ROOT / "terraform" / "modules"
    text = (modules / "environment" / "variables.tf").read_text(encoding="utf-8")
    block = text.partition(f'variable "{variable}"')[2].partition("\n}\n")[0]
    return dict(re.findall(r"(\w+) += optional\(\w+, \"?(\w+)\"?\)", block))


def _gib(memory: str) -> float:
    return float(memory.removesuffix("Gi"))


def test_instances_are_as_terraform_makes_them() -> None:
    """CPUs and memory of jobs and of search are the defaults of the environment's variables."""
    for lane, shape in work.load().shapes.items():
        declared = _declared(f"{lane}_job")
        assert (float(declared["cpu"]), _gib(declared["memory"])) == (shape.cpus, shape.memory_gib)
    facts = month.load().facts
    search, api = _declared("search"), _declared("api")
    assert (float(search["cpu"]), _gib(search["memory"])) == (
        facts["search"]["cpus"],
        facts["search"]["memory_gib"],
    )
    assert (float(api["cpu"]), _gib(api["memory"])) == (
        facts["functions"]["cpus"],
        facts["functions"]["memory_gib"],
    )


def test_what_stands_there_is_what_prod_has() -> None:
    """Database and warm instances are those of the production environment."""
    facts = month.load().facts
    prod = _ROOT / "terraform" / "envs" / "prod"
    main = (prod / "main.tf").read_text(encoding="utf-8")
    tier = re.search(r"db-custom-(\d+)-(\d+)", (prod / "variables.tf").read_text(encoding="utf-8"))
    assert tier is not None
    database = facts["database"]
    assert (int(tier[1]), int(tier[2]) / 1024) == (database["cpus"], database["memory_gib"])
    assert f"disk_gb = {database['disk_gib']:.0f}," in main
    assert ("high_availability = true" in main) == (database["zones"] == 2)
    assert f"api      = {{ min_instances = {facts['functions']['warm_instances']:.0f}," in main


def test_videos_meet_in_an_execution_as_often_as_chance_has_it() -> None:
    """At a rate of nothing each video is alone; at one per window there are e of them."""
    model = _model()
    window_s = model.busy_s("gpu", 3) + IDLE_S
    assert model.videos_per_execution("gpu", 3, 0.0) == 1.0
    assert model.videos_per_execution("gpu", 3, 1 / window_s) == pytest.approx(2.718, abs=1e-3)


def test_every_stage_is_paid_for_in_its_lane() -> None:
    """The stages of the table are the pipeline's, but for faces, which are off."""
    named = {
        stage
        for lane in ("media", "gpu")
        for row in work.load().seconds_per_minute(lane)
        for stage in row.split(", ")
    }
    decode = {"upload_validate", "audio_extract", "scene_detect", "vision_sample_frames"}
    assert named - {"decode"} | decode == {s.name for s in PIPELINE.stages} - {"faces_detect"}


def test_the_bill_is_the_sum_of_what_people_do() -> None:
    """Twice the people pay twice for jobs and playing, and the same for what stands there."""
    facts = {group: dict(values) for group, values in month.load().facts.items()}
    table = prices.load()
    once = {line.what: line.usd for line in month.bill(month.load(), work.load(), table, "iowa")}
    facts["people"]["daily"] *= 2
    doubled = month.bill(month.Month(facts=facts), work.load(), table, "iowa")
    twice = {line.what: line.usd for line in doubled}
    assert twice["Playing"] == pytest.approx(2 * once["Playing"])
    assert twice["Cloud Storage"] == pytest.approx(2 * once["Cloud Storage"])
    assert twice["Load balancer"] == once["Load balancer"]
    assert (
        once["Job of the gpu lane"] < twice["Job of the gpu lane"] < 2 * once["Job of the gpu lane"]
    )


def test_a_second_costs_what_its_parts_do() -> None:
    """Prices add up over an instance's GPU, CPUs and memory."""
    ones = Prices(gpu_usd=100.0, cpu_usd=10.0, gib_usd=1.0)
    model = Model(work=work.load(), prices=ones)
    gpu = model.work.shapes["gpu"]
    assert model.usd_per_s("gpu") == 100 * gpu.gpus + 10 * gpu.cpus + gpu.memory_gib
