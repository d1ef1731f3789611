"""Token buckets in Postgres: how much of something a user may still do, by the database's clock.

A bucket holds its tier's `capacity` and, when empty, is full again after `refill_s`. Taking an
amount out takes `amount / capacity × refill_s` to refill, so what is missing is kept as one time:
when the bucket is full again. Every charge moves that time on, and is granted while it stays within
`refill_s` from now. So at most capacity + capacity / refill_s × time is ever granted, whoever asks
at once: the row decides, in one statement (`charge_bucket` in schema.sql).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import AuthError, QuotaError

BucketName = Literal["uploads", "upload_bytes", "video_ms", "searches", "exports"]


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What does not depend on the tier."""

    #: Of the refusal.
    code: str
    #: Without the database's word the request goes on. A search needs the database anyway, so
    #: whoever could make the charge alone fail would win little; an upload costs us.
    fails_open: bool = False


BUCKETS: Final[Mapping[BucketName, Bucket]] = MappingProxyType(
    {
        "uploads": Bucket(code="uploads_exhausted"),
        "upload_bytes": Bucket(code="bytes_exhausted"),
        "video_ms": Bucket(code="minutes_exhausted"),
        "searches": Bucket(code="searches_exhausted", fails_open=True),
        "exports": Bucket(code="exports_exhausted"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Level:
    """How full a user's bucket is."""

    bucket: BucketName
    capacity: int
    refill_s: int
    #: Whole units that may be taken now.
    left: int


_CHARGE = text("SELECT charge_bucket(:user_id, :bucket, :amount)")
_WAIT = text("""
    SELECT :amount > l.capacity AS hopeless,
           coalesce(b.full_at - clock_timestamp(), interval '0')
           + refill_time(:amount, l.capacity, l.refill_s)
           - make_interval(secs => l.refill_s) AS wait
    FROM users u JOIN tier_limits l ON l.tier = u.tier AND l.bucket = :bucket
    LEFT JOIN quota_buckets b ON b.user_id = u.id AND b.bucket = l.bucket
    WHERE u.id = :user_id
""")
_REFUND = text("""
    UPDATE quota_buckets b SET full_at = b.full_at - refill_time(:amount, l.capacity, l.refill_s)
    FROM users u JOIN tier_limits l ON l.tier = u.tier AND l.bucket = :bucket
    WHERE u.id = :user_id AND b.user_id = u.id AND b.bucket = :bucket
""")
_LEVELS = text("""
    SELECT l.bucket, l.capacity, l.refill_s,
           floor((l.refill_s - greatest(0, coalesce(
               extract(epoch FROM b.full_at - clock_timestamp()), 0))) * l.capacity / l.refill_s
           ) AS left_over
    FROM users u JOIN tier_limits l ON l.tier = u.tier
    LEFT JOIN quota_buckets b ON b.user_id = u.id AND b.bucket = l.bucket
    WHERE u.id = :user_id
""")


def charge(tx: Connection, user_id: UUID, bucket: BucketName, amount: int = 1) -> None:
    """Take an amount out of a user's bucket, with the transaction's commit.

    A tier without a limit grants everything and keeps no account.

    Args:
        tx: a transaction of the tenant, as `heimdex_api`.
        user_id: the tenant.
        bucket: of what.
        amount: how much, at least 1.

    Raises:
        QuotaError: there is not so much in it; nothing was taken.
        AuthError: the user was deleted.
    """
    values = {"user_id": user_id, "bucket": bucket, "amount": amount}
    granted = tx.execute(_CHARGE, values).scalar_one()
    if granted is None:
        raise AuthError("the user was deleted")
    if not granted:
        wait_s, detail = _wait_s(tx, values), f"{amount} of {bucket}"
        raise QuotaError(BUCKETS[bucket].code, retry_after_s=wait_s, detail=detail)


def refund(tx: Connection, user_id: UUID, bucket: BucketName, amount: int) -> None:
    """Put back what was charged and not used; a bucket never holds more than its capacity."""
    tx.execute(_REFUND, {"user_id": user_id, "bucket": bucket, "amount": amount})


def levels(tx: Connection, user_id: UUID) -> list[Level]:
    """The buckets that the user's tier limits, in the order of `BUCKETS`."""
    found = {
        row.bucket: Level(
            bucket=row.bucket,
            capacity=row.capacity,
            refill_s=row.refill_s,
            left=max(0, int(row.left_over)),
        )
        for row in tx.execute(_LEVELS, {"user_id": user_id})
    }
    return [found[bucket] for bucket in BUCKETS if bucket in found]


def _wait_s(tx: Connection, values: Mapping[str, object]) -> int | None:
    """Seconds until a refused charge is granted, never too few; None if the bucket is too small."""
    row = tx.execute(_WAIT, values).one()
    if row.hopeless:
        return None
    wait: timedelta = row.wait
    return max(1, math.ceil(wait / timedelta(seconds=1)))
