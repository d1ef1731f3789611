"""`/v1/erasures`: what was deleted for good, and how far that has come."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from common.errors import InputError
from common.videos import receipts
from common.videos.erasing import RequestedBy, Subject
from common.web.models import PageQuery, ResponseModel
from common.web.pages import Page, Position
from common.web.routes import Principal, RouteTable
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()


class Erasure(ResponseModel):
    """The receipt of a deletion. It keeps no id, title or other content."""

    id: UUID
    subject: Subject
    subject_sha256: str
    """SHA-256, in hex, of the id of what was deleted: whoever knows the id can find its receipt."""
    requested_by: RequestedBy
    requested_at: datetime
    finished_at: datetime | None
    """When the last file and row were gone. An upload that was under way delays it."""
    removed: dict[str, int]
    """How many of what were removed so far."""


class Erasures(ResponseModel):
    """A page of receipts, newest first."""

    erasures: tuple[Erasure, ...]
    next_page_token: str | None
    """None on the last page."""


@routes.get("/v1/erasures", summary="List what was deleted, newest first")
def list_erasures(
    services: Api, *, principal: Principal, tx: Connection, query: PageQuery, page: Page
) -> Erasures:
    """Receipts are kept for as long as the account, and after."""
    after = _before(page.after) if page.after is not None else None
    found = receipts.list_newest(tx, limit=page.size + 1, before=after)
    shown = found[: page.size]
    more = len(found) > page.size
    return Erasures(
        erasures=tuple(Erasure(**vars(receipt)) for receipt in shown),
        next_page_token=page.next(_position(shown[-1])) if more else None,
    )


def _position(receipt: receipts.Receipt) -> Position:
    return (receipt.requested_at.isoformat(), str(receipt.id))


def _before(position: Position) -> tuple[datetime, UUID]:
    match position:
        case (str(requested_at), str(receipt_id)):
            return datetime.fromisoformat(requested_at), UUID(receipt_id)
    raise InputError("invalid_page_token")
