"""What follows when an object of an upload is in the bucket, however that became known.

The event of Cloud Storage tells it, and the sweep finds out when an event was lost.
"""

from __future__ import annotations

from uuid import UUID

from common import log, tracing
from common.errors import TransientError
from common.ledger.outbox import Outbox
from common.ledger.uploads import Arrival, StoredObject, Uploads


class Arrivals:
    """Takes objects into the ledger.

    Args:
        uploads: as `heimdex_ingest`.
        outbox: the same.
    """

    def __init__(self, uploads: Uploads, outbox: Outbox) -> None:
        self._uploads = uploads
        self._outbox = outbox

    def take(
        self, user_id: UUID, video_id: UUID, stored: StoredObject, *, traceparent: str = ""
    ) -> Arrival:
        """Compare the object with what was declared; if it was the last, start processing.

        What the object really is, the media lane finds out in its sandbox.

        Args:
            user_id: the tenant, from the object's name.
            video_id: the video, from the object's name.
            stored: the object.
            traceparent: of the event. What counts is the trace that the upload began in: Cloud
                Storage does not pass it on, so the ledger keeps it.

        Raises:
            TransientError: the database cannot be reached; nothing happened.
        """
        began_in = self._uploads.traceparent(user_id, video_id) or traceparent
        with tracing.span("upload.arrived", parent=began_in, kind="consumer", video_id=video_id):
            return self._take(user_id, video_id, stored, began_in)

    def _take(
        self, user_id: UUID, video_id: UUID, stored: StoredObject, traceparent: str
    ) -> Arrival:
        arrival = self._uploads.finalize(user_id, video_id, stored, traceparent=traceparent)
        log.event(
            f"upload.{arrival.outcome}",
            video_id=video_id,
            generation=stored.generation,
            size_bytes=stored.size_bytes,
            code=arrival.code,
        )
        try:
            self._outbox.publish(user_id, arrival.message_ids)
        except TransientError as error:
            # The message stays owed; the sweep publishes it.
            log.event("outbox.unpublished", severity="WARNING", error=error)
        return arrival
