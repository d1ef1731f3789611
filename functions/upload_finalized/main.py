"""The function that Cloud Storage calls when an object is in the uploads bucket.

An exception makes Eventarc deliver the event again; what cannot be mended by that is recorded and
answered with success.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import flask
import functions_framework
from cloudevents.http import CloudEvent

from common import config, log, tracing
from common.arrivals import Arrivals
from common.database import Database
from common.errors import ContractError
from common.ledger.outbox import Outbox
from common.ledger.uploads import Uploads
from common.ports import Objects
from common.trace import traceparent_of
from common.web.envelope import harden_events
from functions.upload_finalized.validate import FINALIZED, UploadAccepted, read_event

log.configure("upload_finalized")
harden_events()


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the function talks to."""

    arrivals: Arrivals
    store: Objects
    bucket: str


@cache
def _services() -> Services:
    """Wired once per instance, when the first event comes, and Google's libraries with it."""
    from common.bus import Bus
    from common.storage import ObjectStore

    settings = config.load()
    tracing.configure(settings, "upload_finalized")
    db = Database.connect(settings)
    outbox = Outbox(db, Bus.connect(settings))
    return Services(
        arrivals=Arrivals(Uploads(db, grace_s=settings.upload_grace_s), outbox),
        store=ObjectStore.connect(settings),
        bucket=settings.uploads_bucket,
    )


@functions_framework.cloud_event
def upload_finalized(event: CloudEvent) -> None:
    """Take an object into the ledger.

    Raises:
        TransientError: deliver the event again.
    """
    # Eventarc documents no trace attribute; the header is of the delivery.
    delivered_in = traceparent_of(flask.request.headers.get("traceparent"))
    traceparent = traceparent_of(event.get("traceparent")) or delivered_in
    with log.bound(traceparent=traceparent):
        if event["type"] != FINALIZED:
            log.event("event.unwanted", severity="WARNING")
            return
        handle(event.get_data(), traceparent, _services())


def handle(data: object, traceparent: str, services: Services) -> None:
    """The function, without the framework.

    Args:
        data: of the CloudEvent.
        traceparent: W3C trace context, or "".
        services: what it talks to.
    """
    try:
        accepted = read_event(data, bucket=services.bucket)
    except ContractError as error:
        log.event("event.invalid", severity="ERROR", error=error)
        return
    if accepted is None:
        log.event("upload.foreign", severity="WARNING")
        return
    _take(accepted, traceparent, services)


def _take(accepted: UploadAccepted, traceparent: str, services: Services) -> None:
    arrival = services.arrivals.take(
        accepted.user_id, accepted.video_id, accepted.stored, traceparent=traceparent
    )
    if arrival.outcome == "unknown":
        # The row is there before the URL is, so the video was deleted meanwhile.
        services.store.delete(services.bucket, accepted.stored.name, effect="upload.discard")
