"""`/v1/me`: who is signed in, how much they have and what they may; and leaving for good."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from common import audit
from common.quotas.buckets import BucketName, Level
from common.quotas.usage import Usage, expiry_notices, usage
from common.videos import catalog, erasing, users
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


class Quota(ResponseModel):
    """How much of something the plan allows, and how much of it is left now."""

    name: BucketName
    """`video_ms` are milliseconds of video, of which an upload in progress holds ten minutes."""
    limit: int
    left: int
    refill_s: int
    """What is used comes back evenly; all of it after this many seconds."""


class Plan(ResponseModel):
    """What the user's plan allows."""

    tier: str
    quotas: tuple[Quota, ...]
    """What is not listed is not limited."""
    in_processing: int
    """Videos between the start of their upload and the end of their processing."""
    max_in_processing: int | None
    """Null: any number."""
    retention_days: int | None
    """How long a new video is kept; null: until it is deleted."""


class ExpiringVideo(ResponseModel):
    """A video that will be deleted within days."""

    video_id: UUID
    title: str
    expires_at: datetime
    announced_at: datetime


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
    plan: Plan
    expiring: tuple[ExpiringVideo, ...]
    """Announced a week before, the nearest first, at most 100."""


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
        plan=_plan(usage(tx, principal.user_id)),
        expiring=tuple(
            ExpiringVideo(
                video_id=notice.id,
                title=notice.title,
                expires_at=notice.expires_at,
                announced_at=notice.expiry_announced_at,
            )
            for notice in expiry_notices(tx, principal.user_id)
        ),
    )


def _plan(used: Usage) -> Plan:
    return Plan(
        tier=used.tier,
        quotas=tuple(_quota(level) for level in used.levels),
        in_processing=used.in_processing,
        max_in_processing=used.max_in_processing,
        retention_days=used.retention_days,
    )


def _quota(level: Level) -> Quota:
    return Quota(name=level.bucket, limit=level.capacity, left=level.left, refill_s=level.refill_s)


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
    # Loaded by now: the request's token was verified there.
    from common.web.auth import forget

    erasing.erase_account(tx, principal.user_id)
    audit.record(tx, principal.user_id, "account.deleted")
    forget(principal.user_id)
