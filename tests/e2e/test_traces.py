"""One trace from the request that begins an upload until its scenes can be searched."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import pytest

from common.domain import LANES
from common.metrics import METRICS
from gpu_jobs.pipeline import PIPELINE
from local.cli import main
from local.client import Client
from local.cloud import Cloud
from tests.e2e.conftest import index
from tests.media import write_clip
from tests.spans import ReceivedSpan, SpanReceiver

pytestmark = pytest.mark.xdist_group("e2e")

_TRACE = "logging.googleapis.com/trace"
_SPAN = "logging.googleapis.com/spanId"
#: Ids as the doorbell names them: a run's, not its video's.
_OF_AN_UPLOAD = ("video_id", "run_id")
#: Metrics of what goes wrong, which nothing here does; tests/unit/common/test_metrics has them.
_OF_TROUBLE = {
    *("run_failures", "lease_expiries", "dead_letters", "sweep_errors", "crashes"),
    "quota_refusals",
}
_UNITS = {"api", "upload_finalized", "start_jobs", "heimdex-media", "heimdex-gpu"}


def _lines(cloud: Cloud) -> list[dict[str, Any]]:
    """All log lines of all processes."""
    texts = [path.read_text(errors="replace") for path in cloud.logs.glob("*.log")]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def indexed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Client, str]:
    """A user with a clip that is indexed."""
    from uuid import uuid4

    from local.client import sign_in

    endpoints = cloud.address.endpoints
    client = Client(endpoints, sign_in(endpoints, f"{uuid4().hex}@example.com", "a password"))
    clip = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(clip)
    return client, index(client, clip)


def _of_video(cloud: Cloud, video_id: str) -> list[dict[str, Any]]:
    """The lines that name a video or one of its runs."""
    lines = _lines(cloud)
    runs = {
        line["run_id"] for line in lines if line.get("video_id") == video_id and "run_id" in line
    }
    wanted = {video_id, *runs}
    return [line for line in lines if wanted & {line.get(name) for name in _OF_AN_UPLOAD}]


def test_all_log_lines_of_an_upload_share_its_trace(
    cloud: Cloud, indexed: tuple[Client, str]
) -> None:
    """From the answer to POST /v1/uploads through event, doorbells and stages to the commit."""
    _, video_id = indexed
    about = _of_video(cloud, video_id)
    assert {line.get(_TRACE) for line in about} == {about[0][_TRACE]}
    trace = about[0][_TRACE]
    assert trace.startswith("projects/heimdex-local/traces/")
    of_trace = [line for line in _lines(cloud) if line.get(_TRACE) == trace]
    assert {line["service"] for line in of_trace} == _UNITS
    begun = [line for line in of_trace if line.get("route") == "/v1/uploads"]
    assert [line["action"] for line in begun] == ["http.answered"]
    stages = {line["stage"] for line in of_trace if line["action"] == "stage.finished"}
    assert stages == {stage.name for stage in PIPELINE.stages}
    actions = {line["action"] for line in of_trace}
    assert {"upload.complete", "job.started", "run.claimed", "video.searchable"} <= actions


def test_stage_lines_say_what_when_and_how_often(cloud: Cloud, indexed: tuple[Client, str]) -> None:
    """Each has video, stage, attempt, duration, severity, trace and span."""
    _, video_id = indexed
    finished = [x for x in _of_video(cloud, video_id) if x["action"] == "stage.finished"]
    for line in finished:
        assert UUID(line["video_id"]) == UUID(video_id)
        assert line["severity"] == "INFO"
        assert line["attempt"] == 1
        assert line["duration_ms"] >= 0
        assert line["logging.googleapis.com/trace_sampled"] is True
    # Stages that one function makes share their span; no others do.
    groups = [group for lane in LANES for group in PIPELINE.groups(lane)]
    assert len({line[_SPAN] for line in finished}) == len(groups)


def _by_name(found: list[ReceivedSpan], trace_id: str) -> dict[str, ReceivedSpan]:
    return {span.name: span for span in found if span.trace_id == trace_id}


def test_spans_of_an_upload_are_one_tree(
    cloud: Cloud, indexed: tuple[Client, str], spans: SpanReceiver
) -> None:
    """What all processes sent over the wire hangs below the request that began the upload."""
    _, video_id = indexed
    trace_id = _of_video(cloud, video_id)[0][_TRACE].rpartition("/")[2]
    expected = (
        *("POST /v1/uploads", "upload.arrived", "doorbell media", "doorbell gpu"),
        *("run media", "run gpu", "run.complete", "stage embed_text", "stage commit"),
    )
    spans.wait_for(*expected, trace_id=trace_id)
    found = _by_name(spans.all(), trace_id)
    root = found["POST /v1/uploads"]
    for name in ("upload.arrived", "doorbell media", "doorbell gpu", "run media", "run gpu"):
        assert found[name].parent_id == root.span_id, name
    assert found["stage embed_text"].parent_id == found["run gpu"].span_id
    assert found["stage commit"].attributes["video_id"] == video_id
    assert {span.project for span in found.values()} == {"heimdex-local"}
    assert not any(span.failed for span in found.values())


def test_a_search_has_spans_of_its_parts(
    cloud: Cloud, indexed: tuple[Client, str], spans: SpanReceiver
) -> None:
    """A trace of its own, with the encoder, each leg and the fusion; the query is nowhere."""
    client, _ = indexed
    before = len(spans.all())
    client.search("a red canarybird at night")
    spans.wait_for("search.encode", "leg vision", "search.fuse")
    deadline = time.monotonic() + 30
    while not any(x.name == "GET /v1/search" for x in spans.all()[before:]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    new = spans.all()[before:]
    root = next(x for x in new if x.name == "GET /v1/search")
    parts = [x for x in new if x.trace_id == root.trace_id and x is not root]
    assert {"search.encode", "search.recall", "search.evidence", "search.fuse"} <= {
        x.name for x in parts
    }
    assert {x.parent_id for x in parts} <= {x.span_id for x in (root, *parts)}
    assert "canarybird" not in repr(new)


def test_every_metric_has_its_lines(cloud: Cloud, indexed: tuple[Client, str]) -> None:
    """With a number in the field that is measured, and all labels, from the kind of unit named."""
    client, _ = indexed
    client.search("a red car at night")
    deadline = time.monotonic() + 60
    while not any(line["action"] == "ledger.gauged" for line in _lines(cloud) if "action" in line):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    lines = [line for line in _lines(cloud) if "action" in line]
    for metric in METRICS:
        found = [line for line in lines if line["action"] == metric.action]
        assert found or metric.name in _OF_TROUBLE, metric.name
        for line in found:
            # A video that is indexed once more is measured by its length alone.
            measured = {metric.field} & line.keys() if metric.field else set()
            assert all(isinstance(line[name], int | float) for name in measured), metric.name
            assert set(metric.labels) <= line.keys(), (metric.name, line)
            is_job = line["service"].startswith("heimdex-")
            assert is_job == (metric.written_by == "job"), (metric.name, line)
        assert not metric.field or any(metric.field in line for line in found), metric.name


def test_stats_tells_the_figures_of_the_running_cloud(
    cloud: Cloud, indexed: tuple[Client, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m local stats`: from the ledger and the logs, as tables and as JSON."""
    client, video_id = indexed
    client.search("a red car at night")
    state = str(cloud.logs.parents[1])
    assert main(["stats", "--state", state, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["users"] >= 1
    assert {x["state"]: x["videos"] for x in figures["videos"]}["indexed"] >= 1
    assert {x["stage"] for x in figures["stages"]} == {stage.name for stage in PIPELINE.stages}
    assert figures["searchable"]["p95_s"] > 0
    assert {"dense", "vision"} <= {x["leg"] for x in figures["legs"]}
    assert figures["usd_per_minute"] > 0
    assert {x["lane"] for x in figures["backlog"]} == {"media", "gpu"}
    assert main(["stats", "--state", state]) == 0
    assert "cost per indexed minute" in capsys.readouterr().out
    assert main(["logs", "--state", state, "--video", video_id, "--json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({line[_TRACE] for line in shown}) == 1
    assert {line["service"] for line in shown} == _UNITS
