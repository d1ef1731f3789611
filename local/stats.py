"""The figures of the running local cloud: `python -m local stats`.

The same as the dashboards of an environment have (`common.metrics`): what is a state or a sum comes
from the ledger, as an operator; what is an event, from the logs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common.config import Settings
from common.database import Database
from common.ledger.figures import Figures
from gpu_jobs.admin.reports import usd_per_minute
from gpu_jobs.costs import Rates, lane_costs
from local import logs
from local.admin import operator_environment

#: Everything: a local cloud has no history worth cutting off.
_SINCE_S = 10 * 365 * 86_400.0
_USERS = 10_000


def collect(directory: Path) -> dict[str, Any]:
    """All figures of the cloud on a state directory, as plain values."""
    return _of_ledger(_settings(directory)) | _of_logs(logs.read(directory / "logs"))


def show(console: Console, figures: Mapping[str, Any]) -> None:
    """Tables for people."""
    console.print(f"users: {figures['users']}", highlight=False)
    titles = {
        "videos": "videos",
        "failures": "failed videos",
        "searchable": "searchable after (s)",
        "stages": "stages (ms)",
        "backlog": "backlog",
        "unfinished": "unfinished",
        "search": "search (ms)",
        "legs": "legs of a search (ms)",
        "events": "since the cloud was first started",
        "refusals": "refused by quotas",
        "dead_letters": "dead letters",
        "cost": "cost",
    }
    for name, title in titles.items():
        value = figures[name]
        rows = value if isinstance(value, list) else _lines(value)
        console.print(_table(title, rows) if rows else f"{title}: none", highlight=False)
        console.print()
    per_minute = figures["usd_per_minute"]
    shown = "-" if per_minute is None else f"{per_minute:.6f} USD"
    console.print(f"cost per indexed minute, at the prices of the cloud: {shown}", highlight=False)


def plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as JSON has them."""
    loaded: dict[str, Any] = json.loads(json.dumps(figures, default=str))
    return loaded


def _settings(directory: Path) -> Settings:
    told = operator_environment(directory)
    wanted = ("project", "uploads_bucket", "artifacts_bucket", "database_url")
    return Settings.model_validate({name: told[f"HEIMDEX_{name.upper()}"] for name in wanted})


def _of_ledger(settings: Settings) -> dict[str, Any]:
    with closing(Database.connect(settings)) as db:
        figures = Figures(db)
        stages, indexed = figures.stages(_SINCE_S), figures.indexed(_SINCE_S)
        costs = lane_costs(stages, Rates.of(settings))
        return {
            "users": len(figures.users(_USERS)),
            "videos": _rows(figures.states()),
            "failures": _rows(figures.failures(_SINCE_S)),
            "searchable": asdict(indexed),
            "stages": _rows(stages),
            "backlog": _rows(figures.backlog()),
            "unfinished": asdict(figures.gauges()),
            "cost": _rows(costs),
            "usd_per_minute": usd_per_minute(costs, indexed),
        }


def _of_logs(lines: Sequence[logs.LogLine]) -> dict[str, Any]:
    counted = Counter(line.action for line in lines)
    searches = _values(lines, "search.answered", by="mode", field="duration_ms")
    encoding = _values(lines, "search.answered", by="action", field="encode_ms")
    events = ("run.lease_expired", "run.failed", "dead_letter.recorded", "http.crashed")
    return {
        "search": [
            *(_spread("mode", mode, values) for mode, values in sorted(searches.items())),
            *(_spread("mode", "encoding alone", values) for values in encoding.values()),
        ],
        "legs": [
            _spread("leg", leg, values)
            for leg, values in sorted(_values(lines, "search.leg", by="leg").items())
        ],
        "events": {action.replace(".", " "): counted[action] for action in events},
        "refusals": _tally(lines, "quota.refused", "code"),
        "dead_letters": _tally(lines, "dead_letter.recorded", "reason"),
    }


def _rows(found: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def _values(
    lines: Sequence[logs.LogLine], action: str, *, by: str, field: str = "duration_ms"
) -> dict[str, list[float]]:
    """A field's values, by another's."""
    found: dict[str, list[float]] = {}
    for line in lines:
        fields = line.fields or {}
        if line.action == action and field in fields:
            found.setdefault(str(fields.get(by, "")), []).append(float(fields[field]))
    return found


def _spread(key: str, name: str, values: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(values)
    return {
        key: name,
        "count": len(ordered),
        "p50": ordered[(len(ordered) - 1) // 2],
        "p95": ordered[-(-95 * len(ordered) // 100) - 1],
    }


def _tally(lines: Sequence[logs.LogLine], action: str, field: str) -> list[dict[str, Any]]:
    counted = Counter(
        str((line.fields or {}).get(field, "")) for line in lines if line.action == action
    )
    return [{field: name, "count": count} for name, count in counted.most_common()]


def _lines(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Figures without rows, one below the other."""
    return [{"": name.replace("_", " "), " ": value} for name, value in figures.items()]


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, value in rows[0].items():
        number = isinstance(value, int | float)
        table.add_column(
            name, justify="right" if number else "left", style="" if number else "cyan"
        )
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    return table


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value >= 1 else f"{value:.4f}"
    return "-" if value is None else str(value)
