"""List prices with where and when they were read.

The three that a run's estimate is made with are defaults of the settings; the table names the
setting instead of repeating its value.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from common.config import Settings
from gpu_jobs.costs import Prices

Place = Literal["iowa", "seoul"]

_TABLE: Final = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for one unit of something, before free tiers and discounts."""

    name: str
    what: str
    unit: str
    usd: Mapping[Place, float]
    source: str
    #: Month in which it was read; empty if nobody looked it up.
    read: str
    #: How Seoul's price is known.
    seoul: str


def load(table: Path = _TABLE) -> dict[str, Price]:
    """All prices by name."""
    rows = tomllib.loads(table.read_text(encoding="utf-8"))["price"]
    return {row["name"]: _price(row) for row in rows}


def per_second(prices: Mapping[str, Price], place: Place) -> Prices:
    """What an instance of a job is billed by, as runs estimate with it."""
    return Prices(
        gpu_usd=prices["gpu_second"].usd[place],
        cpu_usd=prices["cpu_second"].usd[place],
        gib_usd=prices["gib_second"].usd[place],
    )


def _price(row: Mapping[str, Any]) -> Price:
    iowa = float(_default(row["setting"]) if "setting" in row else row["iowa"])
    return Price(
        name=row["name"],
        what=row["what"],
        unit=row["unit"],
        usd={"iowa": iowa, "seoul": iowa * row["seoul_factor"]},
        source=row["source"],
        read=row["read"],
        seoul=row["seoul"],
    )


def _default(setting: str) -> float:
    default = Settings.model_fields[setting].default
    assert isinstance(default, float), setting
    return default
