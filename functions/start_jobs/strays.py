"""Looks for objects that no row of the ledger stands for, a few at a time.

A row is there before its object can be, and an erasure deletes objects before their row. So an
object without a row was stored after its erasure was done, and the event about it was lost: by a
resumable upload, which stays open for a week, or by whoever was stopped for as long.

A bucket may hold millions of objects, and a sweep has seconds. Each sweep looks at some, from a
random name on: names hold random ids, so all objects have their turn, without a place to remember.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from common.ledger.rows import TenantRow
from common.ledger.sweep import Sweep
from common.ports import Objects
from common.storage import ObjectInfo

_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: What all names of a video's objects begin with.
_OF_VIDEO: Final = re.compile(rf"[a-z]+/(?P<user>{_UUID})/(?P<video>{_UUID})[./]")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Objects of videos: a bucket and what their names begin with."""

    bucket: str
    prefix: str


class Strays:
    """Finds videos that have objects and no row.

    Args:
        sweep: knows the rows.
        store: has the objects.
        places: where to look.
        after_s: younger objects are left alone. It is also the time in which a database that was
            restored from a backup can be brought up to its buckets.
        limit: how many objects of each place to look at.
        draw: a name's first random part, to begin with.
    """

    def __init__(
        self,
        sweep: Sweep,
        store: Objects,
        places: tuple[Place, ...],
        *,
        after_s: float,
        limit: int = 200,
        draw: Callable[[], UUID] = uuid4,
    ) -> None:
        self._sweep = sweep
        self._store = store
        self._places = places
        self._after = timedelta(seconds=after_s)
        self._limit = limit
        self._draw = draw

    def find(self) -> tuple[TenantRow, ...]:
        """Keys of videos without a row that have objects.

        Raises:
            TransientError: Cloud Storage or the database did not answer.
        """
        owners = {
            owner
            for place in self._places
            for info in self._some(place)
            if (owner := self._owner(info)) is not None
        }
        ordered = sorted(owners, key=lambda owner: (owner.user_id, owner.id))
        return tuple(owner for owner in ordered if not self._sweep.has_video(owner))

    def _some(self, place: Place) -> tuple[ObjectInfo, ...]:
        """Up to the limit, from a random name on and then from the first."""
        start = f"{place.prefix}{self._draw()}"
        found = self._store.page(place.bucket, place.prefix, start=start, limit=self._limit)
        missing = self._limit - len(found)
        if not missing:
            return found
        first = self._store.page(place.bucket, place.prefix, start="", limit=missing)
        return found + tuple(info for info in first if info.name < start)

    def _owner(self, info: ObjectInfo) -> TenantRow | None:
        matched = _OF_VIDEO.match(info.name)
        if matched is None or info.created_at > datetime.now(UTC) - self._after:
            return None
        return TenantRow(user_id=UUID(matched["user"]), id=UUID(matched["video"]))
