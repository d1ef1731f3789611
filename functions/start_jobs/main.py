"""The function that Pub/Sub pushes to: doorbells of the lanes, and the sweep.

A status other than 2xx makes Pub/Sub push again, later each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import flask
import functions_framework

from common import config, log, tracing
from common.arrivals import Arrivals
from common.config import Settings
from common.database import Database
from common.ledger.claims import Claims
from common.ledger.outbox import Outbox
from common.ledger.policy import LeasePolicy
from common.ledger.sweep import Sweep
from common.ledger.uploads import Uploads
from common.messages import Push, RunReady, decode, decode_push
from common.web.envelope import harden
from common.web.pushes import answer_push
from functions.start_jobs.doorbell import Doorbell
from functions.start_jobs.sweeping import Buckets, Sweeper, Timing

log.configure("start_jobs")
harden()


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the function talks to."""

    doorbell: Doorbell
    sweeper: Sweeper


@cache
def _services() -> Services:
    """Wired once per instance, when the first push comes."""
    settings = config.load()
    tracing.configure(settings, "start_jobs")
    return connect(settings)


def connect(settings: Settings) -> Services:
    """Wire the function to the services that the settings name, loading Google's libraries."""
    from common.bus import Bus
    from common.jobs import JobRunner
    from common.storage import ObjectStore
    from common.web.firebase import FirebaseAccounts

    db = Database.connect(settings)
    outbox = Outbox(db, Bus.connect(settings))
    uploads = Uploads(db, grace_s=settings.upload_grace_s)
    return Services(
        doorbell=Doorbell(Claims(db, LeasePolicy.of(settings)), JobRunner.connect(settings)),
        sweeper=Sweeper(
            sweep=Sweep(db),
            uploads=uploads,
            arrivals=Arrivals(uploads, outbox),
            outbox=outbox,
            buckets=Buckets(
                store=ObjectStore.connect(settings),
                uploads=settings.uploads_bucket,
                artifacts=settings.artifacts_bucket,
            ),
            timing=Timing(
                ring_again_after_s=settings.ring_again_after_s,
                lease_s=settings.lease_s,
                grace_s=settings.upload_grace_s,
            ),
            accounts=FirebaseAccounts(),
        ),
    )


@functions_framework.http
def start_jobs(request: flask.Request) -> flask.Response:
    """Answer a push of Pub/Sub."""
    return answer_push(_take, request.get_data())


def _take(body: bytes) -> None:
    push = decode_push(body)
    services = _services()
    name = "sweep" if push.lane is None else f"doorbell {push.lane}"
    with tracing.span(name, parent=push.traceparent, kind="consumer"):
        handle(push, services)


def handle(push: Push, services: Services) -> None:
    """The function, without the framework.

    Raises:
        ContractError: the message cannot be read.
        TransientError: push it again.
    """
    if push.lane is None:
        services.sweeper.sweep()
    else:
        services.doorbell.ring(decode(RunReady, push.data))
