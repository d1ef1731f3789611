"""What is watched in an environment: nothing forgotten, nobody sent to a page that is not there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from common.metrics import METRICS

_REPOSITORY = Path(__file__).parents[2]
_MODULE = _REPOSITORY / "terraform/modules/observability"
_TFCHECK = _REPOSITORY.parent / "shared/tfcheck/tfcheck"
_RUNBOOKS = _REPOSITORY / "docs/runbooks"
_DOCUMENT = _REPOSITORY / "docs/observability.md"


def _text(*names: str) -> str:
    return "\n".join((_MODULE / name).read_text() for name in names)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_looked_at(metric: object) -> None:
    """On a dashboard, by an alert or as an objective: what nobody sees need not be logged."""
    name = getattr(metric, "name", "")
    assert f'"{name}"' in _text("dashboards.tf", "alerts.tf", "slos.tf")


def test_charts_and_alerts_name_metrics_and_labels_that_there_are() -> None:
    """As the list in common/metrics.py has them."""
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    text = _text("dashboards.tf", "alerts.tf")
    named = re.findall(r'metric += "(\w+)"(?:.*? by += "(\w+)")?', text)
    assert len(named) > 20
    for name, by in named:
        assert name in labels, name
        assert not by or by in labels[name], (name, by)


def test_every_alert_links_a_runbook_that_there_is() -> None:
    """Of the names that the module knows; as a file, too, where the runbooks are."""
    text = _text("alerts.tf", "slos.tf")
    (known,) = re.findall(r"runbooks = \{ for name in \[(.*?)\]", text)
    names = set(re.findall(r'"([\w-]+)"', known))
    linked = set(re.findall(r'runbook += "([\w-]+)"', text))
    assert linked <= names
    assert len(linked) >= 6
    if _RUNBOOKS.is_dir():
        assert {name for name in names if not (_RUNBOOKS / f"{name}.md").is_file()} == set()


def test_the_document_tells_of_every_alert() -> None:
    """By the names that people are told, so that they can look it up."""
    text = _text("alerts.tf")
    titles = re.findall(r'title += "(.*?)"', text)
    document = _DOCUMENT.read_text().lower()
    missing = [title for title in titles if _core(title) not in document]
    assert missing == []


def _core(title: str) -> str:
    """`Dead letters are not taken` is listed as `are not taken`, after the others of its kind."""
    return title.lower().removeprefix("dead letters ")


@pytest.mark.deep
def test_the_example_applies_and_stays_as_it_is() -> None:
    """Real terraform: validate, plan, apply, a second plan that is empty."""
    if shutil.which("terraform") is None or not _TFCHECK.is_file():
        pytest.skip("there is no terraform, or nothing to serve its providers offline")
    command = [str(_TFCHECK), "--apply", "--root", str(_REPOSITORY / "terraform")]
    done = subprocess.run(
        [*command, str(_MODULE / "examples/basic")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors, 0 warnings" in done.stdout
