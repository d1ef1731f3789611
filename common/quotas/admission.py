"""Whether another upload is admitted, and what it takes out of the user's buckets.

How long a video is, nobody knows before it was probed. So an upload reserves the minutes of the
longest video there may be, and what it did not use is put back when it ends (`settle`). No video is
ever given up for its minutes once its upload has begun.
"""

from __future__ import annotations

import math
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import InputError, QuotaError
from common.quotas.buckets import BucketName, charge, refund

#: When to look again whether a video is finished; nobody knows when that will be.
_PROCESSING_RETRY_S: Final = 60

# Uploads of one user are admitted one after the other, so that each counts those before it.
_TIER = text("""
    SELECT t.max_in_processing FROM users u JOIN tiers t ON t.name = u.tier
    WHERE u.id = :user_id FOR NO KEY UPDATE OF u
""")
_IN_PROCESSING = text("""
    SELECT count(*) FROM videos
    WHERE user_id = :user_id AND state IN ('uploading', 'queued', 'processing')
      AND deleted_at IS NULL
""")
_RESERVED = text("""
    SELECT reserved_ms FROM videos
    WHERE user_id = :user_id AND id = :video_id AND reserved_ms IS NOT NULL
    FOR NO KEY UPDATE
""")
_SETTLED = text("""
    UPDATE videos SET reserved_ms = NULL WHERE user_id = :user_id AND id = :video_id
""")


def admit(tx: Connection, user_id: UUID, *, size_bytes: int, reserve_ms: int) -> None:
    """Charge a new upload; what raises here or later leaves nothing charged.

    Args:
        tx: the transaction of the tenant that makes the video's row.
        user_id: the tenant.
        size_bytes: of all its files.
        reserve_ms: length of the longest video that is accepted.

    Raises:
        QuotaError: refused, with the time after which everything that is lacking is there.
        InputError: `file_too_large`: more than the tier's whole bucket holds.
    """
    max_in_processing = tx.execute(_TIER, {"user_id": user_id}).scalar_one_or_none()
    costs: dict[BucketName, int] = {
        "uploads": 1,
        "upload_bytes": size_bytes,
        "video_ms": reserve_ms,
    }
    refusals = [
        refusal
        for bucket, amount in costs.items()
        if (refusal := _refusal(tx, user_id, bucket, amount)) is not None
    ]
    if refusals:
        raise max(refusals, key=_wait_s)
    if max_in_processing is not None and in_processing(tx, user_id) >= max_in_processing:
        raise QuotaError("too_many_in_processing", retry_after_s=_PROCESSING_RETRY_S)


def in_processing(tx: Connection, user_id: UUID) -> int:
    """Videos between the start of their upload and the end of their processing."""
    return int(tx.execute(_IN_PROCESSING, {"user_id": user_id}).scalar_one())


def settle(tx: Connection, user_id: UUID, video_id: UUID, *, used_ms: int) -> None:
    """Put back what a video's upload reserved and the video did not use; once.

    Args:
        tx: the transaction of the tenant that ends the video.
        user_id: the tenant.
        video_id: the video.
        used_ms: its length, or 0 if it came to nothing.
    """
    key = {"user_id": user_id, "video_id": video_id}
    reserved_ms = tx.execute(_RESERVED, key).scalar_one_or_none()
    if reserved_ms is None:
        return
    tx.execute(_SETTLED, key)
    if reserved_ms > used_ms:
        refund(tx, user_id, "video_ms", reserved_ms - used_ms)


def _wait_s(refusal: QuotaError) -> float:
    return math.inf if refusal.retry_after_s is None else refusal.retry_after_s


def _refusal(tx: Connection, user_id: UUID, bucket: BucketName, amount: int) -> QuotaError | None:
    try:
        charge(tx, user_id, bucket, amount)
    except QuotaError as refused:
        if refused.retry_after_s is None and bucket == "upload_bytes":
            raise InputError("file_too_large", refused.detail) from refused
        return refused
    return None
