"""`/v1/me`: who is signed in, how much they have and what they may; and leaving for good."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from common.videos import catalog, erasing, users
from common.web.auth import forget
from common.web.models import QueryModel, ResponseModel
from common.web.routes import Principal, RouteTable
from functions.api.declarations import MAX_SUBTITLE_BYTES, MAX_SUBTITLES
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()


class UserCounts(ResponseModel):
    """How much the user has."""

    videos: int
    indexed: int
    failed: int
    scenes: int


class Limits(ResponseModel):
    """What an upload may be."""

    max_upload_bytes: int
    max_duration_ms: int
    max_subtitles: int
    max_subtitle_bytes: int


class AccountDeletion(QueryModel):
    """Nothing is deleted by a slip of the finger."""

    confirm: Literal["delete-everything"]
    """Exactly this: there is no way back."""


class Me(ResponseModel):
    """The signed-in user."""

    id: UUID
    email: str | None
    created_at: datetime
    counts: UserCounts
    limits: Limits


@routes.get("/v1/me", summary="Read the signed-in user", errors=("not_found",))
def get_me(services: Api, *, principal: Principal, tx: Connection) -> Me:
    """The user appears with the first verified request."""
    user = users.find(tx, principal.user_id)
    counts = catalog.count(tx, principal.user_id)
    return Me(
        id=user.id,
        email=user.email,
        created_at=user.created_at,
        counts=UserCounts(
            videos=counts.videos,
            indexed=counts.indexed,
            failed=counts.failed,
            scenes=counts.scenes,
        ),
        limits=Limits(
            max_upload_bytes=services.settings.max_upload_bytes,
            max_duration_ms=services.settings.max_duration_ms,
            max_subtitles=MAX_SUBTITLES,
            max_subtitle_bytes=MAX_SUBTITLE_BYTES,
        ),
    )


@routes.delete(
    "/v1/me",
    summary="Delete the account and everything in it",
    effect="account.erase",
    errors=("not_found",),
)
def delete_me(
    services: Api, *, principal: Principal, tx: Connection, query: AccountDeletion
) -> None:
    """Videos, search, people and exports are gone at once, and no token is accepted any more.

    Files and the sign-in account follow within a minute or two. Export first what is to be kept.
    Sending it again answers 401: the account is gone.
    """
    erasing.erase_account(tx, principal.user_id)
    forget(principal.user_id)
