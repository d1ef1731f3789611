"""A month's bill, line by line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.domain import Lane
from local.cost_model.model import Model
from local.cost_model.prices import Place, Price, per_second
from local.cost_model.work import Work

_TABLE: Final = Path(__file__).with_name("month.toml")
_HOUR_S: Final = 3_600
_GIB: Final = 1024**3
_MB: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the bill."""

    what: str
    #: How the amount comes about, in words.
    how: str
    usd: float


@dataclass(frozen=True, kw_only=True)
class Month:
    """What people do in a month, and what stands ready for it."""

    facts: Mapping[str, Mapping[str, float]]

    @property
    def uploads_per_day(self) -> float:
        """Videos a day."""
        return self.facts["people"]["daily"] * self.facts["people"]["uploads_each"]

    @property
    def video_minutes(self) -> float:
        """Minutes of video a month."""
        people = self.facts["people"]
        return self.uploads_per_day * people["minutes_per_upload"] * people["days"]

    def times(self, each: str) -> float:
        """How often a month something happens that each person does some times a day."""
        people = self.facts["people"]
        return people["daily"] * people[each] * people["days"]

    @property
    def seconds(self) -> float:
        """Seconds of the month."""
        return self.facts["people"]["days"] * 24 * _HOUR_S


def load(table: Path = _TABLE) -> Month:
    """The assumptions as they are committed."""
    facts: dict[str, Any] = tomllib.loads(table.read_text(encoding="utf-8"))
    return Month(facts=facts)


def bill(month: Month, work: Work, prices: Mapping[str, Price], place: Place) -> list[Line]:
    """The month's bill at a place."""

    def usd(name: str) -> float:
        return prices[name].usd[place]

    model = Model(work=work, prices=per_second(prices, place))
    lanes: tuple[Lane, ...] = ("media", "gpu")
    return [
        *(_job(month, model, lane) for lane in lanes),
        _search(month, usd),
        _functions(month, usd),
        _database(month, usd),
        *_storage(month, usd),
        *_edge(month, usd),
        _connector(month, usd),
        _registry(month, usd),
    ]


Usd = Callable[[str], float]


def _job(month: Month, model: Model, lane: Lane) -> Line:
    people = month.facts["people"]
    minutes = people["minutes_per_upload"]
    arrivals_per_s = month.uploads_per_day / (people["hours_of_day"] * _HOUR_S)
    videos = model.videos_per_execution(lane, minutes, arrivals_per_s)
    per_minute = model.usd_per_minute(lane, minutes, videos)
    return Line(
        what=f"Job of the {lane} lane",
        how=f"{month.video_minutes:,.0f} minutes at ${per_minute:.4f}; "
        f"{videos:.2f} videos per execution",
        usd=month.video_minutes * per_minute,
    )


def _search(month: Month, usd: Usd) -> Line:
    search = month.facts["search"]
    searches = month.times("searches_each")
    busy_s = searches * search["seconds_each"]
    idle_s = max(0.0, month.seconds - busy_s)
    cost = (
        busy_s * search["cpus"] * usd("request_cpu_second")
        + busy_s * search["memory_gib"] * usd("request_gib_second")
        + idle_s * search["cpus"] * usd("idle_cpu_second")
        + idle_s * search["memory_gib"] * usd("idle_gib_second")
    )
    how = f"one warm instance; {searches:,.0f} searches, {busy_s / _HOUR_S:,.0f} h busy"
    return Line(what="Search function", how=how, usd=cost)


def _functions(month: Month, usd: Usd) -> Line:
    functions = month.facts["functions"]
    requests = month.times("requests_each")
    busy_s = requests * functions["seconds_each"]
    idle_s = max(0.0, functions["warm_instances"] * month.seconds - busy_s)
    cost = (
        busy_s * functions["cpus"] * usd("request_cpu_second")
        + busy_s * functions["memory_gib"] * usd("request_gib_second")
        + idle_s * functions["cpus"] * usd("idle_cpu_second")
        + idle_s * functions["memory_gib"] * usd("idle_gib_second")
        + (requests + month.times("searches_each")) / 1e6 * usd("million_requests")
    )
    warm = f"{functions['warm_instances']:.0f} warm instance of the API"
    return Line(what="Other functions", how=f"{requests:,.0f} requests; {warm}", usd=cost)


def _database(month: Month, usd: Usd) -> Line:
    database = month.facts["database"]
    videos = month.facts["videos"]
    kept_minutes = month.uploads_per_day * month.facts["people"]["minutes_per_upload"]
    kept_minutes *= videos["kept_days"]
    rows_gib = kept_minutes * videos["scenes_per_minute"] * videos["kb_per_scene"] * 1000 / _GIB
    disk_gib = max(database["disk_gib"], rows_gib)
    hours = month.seconds / _HOUR_S
    cost = database["zones"] * (
        hours * database["cpus"] * usd("sql_cpu_hour")
        + hours * database["memory_gib"] * usd("sql_gib_hour")
        + disk_gib * usd("sql_gib_month")
    )
    how = (
        f"{database['cpus']:.0f} vCPU, {database['memory_gib']:.0f} GiB, {disk_gib:.0f} GiB of "
        f"disk ({rows_gib:.1f} GiB of scenes), in {database['zones']:.0f} zones"
    )
    return Line(what="Cloud SQL", how=how, usd=cost)


def _storage(month: Month, usd: Usd) -> list[Line]:
    people, videos = month.facts["people"], month.facts["videos"]
    per_day_mb = month.uploads_per_day * people["minutes_per_upload"] * videos["mb_per_minute"]
    kept_gib = per_day_mb * _MB * videos["kept_days"] * (1 + videos["artifact_share"]) / _GIB
    written = month.video_minutes * videos["objects_per_minute"]
    played_gib = month.times("plays_each") * videos["mb_per_play"] * _MB / _GIB
    return [
        Line(
            what="Cloud Storage",
            how=f"{kept_gib:,.0f} GiB kept, {written:,.0f} objects written",
            usd=kept_gib * usd("storage_gib_month") + written / 1000 * usd("storage_writes"),
        ),
        Line(
            what="Playing",
            how=f"{played_gib:,.0f} GiB to the internet",
            usd=played_gib * usd("egress_gib"),
        ),
    ]


def _edge(month: Month, usd: Usd) -> list[Line]:
    requests = month.times("requests_each") + month.times("searches_each")
    rules = month.facts["edge"]["rules"]
    armor = usd("armor_policy_month") + rules * usd("armor_rule_month")
    armor += requests / 1e6 * usd("armor_million_requests")
    return [
        Line(
            what="Load balancer",
            how="two forwarding rules",
            usd=month.seconds / _HOUR_S * usd("balancer_hour"),
        ),
        Line(
            what="Cloud Armor",
            how=f"a policy of {rules:.0f} rules, {requests:,.0f} requests",
            usd=armor,
        ),
    ]


def _connector(month: Month, usd: Usd) -> Line:
    machines = month.facts["network"]["connector_machines"]
    cost = machines * month.seconds / _HOUR_S * usd("small_machine_hour")
    return Line(what="VPC connector", how=f"{machines:.0f} small machines", usd=cost)


def _registry(month: Month, usd: Usd) -> Line:
    gib = month.facts["registry"]["gib"]
    return Line(
        what="Artifact Registry",
        how=f"{gib:.0f} GiB of images",
        usd=gib * usd("registry_gib_month"),
    )
