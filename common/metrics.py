"""Every figure that is made from the logs, as data: the one list of them.

An event's line is written by whoever knows; what is a state and not an event (a backlog), the sweep
counts in the ledger and logs once a minute. Cloud Logging turns both into metrics: Terraform reads
this list from `terraform/modules/observability/metrics.json`, which `make metrics` writes from here
and a test compares. What the platform measures itself (requests and their latency, instances,
undelivered messages) is not repeated.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Final, Literal

#: A counter counts lines; a distribution is of the values of a field.
Kind = Literal["counter", "distribution"]
#: When a line is written: when something happens, or with every sweep.
Source = Literal["event", "sweep"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure, and the log lines that it is made of."""

    #: In Cloud Monitoring: logging.googleapis.com/user/heimdex_NAME.
    name: str
    kind: Kind
    #: As UCUM writes it.
    unit: str
    #: Of the lines.
    action: str
    #: Whose values are distributed; "" for a counter.
    field: str = ""
    #: Fields whose values divide it.
    labels: tuple[str, ...] = ()
    source: Source = "event"
    #: Functions and jobs are different resources to Cloud Monitoring.
    written_by: Literal["function", "job"]
    description: str


METRICS: Final[tuple[Metric, ...]] = (
    # --- pipeline -------------------------------------------------------------------------------
    Metric(
        name="time_to_searchable",
        kind="distribution",
        unit="s",
        action="video.searchable",
        field="time_to_searchable_s",
        written_by="job",
        description="From the arrival of a video's last file until it can be searched",
    ),
    Metric(
        name="indexed_minutes",
        kind="distribution",
        unit="min",
        action="video.searchable",
        field="video_minutes",
        written_by="job",
        description="Length of the videos that became searchable",
    ),
    Metric(
        name="stage_duration",
        kind="distribution",
        unit="ms",
        action="stage.finished",
        field="duration_ms",
        labels=("stage",),
        written_by="job",
        description="Time of a stage that was completed",
    ),
    Metric(
        name="jobs_started",
        kind="counter",
        unit="1",
        action="job.started",
        labels=("lane",),
        written_by="function",
        description="Executions of jobs that were asked for",
    ),
    Metric(
        name="run_failures",
        kind="counter",
        unit="1",
        action="run.failed",
        labels=("code",),
        written_by="job",
        description="Attempts of runs that failed, retried ones included",
    ),
    Metric(
        name="lease_expiries",
        kind="counter",
        unit="1",
        action="run.lease_expired",
        labels=("lane",),
        written_by="job",
        description="Runs that were taken over from a worker that went silent",
    ),
    Metric(
        name="dead_letters",
        kind="counter",
        unit="1",
        action="dead_letter.recorded",
        labels=("reason", "code"),
        written_by="function",
        description="Messages that nobody could handle",
    ),
    Metric(
        name="ready_runs",
        kind="distribution",
        unit="1",
        action="lane.gauged",
        field="ready",
        labels=("lane",),
        source="sweep",
        written_by="function",
        description="Runs that could be claimed: the backlog",
    ),
    Metric(
        name="running_runs",
        kind="distribution",
        unit="1",
        action="lane.gauged",
        field="running",
        labels=("lane",),
        source="sweep",
        written_by="function",
        description="Runs that are claimed",
    ),
    Metric(
        name="oldest_ready",
        kind="distribution",
        unit="s",
        action="lane.gauged",
        field="oldest_ready_s",
        labels=("lane",),
        source="sweep",
        written_by="function",
        description="How long the run has waited that could be claimed first",
    ),
    Metric(
        name="oldest_unfinished",
        kind="distribution",
        unit="s",
        action="ledger.gauged",
        field="oldest_unfinished_s",
        source="sweep",
        written_by="function",
        description="How long no queued or processed video went on that stands longest",
    ),
    Metric(
        name="unpublished_messages",
        kind="distribution",
        unit="1",
        action="ledger.gauged",
        field="unpublished_messages",
        source="sweep",
        written_by="function",
        description="Messages that are owed to Pub/Sub",
    ),
    Metric(
        name="open_letters",
        kind="distribution",
        unit="1",
        action="ledger.gauged",
        field="open_letters",
        source="sweep",
        written_by="function",
        description="Dead letters that nobody replayed",
    ),
    Metric(
        name="oldest_erasure",
        kind="distribution",
        unit="s",
        action="ledger.gauged",
        field="oldest_erasure_s",
        source="sweep",
        written_by="function",
        description="Age of the deletion that waits longest",
    ),
    Metric(
        name="sweeps",
        kind="counter",
        unit="1",
        action="sweep.finished",
        written_by="function",
        description="Sweeps that came to their end; their absence is an alert",
    ),
    Metric(
        name="sweep_errors",
        kind="counter",
        unit="1",
        action="sweep.failed",
        labels=("kind",),
        written_by="function",
        description="Rows that a sweep could not look after",
    ),
    # --- search ---------------------------------------------------------------------------------
    Metric(
        name="search_duration",
        kind="distribution",
        unit="ms",
        action="search.answered",
        field="duration_ms",
        labels=("mode",),
        written_by="function",
        description="Time of a search, without HTTP and sign-in",
    ),
    Metric(
        name="encode_duration",
        kind="distribution",
        unit="ms",
        action="search.answered",
        field="encode_ms",
        written_by="function",
        description="Time to encode a query; near zero for one that was encoded before",
    ),
    Metric(
        name="leg_duration",
        kind="distribution",
        unit="ms",
        action="search.leg",
        field="duration_ms",
        labels=("leg",),
        written_by="function",
        description="Time in which a leg proposes scenes, in the sample whose legs ran alone",
    ),
    Metric(
        name="crashes",
        kind="counter",
        unit="1",
        action="http.crashed",
        written_by="function",
        description="Requests that ended in an error nobody foresaw",
    ),
    Metric(
        name="quota_refusals",
        kind="counter",
        unit="1",
        action="quota.refused",
        labels=("code",),
        written_by="function",
        description="Requests that a quota refused",
    ),
    # --- cost -----------------------------------------------------------------------------------
    Metric(
        name="run_cost",
        kind="distribution",
        unit="USD",
        action="run.costed",
        field="cost_usd",
        labels=("lane",),
        written_by="job",
        description="Estimated cost of an attempt, failed ones included",
    ),
    Metric(
        name="gpu_seconds",
        kind="distribution",
        unit="s",
        action="run.costed",
        field="gpu_s",
        labels=("lane",),
        written_by="job",
        description="GPU time of an attempt, failed ones included",
    ),
)


def as_json() -> str:
    """The list as Terraform reads it."""
    listed = {metric.name: asdict(metric) for metric in METRICS}
    for metric in listed.values():
        del metric["name"]
    return json.dumps(listed, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_json())
