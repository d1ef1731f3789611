"""The list of metrics, against the code that logs and the Terraform that reads."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from common.metrics import METRICS, Metric, as_json

_REPOSITORY = Path(__file__).parents[3]
_LISTED = _REPOSITORY / "terraform/modules/observability/metrics.json"
#: Bound around the event, not named in its call: by the worker for each run and stage.
_BOUND = {"stage", "lane", "attempt", "video_id", "run_id"}


@cache
def _logged() -> dict[str, set[str] | None]:
    """Fields by action, as calls of `log.event` name them; None where some come by `**`."""
    found: dict[str, set[str] | None] = defaultdict(set)
    for part in ("common", "functions", "gpu_jobs"):
        for path in (_REPOSITORY / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "log.event":
                    _add(found, node)
    return found


def _add(found: dict[str, set[str] | None], call: ast.Call) -> None:
    names = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    open_ended = any(keyword.arg is None for keyword in call.keywords)
    for action in ast.walk(call.args[0]):
        if isinstance(action, ast.Constant) and isinstance(action.value, str):
            known = found[action.value]
            found[action.value] = None if open_ended or known is None else known | names


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_lines_of_a_metric_are_logged(metric: Metric) -> None:
    """Its action and fields are in a call of `log.event` (those by `**`: tests/e2e/test_traces)."""
    logged = _logged()
    assert metric.action in logged
    fields = logged[metric.action]
    if fields is not None:
        assert {metric.field, *metric.labels} - {""} <= fields | _BOUND


def test_names_are_given_once_and_kinds_have_what_they_need() -> None:
    """A distribution has a field, a counter none."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert bool(metric.field) == (metric.kind == "distribution"), metric.name
        assert len(metric.labels) <= 2, metric.name
        assert metric.written_by in ("function", "job"), metric.name


def test_terraform_reads_this_list() -> None:
    """`make metrics` was run after the last change."""
    assert _LISTED.read_text() == as_json()
