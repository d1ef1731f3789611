"""The sweep: finds what a lost message, a dead process or a deleted video left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from common import log
from common.arrivals import Arrivals
from common.errors import HeimdexError
from common.ledger.outbox import Outbox
from common.ledger.rows import TenantRow
from common.ledger.sweep import Sweep
from common.ledger.uploads import DeclaredObject, StoredObject, Uploads
from common.ports import Accounts, Objects
from functions.start_jobs.erasing import Eraser

#: The writer of an outbox row publishes it at once; after this long it did not get to it.
_UNPUBLISHED_S: Final = 10.0
#: Idempotency keys are good for a day; published messages and done erasures are kept as long.
_KEEP_S: Final = 24 * 3600.0
#: Dead letters, and exports that are over, are for people to look at; after this long nobody will.
_KEEP_LONG_S: Final = 30 * 24 * 3600.0
#: A worker writes its last object within its lease plus the retries of that one request.
_LAST_WRITE_S: Final = 60.0

#: A video's end is announced this long before it.
NOTICE_S: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When something counts as forgotten."""

    #: A run that can be claimed is rung for again after this long.
    ring_again_after_s: float
    #: Of the workers.
    lease_s: float
    #: An upload under way may end this long after its URL expired.
    grace_s: float = 3_600.0

    @property
    def settle_s(self) -> float:
        """After this long nobody writes objects of a deleted video any more."""
        return 2 * self.lease_s + _LAST_WRITE_S


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """Where objects are."""

    store: Objects
    uploads: str
    artifacts: str


@dataclass(kw_only=True)
class Report:
    """What one sweep did, by kind."""

    done: dict[str, int] = field(default_factory=dict)
    errors: int = 0


class Sweeper:
    """Does one sweep after the other; several at once do no harm.

    Args:
        sweep: finds across tenants.
        uploads: declared objects.
        arrivals: takes objects whose event was lost.
        outbox: publishes what is owed.
        buckets: to look for uploads and erase objects.
        timing: when something counts as forgotten.
        accounts: of Firebase; without them deleted accounts wait.
    """

    def __init__(
        self,
        *,
        sweep: Sweep,
        uploads: Uploads,
        arrivals: Arrivals,
        outbox: Outbox,
        buckets: Buckets,
        timing: Timing,
        accounts: Accounts | None = None,
    ) -> None:
        self._sweep = sweep
        self._uploads = uploads
        self._arrivals = arrivals
        self._outbox = outbox
        self._buckets = buckets
        self._timing = timing
        self._eraser = Eraser(
            sweep.erasures(settle_s=timing.settle_s, grace_s=timing.grace_s),
            buckets.store,
            uploads=buckets.uploads,
            artifacts=buckets.artifacts,
            accounts=accounts,
        )

    def sweep(self) -> Report:
        """Look after everything once; what fails for one row does not stop the others.

        Raises:
            TransientError: the database cannot be reached.
        """
        report = Report()
        again_s = self._timing.ring_again_after_s
        self._each(report, "rung", self._sweep.due_runs(again_s), self._ring)
        owed = self._sweep.unpublished_messages(_UNPUBLISHED_S)
        self._each(report, "published", owed, self._publish)
        self._each(report, "uploads", self._sweep.open_uploads(again_s), self._look_for_upload)
        self._each(report, "announced", self._sweep.expiring_videos(NOTICE_S), self._announce)
        self._each(report, "expired", self._sweep.expired_videos(NOTICE_S), self._expire)
        self._each(report, "erased", self._sweep.open_erasures(), self._eraser.erase)
        self._each(report, "exports", self._sweep.due_exports(again_s), self._ring_export)
        self._each(report, "archives", self._sweep.expired_exports(), self._expire_export)
        report.done["forgotten"] = self._sweep.tidy(_KEEP_S)
        report.done["forgotten"] += self._sweep.forget_letters(_KEEP_LONG_S)
        report.done["forgotten"] += self._sweep.forget_exports(_KEEP_LONG_S)
        self._log_gauges()
        log.event("sweep.finished", errors=report.errors, done=report.done)
        return report

    def _log_gauges(self) -> None:
        """What is a state and no event; see `common.metrics`."""
        for lane in self._sweep.backlog():
            log.event("lane.gauged", **asdict(lane))
        log.event("ledger.gauged", **asdict(self._sweep.gauges()))

    def _each(
        self,
        report: Report,
        kind: str,
        rows: tuple[TenantRow, ...],
        act: Callable[[TenantRow], bool],
    ) -> None:
        report.done[kind] = 0
        for row in rows:
            try:
                report.done[kind] += act(row)
            except HeimdexError as error:
                report.errors += 1
                log.event("sweep.failed", severity="WARNING", kind=kind, error=error)

    def _ring(self, row: TenantRow) -> bool:
        message_ids = self._sweep.ring(row, self._timing.ring_again_after_s)
        return self._outbox.publish(row.user_id, message_ids) > 0

    def _publish(self, row: TenantRow) -> bool:
        return self._outbox.publish(row.user_id, [row.id]) > 0

    def _look_for_upload(self, row: TenantRow) -> bool:
        """Take objects whose event was lost; give up those that did not arrive in time."""
        missing = [x for x in self._uploads.objects(row.user_id, row.id) if not x.finalized]
        taken = [self._take_if_stored(row, declared) for declared in missing]
        if any(taken):
            return True
        return any(x.expired for x in missing) and self._uploads.expire(row.user_id, row.id)

    def _take_if_stored(self, row: TenantRow, declared: DeclaredObject) -> bool:
        info = self._buckets.store.stat(self._buckets.uploads, declared.name)
        if info is None:
            return False
        stored = StoredObject(
            name=info.name,
            generation=info.generation,
            size_bytes=info.size_bytes,
            content_type=info.content_type,
            crc32c=info.crc32c,
        )
        return self._arrivals.take(row.user_id, row.id, stored).outcome != "repeated"

    def _announce(self, row: TenantRow) -> bool:
        return self._sweep.announce_expiry(row, NOTICE_S)

    def _expire(self, row: TenantRow) -> bool:
        """Before the erasures, so that this sweep begins to delete the objects."""
        return self._sweep.expire(row, NOTICE_S)

    def _ring_export(self, row: TenantRow) -> bool:
        message_ids = self._sweep.ring_export(row, self._timing.ring_again_after_s)
        return self._outbox.publish(row.user_id, message_ids) > 0

    def _expire_export(self, row: TenantRow) -> bool:
        prefix = f"exports/{row.user_id}/{row.id}/"
        self._buckets.store.delete_prefix(self._buckets.artifacts, prefix, effect="export.delete")
        self._sweep.expire_export(row)
        return True
