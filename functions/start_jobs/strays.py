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
from functools import cache
from typing import Final
from uuid import UUID, uuid4

from common import log
from common.ledger.rows import TenantRow
from common.ledger.sweep import Sweep
from common.ports import Objects
from common.storage import ObjectInfo

_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_USER: Final = rf"(?P<user>{_UUID})"
_ID: Final = rf"(?P<id>{_UUID})"
#: Artifacts are below the generation of what they were made of.
_OF_VIDEO: Final = re.compile(
    rf"(?:videos|subtitles|sidecars|artifacts)/{_USER}/{_ID}(?:\.|/[0-9]+/|/[^/]+$)"
)
_OF_PHOTO: Final = re.compile(rf"(?:faces|artifacts)/{_USER}/{_UUID}/{_ID}(?:$|/[0-9]+/)")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Objects of users: a bucket and what their names begin with."""

    bucket: str
    prefix: str


def places(*, uploads: str, artifacts: str) -> tuple[Place, ...]:
    """Everywhere that objects of videos and photos are, but for archives, which have their time."""
    return tuple(
        Place(bucket=bucket, prefix=f"{kind}/")
        for bucket, kinds in (
            (uploads, ("videos", "subtitles", "faces")),
            (artifacts, ("artifacts", "sidecars")),
        )
        for kind in kinds
    )


class Strays:
    """Finds and deletes objects of videos and photos that have no row.

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
        limit: int = 50,
        draw: Callable[[], UUID] = uuid4,
    ) -> None:
        self._sweep = sweep
        self._store = store
        self._places = places
        self._after = timedelta(seconds=after_s)
        self._limit = limit
        self._draw = draw

    def find(self) -> tuple[ObjectInfo, ...]:
        """Objects without a row, of those that it is their turn to look at.

        Raises:
            TransientError: Cloud Storage or the database did not answer.
        """
        newest = datetime.now(UTC) - self._after
        looked_at = (info for place in self._places for info in self._some(place))
        old = [info for info in looked_at if info.created_at <= newest]
        has_row = cache(self._has_row)
        return tuple(info for info in old if not has_row(*_subject(info.name)))

    def erase(self, stray: ObjectInfo) -> bool:
        """Delete such an object.

        Raises:
            TransientError: Cloud Storage did not answer.
        """
        self._store.delete(stray.bucket, stray.name, effect="stray.delete")
        log.event("stray.deleted", severity="WARNING", generation=stray.generation)
        return True

    def _some(self, place: Place) -> tuple[ObjectInfo, ...]:
        """Up to the limit, from a random name on and then from the first."""
        start = f"{place.prefix}{self._draw()}"
        found = self._store.page(place.bucket, place.prefix, start=start, limit=self._limit)
        missing = self._limit - len(found)
        if not missing:
            return found
        first = self._store.page(place.bucket, place.prefix, start="", limit=missing)
        return found + tuple(info for info in first if info.name < start)

    def _has_row(self, kind: str, key: TenantRow | None) -> bool:
        """Of what a name tells nothing of, nothing is known to be missing."""
        if key is None:
            return True
        return self._sweep.has_video(key) if kind == "video" else self._sweep.has_photo(key)


def _subject(name: str) -> tuple[str, TenantRow | None]:
    """What an object is about: a video or a photo, by its key."""
    for kind, pattern in (("video", _OF_VIDEO), ("photo", _OF_PHOTO)):
        if matched := pattern.match(name):
            return kind, TenantRow(user_id=UUID(matched["user"]), id=UUID(matched["id"]))
    return "", None
